"""How similar the tasks of a finished run are to a new one, from the training items of the new one alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from edgecl.errors import DataError, RunError
from edgecl.similarity.comparison import Comparison, compare, compare_predictions
from edgecl.similarity.items import draw_items
from edgecl.similarity.refusal import Refusal
from edgecl.streams import Split, TaskData, TaskSpec, check_items, load_task
from edgecl.training.features import features
from edgecl.training.loop import choose_device, device_here
from edgecl.training.train import load_run_backbone
from edgecl_runtime.heads import linear_scores, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.backbones.huggingface import Backbone
    from edgecl.similarity.estimate import Similarity
    from edgecl.similarity.methods import Method
    from edgecl.streams import Progress
    from edgecl.training.loop import Prepared
    from edgecl.training.run import Run
    from edgecl_runtime.tensors import TaskTensors

T = TypeVar("T")

BARE = "no task"
"""The source that is the bare backbone; no task can have this name."""

_NO_HEAD = Refusal("the bare backbone has no head that could say anything")


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task that was compared with those of a run.

    Attributes:
        name: The new task.
        items: Training items that were used.
        labels: Its classes; a dropped label of a similarity is a position among them.
        bare: The similarity of the bare backbone, which is no task: it stands beside the ranking, and is not in it.
        comparison: Of the run's tasks alone, in the order of training.
    """

    name: str
    items: int
    labels: tuple[str, ...]
    bare: Similarity | Refusal
    comparison: Comparison

    @property
    def sources(self) -> dict[str, Similarity | Refusal]:
        """What the bare backbone (`BARE`) and then each task says."""
        return {BARE: self.bare, **self.comparison.sources}

    @property
    def is_ranking(self) -> bool:
        """Whether there are two tasks or more, which can be ranked."""
        return len(self.comparison.sources) > 1


def compare_new_task(
    run: Run,
    spec: TaskSpec,
    *,
    method: Method,
    progress: Progress,
    on_features: Progress,
    on_source: Callable[[str, Similarity | Refusal], None],
    backbone_source: str | None = None,
) -> NewTask:
    """Return how much each task of a run says about the labels of a new one; nothing is trained or written.

    Args:
        run: With one finished task or more.
        spec: The new task; of its training items a stratified sample is used.
        method: Which score.
        progress: Told how many items were read and decoded.
        on_features: Told how many of the sources have seen the items.
        on_source: Told about each source as it is done.
        backbone_source: Where the backbone lies now, if not where the run was made.

    Raises:
        RunError: The run has no finished task, is damaged, or the backbone is another one.
        BackboneError: The backbone cannot be loaded.
        DataError: The data cannot be read, or are not what the backbone reads.
    """
    if not run.tasks:
        raise RunError(f"{run.folder}: no finished task to compare with. Train one: edgecl train")
    if not all(run.has_tensors(record.name) for record in run.tasks):
        raise RunError.at(
            run.folder,
            found=f"tasks of {run.record.config.method.name}, a peer that keeps no tensors of a task",
            expected="a run whose tasks ship",
            fix="Compare with a run of another method, such as edgecl train --method adaprefix.",
        )
    seed = run.record.config.seed
    backbone = load_run_backbone(run, source=backbone_source)
    data = _sample(load_task(spec, seed=seed), seed=seed)
    if data.modality != backbone.spec.modality:
        raise DataError.at(
            spec.data,
            found=f"{data.modality}s",
            expected=f"{backbone.spec.modality}s, which {backbone.spec.source} reads",
            fix="Compare with a run on a backbone of the other kind.",
        )
    prepared = check_items(data, backbone.preprocessor, progress=progress).train
    backbone.module.to(choose_device(device_here(run.record.config.training.device)))
    tasks = {record.name: run.tensors(record.name) for record in run.tasks}
    targets = data.train.targets
    if method == "leep":
        on_source(BARE, _NO_HEAD)
        said = _of_each(tasks, lambda task: _probabilities(backbone, prepared, task), on_features)
        comparison = compare_predictions(said, targets, seed=seed, on_source=on_source)
        return NewTask(spec.name, len(data.train), data.labels, _NO_HEAD, comparison)
    under = _of_each({BARE: None, **tasks}, lambda task: _features(backbone, prepared, task), on_features)
    score = partial(compare, labels=targets, method=method, seed=seed, on_source=on_source)
    bare = score({BARE: under.pop(BARE)}).sources[BARE]
    return NewTask(spec.name, len(data.train), data.labels, bare, score(under))


def _sample(data: TaskData, *, seed: int) -> TaskData:
    """Return the task with the items that are compared and no others, so that no others are decoded."""
    drawn = draw_items(data.train.targets, seed=seed)
    train = Split(tuple(data.train.items[position] for position in drawn), data.train.targets[drawn])
    return replace(data, train=train, test=Split((), np.empty(0, dtype=np.int64)))


def _of_each(
    sources: Mapping[str, T],
    say: Callable[[T], NDArray[np.floating]],
    on_features: Progress,
) -> dict[str, NDArray[np.floating]]:
    """Return what each source says about the items."""
    said: dict[str, NDArray[np.floating]] = {}
    for name, source in sources.items():
        on_features(len(said), len(sources))
        said[name] = say(source)
    on_features(len(said), len(sources))
    return said


def _features(backbone: Backbone, prepared: Prepared, task: TaskTensors | None) -> NDArray[np.floating]:
    """Return features [n, D] of items under a task, or of the bare backbone."""
    return features(backbone.module, prepared, preprocessor=backbone.preprocessor, task=task)


def _probabilities(backbone: Backbone, prepared: Prepared, task: TaskTensors) -> NDArray[np.floating]:
    """Return the probabilities [n, Z] that a task's own head gives its own classes on items of another task."""
    found = _features(backbone, prepared, task).astype(np.float32)
    return softmax(linear_scores(found, task.head_weight, task.head_bias))
