"""Accuracy of packs as the device computes it, beside what frozen features reach without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecl.errors import ConfigError, DataError
from edgecl.evaluation.floors import Floors, frozen_feature_floors
from edgecl.evaluation.scores import Score, is_dominated
from edgecl.streams import TaskSpec, load_task

if TYPE_CHECKING:
    from edgecl_runtime import Runtime
    from edgecl_runtime.manifest import PackManifest


@dataclass(frozen=True, slots=True)
class TaskAccuracy:
    """One task, measured on its test items.

    Attributes:
        task: Its name.
        accuracy: Of the runtime with the task's pack, percent.
        balanced_accuracy: Mean over classes, percent.
        dominated: Whether one class holds most of the test items, so that balanced accuracy is the one to look at.
        floors: Of closed-form heads on the bare features of the same items, in the measure to look at, percent.
        test_items: How many were measured.
    """

    task: str
    accuracy: float
    balanced_accuracy: float
    dominated: bool
    floors: Floors
    test_items: int

    @property
    def score(self) -> float:
        """The accuracy to look at, percent: balanced where one class dominates."""
        return self.balanced_accuracy if self.dominated else self.accuracy

    @property
    def gain(self) -> float:
        """Points of the score above the best floor."""
        return self.score - self.floors.best


def evaluate_tasks(
    runtime: Runtime, tasks: Sequence[TaskSpec], *, on_task: Callable[[TaskAccuracy], None]
) -> tuple[TaskAccuracy, ...]:
    """Measure the tasks of a stream; nothing here uses torch.

    The split is made with the seed that the pack was trained with, so no training item is measured.

    Args:
        runtime: Bundle and packs.
        tasks: The stream.
        on_task: Told about each task as it is measured.

    Raises:
        DataError: The data cannot be read, or are not those that the pack was trained and tested with.
        ConfigError: A task has no pack.
    """
    missing = [spec.name for spec in tasks if spec.name not in runtime.tasks]
    if missing:
        raise ConfigError.at(
            "stream",
            found=f"the tasks {', '.join(missing)} without a pack",
            expected=f"tasks among {', '.join(runtime.tasks) or '(none)'}",
            fix="Make their packs with edgecl pack build, or name the folder of packs with --packs.",
        )
    measured = []
    for spec in tasks:
        measured.append(_evaluate(runtime, spec))
        on_task(measured[-1])
    return tuple(measured)


def _evaluate(runtime: Runtime, spec: TaskSpec) -> TaskAccuracy:
    manifest = runtime.pack(spec.name).manifest
    data = load_task(spec, seed=_seed(manifest))
    if data.fingerprint != manifest.provenance.data_fingerprint:
        raise DataError.at(
            spec.data,
            found=f"items with fingerprint {data.fingerprint[:12]}",
            expected=f"those of the pack, {manifest.provenance.data_fingerprint[:12]}",
            fix="Evaluate on the data of the training stream, with its --data and --per-class, "
            "so that no training item is measured.",
        )
    prediction = runtime.predict(data.test.items, task=spec.name)
    position = {label: target for target, label in enumerate(data.labels)}
    predicted = np.array([position[label] for label in prediction.labels])
    floors = frozen_feature_floors(
        runtime.features(data.train.items),
        data.train.targets,
        runtime.features(data.test.items),
        data.test.targets,
    )
    score, targets = Score.of(predicted, data.test.targets), data.test.targets
    dominated = is_dominated(targets)
    return TaskAccuracy(spec.name, score.accuracy, score.balanced_accuracy, dominated, floors, len(targets))


def _seed(manifest: PackManifest) -> int:
    seed = manifest.provenance.config.get("seed")
    if not isinstance(seed, int):
        raise DataError.at(
            f"task {manifest.task!r}",
            found=f"seed {seed!r} in its pack",
            expected="a number",
            fix="Build the pack again.",
        )
    return seed
