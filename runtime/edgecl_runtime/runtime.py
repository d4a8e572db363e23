"""The public face: one backbone, many tasks, one call."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecl_runtime.bundle import Bundle, read_bundle
from edgecl_runtime.engine import ActiveTask, Engine
from edgecl_runtime.errors import InputError, PackError, ProbeMismatchError, UnknownTaskError
from edgecl_runtime.heads import linear_scores, softmax
from edgecl_runtime.pack import TaskPack, read_pack
from edgecl_runtime.pack_folder import PackFolder, check_replaces, is_same_pack, read_pack_folder
from edgecl_runtime.preprocess import Preprocessor, build_preprocessor
from edgecl_runtime.probe import probe_inputs

__all__ = ["ACTIVE_TASKS", "BATCH_ROWS", "Prediction", "Runtime"]

BATCH_ROWS: Final = 64
ACTIVE_TASKS: Final = 16

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a task says about B items.

    Attributes:
        labels: The most probable class of each item.
        probabilities: float32 [B, C], columns in the order of `classes`.
        task: The task that was asked.
        features: float32 [B, D], the pooled features under that task.
        classes: The C class names.
    """

    labels: tuple[str, ...]
    probabilities: Float32
    task: str
    features: Float32
    classes: tuple[str, ...]


class Runtime:
    """A backbone and the packs that are open on it. Every method may be called from several threads.

    A call works with the packs that were open when it began: adding, replacing or removing a task never
    disturbs a call that is under way.
    """

    def __init__(
        self, bundle: Bundle, *, engine: Engine, preprocessor: Preprocessor, packs: PackFolder | None = None
    ) -> None:
        folder = packs or PackFolder({}, ())
        self._bundle = bundle
        self._engine = engine
        self._preprocessor = preprocessor
        self._packs: Mapping[str, TaskPack] = folder.packs
        self._skipped = folder.skipped
        self._changing = threading.Lock()
        self._active = _ActiveTasks(ACTIVE_TASKS)

    @classmethod
    def open(
        cls,
        bundle: Path | str,
        packs: Path | str | Sequence[Path | str] | None = None,
        *,
        skip_bad_packs: bool = False,
    ) -> Runtime:
        """Return a runtime with every pack of a folder open.

        Args:
            bundle: The folder of the backbone.
            packs: The folder of the packs (files named *.ecpack), or a list of pack files, which may be empty;
                without it BUNDLE/packs, if that is there.
                Of two files of one task the higher version is used.
            skip_bad_packs: Go on without a pack that cannot be used, and keep its error in `skipped_packs`.

        Raises:
            BundleError: the backbone cannot be used.
            PackError: a pack cannot be used; the message names the file.
            InputError: `packs` is one path and not a folder.
            MissingExtraError: onnxruntime, or for texts tokenizers, is not installed.
        """
        # Imported here: reading packs and bundles needs no engine.
        from edgecl_runtime.engine.feeds import FeedsEngine

        described = read_bundle(bundle)
        engine = FeedsEngine(
            described.graph_path,
            described.profile.providers,
            modality=described.modality,
            dimensions=described.dimensions,
        )
        preprocessor = build_preprocessor(described.preprocessing, folder=described.path)
        folder = read_pack_folder(described, packs, skip_bad_packs=skip_bad_packs)
        return cls(described, engine=engine, preprocessor=preprocessor, packs=folder)

    @property
    def bundle(self) -> Bundle:
        """The backbone."""
        return self._bundle

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the open tasks, sorted."""
        return tuple(sorted(self._packs))

    @property
    def skipped_packs(self) -> tuple[PackError, ...]:
        """Why packs were left out when the runtime was opened with `skip_bad_packs`."""
        return self._skipped

    def pack(self, task: str) -> TaskPack:
        """Return the open pack of a task.

        Raises:
            UnknownTaskError: it has none.
        """
        try:
            return self._packs[task]
        except KeyError:
            raise UnknownTaskError(str(task), known=self.tasks) from None

    def add(self, path: Path | str) -> str:
        """Open a pack and return its task; a newer version replaces an older one for all later calls.

        Raises:
            PackConflictError: the task already has a newer pack, or another one of the same version.
            PackError: the pack cannot be used; the tasks are as before.
        """
        added = read_pack(path, bundle=self._bundle)
        task = added.manifest.task
        with self._changing:
            current = self._packs.get(task)
            if current is not None:
                check_replaces(added, current)
            self._packs = {**self._packs, task: added}
            if current is not None and not is_same_pack(added, current):
                self._active.drop(current)
        return task

    def remove(self, task: str) -> None:
        """Close the pack of a task; its file stays.

        Raises:
            UnknownTaskError: it has none.
        """
        with self._changing:
            removed = self.pack(task)
            self._packs = {name: pack for name, pack in self._packs.items() if name != task}
            self._active.drop(removed)

    def predict(self, inputs: object, *, task: str) -> Prediction:
        """Return labels and probabilities under one task.

        Args:
            inputs: For images a path, a PIL image, a uint8 array [H, W, 3] or [H, W], a sequence of those, or
                a uint8 array [B, H, W, 3]; for texts a str or a sequence of them. One item counts as B = 1; B
                may be 0.
            task: The task to ask.

        Raises:
            InputError: an item is of another kind, or cannot be read.
            UnknownTaskError: the task has no open pack.
        """
        pack = self.pack(task)
        active = self._active.get(pack)
        features = self._run(inputs, active)
        probabilities = softmax(linear_scores(features, active.head_weight, active.head_bias))
        classes = pack.manifest.labels
        labels = tuple(classes[row] for row in probabilities.argmax(axis=1))
        return Prediction(labels, probabilities, pack.manifest.task, features, classes)

    def features(self, inputs: object, *, task: str | None = None) -> Float32:
        """Return pooled features float32 [B, D], under a task or under the bare backbone.

        Raises:
            InputError: an item is of another kind, or cannot be read.
            UnknownTaskError: the task has no open pack.
        """
        return self._run(inputs, None if task is None else self._active.get(self.pack(task)))

    def verify(self, task: str) -> float:
        """Run the self-test of a pack and return the largest difference to the features measured at export.

        Raises:
            ProbeMismatchError: the difference is above the pack's tolerance for the bundle's precision, or
                the pack has no tolerance for it.
            UnknownTaskError: the task has no open pack.
        """
        pack = self.pack(task)
        probe, precision = pack.manifest.probe, self._bundle.profile.precision
        if precision not in probe.tolerance:
            raise ProbeMismatchError(
                str(pack.path),
                found=f"tolerances for {', '.join(probe.tolerance) or 'no precision'}",
                expected=f"one for {precision}",
            )
        features = self._engine.run(
            probe_inputs(self._bundle.preprocessing, probe.seeds), self._active.get(pack)
        )
        difference = float(np.abs(features - pack.probe_features).max())
        if not difference <= probe.tolerance[precision]:
            raise ProbeMismatchError(
                str(pack.path),
                found=f"features that differ by {difference:.3g}",
                expected=f"at most {probe.tolerance[precision]:.3g} in {precision}",
            )
        return difference

    def _run(self, inputs: object, task: ActiveTask | None) -> Float32:
        items = _as_items(inputs, self._bundle.modality)
        features = np.empty((len(items), self._bundle.dimensions.width), np.float32)
        for start in range(0, len(items), BATCH_ROWS):
            prepared = self._preprocessor.prepare(items[start : start + BATCH_ROWS])
            features[start : start + BATCH_ROWS] = self._engine.run(self._preprocessor.batch(prepared), task)
        return features


class _ActiveTasks:
    """The float32 tensors of the most recently used tasks."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[str, ActiveTask] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, pack: TaskPack) -> ActiveTask:
        key = pack.manifest.header_sha256
        with self._lock:
            active = self._entries.get(key) or ActiveTask.from_tensors(pack.tensors)
            self._entries[key] = active
            self._entries.move_to_end(key)
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
        return active

    def drop(self, pack: TaskPack) -> None:
        with self._lock:
            self._entries.pop(pack.manifest.header_sha256, None)


def _as_items(inputs: object, modality: str) -> Sequence[object]:
    if isinstance(inputs, np.ndarray):
        single = modality == "image" and inputs.ndim in (2, 3)
        return [inputs] if single else list(np.atleast_1d(inputs))
    if isinstance(inputs, (str, bytes, Path)) or _is_pil_image(inputs):
        return [inputs]
    if isinstance(inputs, Iterable) and not isinstance(inputs, Mapping):
        return list(inputs)
    raise InputError(f"found {type(inputs).__name__}, expected one {modality} or a sequence of them")


def _is_pil_image(value: object) -> bool:
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)
