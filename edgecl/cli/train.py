"""`edgecl train`: learn the tasks of a stream, or one more task of a finished run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecl.arms import arm_names, arm_summary
from edgecl.cli.output import (
    TrainingConsole,
    going_on_when_repeated,
    json_option,
    print_facts,
    print_json,
    print_table,
)
from edgecl.cli.settings_option import parse_settings, settings_option
from edgecl.cli.stream_options import data_option, per_class_option

if TYPE_CHECKING:
    from edgecl.training.run import Run
    from edgecl.training.train import TrainingReport

DEFAULT_METHOD = "gated"
EXAMPLES = """\b
Examples:
  edgecl train --stream shop-floor.toml --out runs/shop-floor
  edgecl train --backbone facebook/dinov2-small --stream leaves.toml --out runs/leaves --set training.epochs=10
  edgecl train --stream leaves.toml --data /mnt/leaves --per-class 10 --reverse --out runs/leaves-10-reversed
  edgecl train runs/shop-floor --task scratches=data/scratches
  edgecl train --list-methods

\b
A stream lists tasks in order; data are a folder with one sub-folder per class, a CSV or JSONL file with text
and label, or an .npz file; with train/ and test/ parts, or split by the seed:
  name = "shop-floor"
  [[task]]
  name = "signs"
  data = "data/signs"

docs/training.md lists all settings, for --set and --config.

The same command continues a run that was stopped."""


@click.command(epilog=EXAMPLES)
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--stream", type=click.Path(path_type=Path), help="TOML file that lists the tasks in order.")
@click.option(
    "--task", "tasks", multiple=True, metavar="NAME=DATA", help="A task; may be given several times."
)
@data_option
@per_class_option
@click.option("--reverse", is_flag=True, help="Learn the tasks in reversed order.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run to make or to continue.")
@click.option(
    "--backbone", help="edgecl/NAME, a local transformers folder, or a hub name.  [default: edgecl/vit-64]"
)
@click.option(
    "--method",
    metavar="NAME",
    help=f"How tasks are learned, see --list-methods.  [default: {DEFAULT_METHOD}]",
)
@click.option("--image-size", type=int, help="Side of the input in pixels.  [default: the checkpoint's own]")
@click.option("--seed", type=int, help="Of splits, starts and batches.  [default: 0]")
@click.option("--config", type=click.Path(path_type=Path), help="TOML file with settings.")
@settings_option
@click.option(
    "--tensorboard", is_flag=True, help="Write logs for TensorBoard into the folder logs of the run."
)
@click.option(
    "--list-methods", is_flag=True, help="Print the names for --method and what each does; train nothing."
)
@json_option
def train(
    run: Path | None,
    stream: Path | None,
    tasks: tuple[str, ...],
    out: Path | None,
    *,
    list_methods: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train tasks on a frozen backbone.

    Without RUN: trains the tasks of --stream (or of --task) into the folder --out. With RUN: adds the tasks of
    --task to that finished run, with its own settings; data of its earlier tasks are not needed.
    """
    if list_methods:
        _print_methods(as_json)
        return
    if run is None:
        trained = _train_stream(stream, tasks, out, options)
    else:
        trained = _add_tasks(run, stream, tasks, out, options)
    if _speaks():
        _print_trained(trained, as_json)


def _print_methods(as_json: bool) -> None:
    methods = {name: arm_summary(name) for name in arm_names()}
    if as_json:
        print_json({"methods": methods, "default": DEFAULT_METHOD})
        return
    marks = {DEFAULT_METHOD: "  [default]"}
    print_facts("methods", [(name, said + marks.get(name, "")) for name, said in methods.items()])


def _print_trained(trained: Run, as_json: bool) -> None:
    metrics = trained.metrics()
    if as_json:
        print_json({"run": str(trained.folder), **metrics})
        return
    rows = [
        (
            task.name,
            str(len(task.labels)),
            str(task.train_items),
            f"{task.score:.1f} %{' balanced' if task.is_balanced else ''}",
            f"{task.seconds:.0f} s",
        )
        for task in trained.tasks
    ]
    rows.append(("average", "", "", f"{metrics['average_score']:.1f} %", ""))
    print_table(str(trained.folder), ("task", "classes", "trained on", "accuracy", "time"), rows)


def _train_stream(
    stream: Path | None, tasks: tuple[str, ...], out: Path | None, options: dict[str, Any]
) -> Run:
    if out is None or (stream is None) == (not tasks):
        raise click.UsageError(
            "Give --stream FILE (or --task NAME=DATA) and --out RUN to train, or RUN and --task NAME=DATA to add a task"
        )
    if stream is None and options["data"]:
        raise click.UsageError(
            "--data says where the data of a --stream lie; --task NAME=DATA has its own path"
        )
    from edgecl.config import read_config, refuse_meaningless
    from edgecl.streams import StreamSpec, parse_task_option, read_stream

    config = read_config(options["config"], overrides=_overrides(options), arm=options["method"])
    if not (out / "run.json").exists():  # a run goes on with what an earlier version let pass
        refuse_meaningless(config)
    specs = (
        read_stream(stream, data=options["data"])
        if stream
        else StreamSpec(name="stream", tasks=tuple(map(parse_task_option, tasks)))
    )
    specs = specs.varied(per_class=options["per_class"], reverse=options["reverse"])
    from edgecl.training.train import train_stream  # loads torch, so what is wrong above is said at once

    with _reports(out, options) as report:
        return train_stream(config, specs.tasks, out, report=report)


def _add_tasks(
    run: Path, stream: Path | None, tasks: tuple[str, ...], out: Path | None, options: dict[str, Any]
) -> Run:
    fixed = [name for name in ("method", "image_size", "seed", "config") if options[name] is not None]
    of_streams = stream or options["data"] or options["reverse"]
    if of_streams or out or options["settings"] or fixed or not tasks:
        raise click.UsageError(
            "With RUN give only --task NAME=DATA (and --per-class, and --backbone if its folder moved): "
            "a task is added with the settings of its run"
        )
    from edgecl.streams import StreamSpec, parse_task_option

    specs = StreamSpec(name="added", tasks=tuple(map(parse_task_option, tasks)))
    specs = specs.varied(per_class=options["per_class"])
    from edgecl.training.train import add_tasks

    with _reports(run, options) as report:
        return add_tasks(run, specs.tasks, report=report, backbone_source=options["backbone"])


@contextmanager
def _reports(run: Path, options: dict[str, Any]) -> Iterator[TrainingReport]:
    """Yield whom the training of a run tells of its progress."""
    from edgecl.training.logs import Reports, TrainingLogs

    with ExitStack() as entered:
        entered.enter_context(going_on_when_repeated(run / "run.json"))
        reports: list[TrainingReport] = []
        if _speaks():
            if options["tensorboard"]:
                reports.append(entered.enter_context(TrainingLogs(run)))
            reports.append(entered.enter_context(TrainingConsole()))
        yield Reports(*reports)


def _speaks() -> bool:
    """Say whether this process prints: of those that train together, the first alone does."""
    from edgecl.training.workers import Workers

    return Workers.of_environment().is_first


def _overrides(options: dict[str, Any]) -> dict[str, Any]:
    named = {
        "backbone.source": options["backbone"],
        "backbone.image_size": options["image_size"],
        "seed": options["seed"],
    }
    given = {key: value for key, value in named.items() if value is not None}
    return given | parse_settings(options["settings"])
