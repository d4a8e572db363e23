"""`edgecl evaluate`: the accuracy of packs, measured with the device's own code."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecl.cli.output import json_option, note, print_json, print_table
from edgecl.cli.stream_options import data_option, per_class_option

if TYPE_CHECKING:
    from edgecl.evaluation.evaluate import TaskAccuracy

EXAMPLES = """\b
Examples:
  edgecl evaluate bundles/shop-floor --stream shop-floor.toml
  edgecl evaluate bundles/shop-floor --packs device/packs --stream shop-floor.toml --json
  edgecl evaluate bundles/leaves-10 --stream leaves.toml --data /mnt/leaves --per-class 10

\b
--data and --per-class are those that the tasks were trained with."""


@click.command(epilog=EXAMPLES)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--stream", required=True, type=click.Path(path_type=Path), help="TOML file that lists the tasks."
)
@data_option
@per_class_option
@click.option("--packs", type=click.Path(path_type=Path), help="Folder of packs.  [default: BUNDLE/packs]")
@json_option
def evaluate(
    *, bundle: Path, stream: Path, data: Path | None, per_class: int | None, packs: Path | None, as_json: bool
) -> None:
    """Measure packs on the test parts of a stream, beside their floor, with the runtime instead of torch.

    The floor is the best of ridge, LDA with shrinkage and logistic regression on the bare backbone's features.
    Where one class holds most of the test items, accuracy and floors are balanced over the classes.
    """
    from edgecl.evaluation.evaluate import evaluate_tasks
    from edgecl.streams import read_stream
    from edgecl_runtime import Runtime

    measured = evaluate_tasks(
        Runtime.open(bundle, packs=packs),
        read_stream(stream, data=data).varied(per_class=per_class).tasks,
        on_task=lambda task: note(f"{task.task}: {_percent(task)} on {task.test_items} test items"),
    )
    accuracy = sum(task.accuracy for task in measured) / len(measured)
    score = sum(task.score for task in measured) / len(measured)
    floor = sum(task.floors.best for task in measured) / len(measured)
    if as_json:
        tasks = [
            asdict(task) | {"score": task.score, "best_floor": task.floors.best, "gain": task.gain}
            for task in measured
        ]
        averages = {"average_accuracy": accuracy, "average_score": score, "average_floor": floor}
        print_json({"bundle": str(bundle), **averages, "tasks": tasks})
        return
    rows = [
        (
            task.task,
            _percent(task),
            f"{task.floors.best:.1f}",
            f"{task.gain:+.1f}",
            f"{task.floors.ridge:.1f}",
            f"{task.floors.lda:.1f}",
            f"{task.floors.logistic:.1f}",
        )
        for task in measured
    ]
    rows.append(("average", f"{score:.1f} %", f"{floor:.1f}", f"{score - floor:+.1f}", "", "", ""))
    columns = ("task", "accuracy", "floor", "gain", "ridge", "LDA", "logistic")
    print_table(f"{bundle}, runtime against frozen features", columns, rows)


def _percent(task: TaskAccuracy) -> str:
    return f"{task.score:.1f} %{' balanced' if task.dominated else ''}"
