"""`edgecl pretrain`: train a backbone of one's own from a random start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecl.cli.output import TrainingConsole, json_option, note, print_facts, print_json
from edgecl.cli.settings_option import parse_settings, settings_option

if TYPE_CHECKING:
    from edgecl.pretraining.loop import Round
    from edgecl.pretraining.pretrain import PretrainingReport
    from edgecl.pretraining.record import TrainingRecord

EXAMPLES = """\b
Examples:
  edgecl pretrain vit-64-cpu --data photos --teacher facebook/dinov2-small --out backbones/mine
  edgecl pretrain vit-64-gpu --data photos --teacher backbones/vit-tiny --out backbones/mine --tensorboard
  edgecl pretrain mine.toml --data photos --out backbones/mine --set training.epochs=30
  edgecl train --backbone backbones/mine --stream shop-floor.toml --out runs/shop-floor

\b
CONFIG is vit-64-cpu, vit-64-gpu, or a TOML file with the tables student, teacher, loss, augmentation, training.
DATA is a folder with one sub-folder of images per class (directly, or in train and test or val), or packed .npz shards.

The same command continues a training that was stopped."""


@click.command(epilog=EXAMPLES)
@click.argument("config")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Image folder or packed shards.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the backbone to make.")
@click.option(
    "--teacher", help="Backbone whose features are learned: edgecl/NAME, a local folder, or a hub name."
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    help="Folder for the teacher's features, to share them among trainings.  [default: inside --out]",
)
@settings_option
@click.option("--tensorboard", is_flag=True, help="Write logs for TensorBoard into OUT/training/logs.")
@json_option
def pretrain(
    config: str,
    data: Path,
    out: Path,
    *,
    teacher: str | None,
    cache: Path | None,
    settings: tuple[str, ...],
    tensorboard: bool,
    as_json: bool,
) -> None:
    """Train a small vision backbone from a random start, on labels, on a teacher's features, or on both."""
    from edgecl.pretraining.config import read_pretraining_config
    from edgecl.pretraining.pretrain import pretrain as train_backbone

    overrides = {} if teacher is None else {"teacher.source": teacher}
    recipe = read_pretraining_config(config, overrides=overrides | parse_settings(settings))
    logs = out / "training" / "logs" if tensorboard else None
    with _reports(logs) as report:
        record = train_backbone(recipe, data, out, cache=cache, report=report)
    if _speaks():
        _print_record(record, out, as_json)


def _print_record(record: TrainingRecord, out: Path, as_json: bool) -> None:
    if as_json:
        import msgspec

        print_json({"backbone": str(out), **msgspec.to_builtins(record)})
        return
    validation = (
        f"{record.validation_top1:.1f} % of {record.validation_images} images, {record.classes} classes"
    )
    facts = [
        ("top-1", validation),
        ("images seen", f"{record.images_seen} in {record.steps} steps, {record.seconds / 60:.1f} minutes"),
        ("parameters", f"{record.parameters / 1e6:.2f} million"),
        ("one image", f"{record.macs / 1e6:.0f} million multiply-accumulates"),
    ]
    print_facts(str(out), facts)


@contextmanager
def _reports(logs: Path | None) -> Iterator[PretrainingReport]:
    """Yield whom the training tells of its progress; of several processes the first one alone speaks."""
    from edgecl.pretraining.reports import PretrainingLogs, Reports

    with ExitStack() as entered:
        reports: list[PretrainingReport] = []
        if _speaks():
            if logs is not None:
                reports.append(entered.enter_context(PretrainingLogs(logs)))
            reports.append(entered.enter_context(PretrainingConsole()))
        yield Reports(*reports)


def _speaks() -> bool:
    from edgecl.training.workers import Workers

    return Workers.of_environment().is_first


class PretrainingConsole(TrainingConsole):
    """Shows a pretraining on standard error: bars on a terminal, lines elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self._taught = 0

    def reading(self, done: int, total: int) -> None:
        """So many images were read and decoded."""
        if self._bars.disable and done == total:
            self._tell(f"read {total} images")
        self._show("reading data", done, total, "")

    def teaching(self, done: int, total: int) -> None:
        """The teacher has seen so many images."""
        percent = 100 * done // total
        if self._bars.disable and percent > self._taught:
            self._taught = percent
            self._tell(f"teacher: {done} of {total} images")
        self._show("teacher", done, total, "")

    def round(self, round_: Round) -> None:
        """A round of steps was trained."""
        said = f"step {round_.step}, loss {round_.loss:.3f}"
        if self._bars.disable:
            self._tell(f"{100 * min(round_.done, 1):.0f} %: {said}, {round_.seconds / 60:.1f} minutes")
        self._show("training", round(100 * min(round_.done, 1)), 100, said)

    def was_finished(self, record: TrainingRecord) -> None:
        """The same training was finished before, and nothing is done."""
        note("this training was finished before, and nothing was done; train anew with another --out")
