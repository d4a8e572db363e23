"""The public face: one backbone, many tasks, one call."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final, overload

import numpy as np
import numpy.typing as npt

from edgecl_runtime.active import ActiveTasks, Head
from edgecl_runtime.ahead import work_ahead
from edgecl_runtime.bundle import Bundle, read_bundle
from edgecl_runtime.counters import Stages
from edgecl_runtime.engine import Engine, ModelInputs, PlacedTask
from edgecl_runtime.errors import InputError, PackError, ProbeMismatchError, UnknownTaskError
from edgecl_runtime.heads import linear_scores, softmax
from edgecl_runtime.items import as_items
from edgecl_runtime.mixed import answer_rows, plan_calls
from edgecl_runtime.pack import TaskPack, read_pack
from edgecl_runtime.pack_folder import PackFolder, check_replaces, is_same_pack, read_pack_folder
from edgecl_runtime.prediction import MixedPrediction, Prediction
from edgecl_runtime.preprocess import Preprocessor, build_preprocessor
from edgecl_runtime.probe import probe_inputs
from edgecl_runtime.status import RuntimeStatus
from edgecl_runtime.store_folder import is_store

__all__ = ["ACTIVE_BYTES", "BATCH_ROWS", "Runtime"]

BATCH_ROWS: Final = 64
ACTIVE_BYTES: Final = 64_000_000

Float32 = npt.NDArray[np.float32]


class Runtime:
    """A backbone and the packs that are open on it. Every method may be called from several threads.

    A call works with the packs that were open when it began: adding, replacing or removing a task never
    disturbs a call that is under way.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        engine: Engine,
        preprocessor: Preprocessor,
        packs: PackFolder | None = None,
        active_bytes: int = ACTIVE_BYTES,
    ) -> None:
        folder = packs or PackFolder({}, ())
        self._bundle = bundle
        self._engine = engine
        self._preprocessor = preprocessor
        self._packs: Mapping[str, TaskPack] = folder.packs
        self._skipped = folder.skipped
        self._changing = threading.Lock()
        self._active = ActiveTasks(engine, bundle.dimensions, budget_bytes=active_bytes)
        self._stages = Stages()
        self._batch_rows = bundle.profile.batch or BATCH_ROWS

    @classmethod
    def open(
        cls,
        bundle: Path | str,
        packs: Path | str | Sequence[Path | str] | None = None,
        *,
        skip_bad_packs: bool = False,
        active_bytes: int = ACTIVE_BYTES,
        threads: int | None = None,
    ) -> Runtime:
        """Return a runtime with every pack of a folder open, or one that follows a device store.

        Args:
            bundle: The folder of the backbone, or of a device store: then the packs are those that its updater
                committed last, from call to call.
            packs: The folder of the packs (files named *.ecpack), or a list of pack files, which may be empty;
                without it BUNDLE/packs, if that is there.
                Of two files of one task the higher version is used.
            skip_bad_packs: Go on without a pack that cannot be used, and keep its error in `skipped_packs`.
            active_bytes: How many bytes the tasks in use may take, beside their packs, which stay mapped; the
                least recently used ones make room.
            threads: How many threads a call uses; without it as many as the bundle's profile says, or one per
                core.

        Raises:
            BundleError: the backbone cannot be used.
            PackError: a pack cannot be used; the message names the file.
            InputError: `packs` is one path and not a folder, or is given for a device store.
            MissingExtraError: onnxruntime, or for texts tokenizers, is not installed.
            StoreError: no backbone is installed in the device store.
        """
        if is_store(bundle):
            from edgecl_runtime.following import FollowingRuntime

            if packs is not None:
                raise InputError(
                    f"{bundle}: is a device store, which has packs of its own; leave `packs` out"
                )
            return FollowingRuntime(
                Path(bundle), partial(cls.open, packs=[], active_bytes=active_bytes, threads=threads)
            )
        # Imported here: reading packs and bundles needs no engine.
        from edgecl_runtime.engine.backends import open_engine

        described = read_bundle(bundle)
        engine = open_engine(described, threads=threads)
        preprocessor = build_preprocessor(described.preprocessing, folder=described.path)
        folder = read_pack_folder(described, packs, skip_bad_packs=skip_bad_packs)
        return cls(
            described, engine=engine, preprocessor=preprocessor, packs=folder, active_bytes=active_bytes
        )

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

    def status(self) -> RuntimeStatus:
        """Return what is open, what it costs in bytes, and how long the last calls took."""
        packs = self._packs
        return RuntimeStatus(
            backend=self._engine.backend,
            tasks=len(packs),
            mapped_bytes=sum(pack.size_bytes for pack in packs.values()),
            active_tasks=len(self._active),
            active_bytes=self._active.size_bytes,
            active_budget_bytes=self._active.budget_bytes,
            stages=self._stages.percentiles(),
        )

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

    def replace_packs(self, folder: PackFolder) -> None:
        """Use exactly these packs for all later calls, at once, whatever their versions."""
        with self._changing:
            before, self._packs, self._skipped = self._packs, folder.packs, folder.skipped
            kept = {pack.manifest.header_sha256 for pack in folder.packs.values()}
            for pack in before.values():
                if pack.manifest.header_sha256 not in kept:
                    self._active.drop(pack)

    @overload
    def predict(self, inputs: object, *, task: str) -> Prediction: ...
    @overload
    def predict(self, inputs: object, *, tasks: Sequence[str | None]) -> MixedPrediction: ...
    def predict(
        self, inputs: object, *, task: str | None = None, tasks: Sequence[str | None] | None = None
    ) -> Prediction | MixedPrediction:
        """Return labels and probabilities under one task, or under a task per item.

        Args:
            inputs: For images a path, a PIL image, a uint8 array [H, W, 3] or [H, W], a sequence of those, or
                a uint8 array [B, H, W, 3]; for texts a str or a sequence of them. One item counts as B = 1; B
                may be 0.
            task: The task to ask for all items.
            tasks: The task to ask for each item; None for the features of the bare backbone alone.

        Raises:
            InputError: an item is of another kind, or cannot be read; not one of `task` and `tasks` is given; or
                there is not one of `tasks` per item.
            UnknownTaskError: a task has no open pack.
        """
        if (task is None) == (tasks is None):
            raise InputError(
                "predict takes either task=NAME for all items, or tasks=[NAME, ...], one per item"
            )
        if tasks is not None:
            return self._predict_rows(inputs, tasks)
        return self._predict_batches(self._batches(inputs), str(task))

    def predict_stream(self, inputs: Iterable[object], *, task: str, ahead: int = 2) -> Iterator[Prediction]:
        """Yield a prediction per element, in order, while a thread prepares the elements that follow.

        Args:
            inputs: Each element is what `predict` takes: an item, or a batch. They are taken one by one, in that
                thread, and at most `ahead` of them before they are needed.
            task: The task to ask.
            ahead: How many elements to prepare early, at least 1.

        Raises:
            InputError: an element is of another kind, or cannot be read; predictions of the elements before it
                were yielded.
            UnknownTaskError: the task has no open pack.
        """
        if ahead < 1:
            raise InputError(f"ahead is {ahead}; it must be at least 1")
        for batches in work_ahead(inputs, lambda element: list(self._batches(element)), ahead=ahead):
            yield self._predict_batches(batches, task)

    def warm_up(self, tasks: Iterable[str] = (), *, rows: int = 1) -> None:
        """Run the graph on noise without a task and under each of `tasks`, so that the next calls are not slower.

        Raises:
            UnknownTaskError: a task has no open pack.
        """
        inputs = probe_inputs(self._bundle.preprocessing, range(rows))
        self._active.bare.run(inputs)
        for task in tasks:
            self._active.task(self.pack(task)).placed.run(inputs)

    def features(self, inputs: object, *, task: str | None = None) -> Float32:
        """Return pooled features float32 [B, D], under a task or under the bare backbone.

        Raises:
            InputError: an item is of another kind, or cannot be read.
            UnknownTaskError: the task has no open pack.
        """
        placed = self._active.bare if task is None else self._active.task(self.pack(task)).placed
        return self._run(self._batches(inputs), placed)

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
        placed = self._active.task(pack).placed
        features = placed.run(probe_inputs(self._bundle.preprocessing, probe.seeds))
        difference = float(np.abs(features - pack.probe_features).max())
        if not difference <= probe.tolerance[precision]:
            raise ProbeMismatchError(
                str(pack.path),
                found=f"features that differ by {difference:.3g}",
                expected=f"at most {probe.tolerance[precision]:.3g} in {precision}",
            )
        return difference

    def _predict_batches(self, batches: Iterable[ModelInputs], task: str) -> Prediction:
        started = perf_counter()
        pack = self.pack(task)
        active = self._active.task(pack)
        self._stages.switch.add(perf_counter() - started)
        features = self._run(batches, active.placed)
        started = perf_counter()
        head, classes = active.heads[pack.manifest.task], pack.manifest.labels
        probabilities = softmax(linear_scores(features, head.weight, head.bias))
        labels = tuple(classes[best] for best in probabilities.argmax(axis=1))
        self._stages.head.add(perf_counter() - started)
        return Prediction(labels, probabilities, pack.manifest.task, features, classes)

    def _predict_rows(self, inputs: object, tasks: Sequence[str | None]) -> MixedPrediction:
        items = as_items(inputs, self._bundle.modality)
        if len(items) != len(tasks):
            raise InputError(f"found {len(tasks)} tasks for {len(items)} items, expected one per item")
        packs = [None if task is None else self.pack(task) for task in tasks]
        prepared = self._preprocessor.prepare(items)
        features = np.empty((len(items), self._bundle.dimensions.width), np.float32)
        heads: dict[str, Head] = {}
        for rows in plan_calls(packs, together=self._engine.on_gpu, most=self._batch_rows):
            active = self._active.rows([packs[row] for row in rows])
            heads.update(active.heads)
            features[rows] = self._run(
                [self._preprocessor.batch([prepared[row] for row in rows])], active.placed
            )
        return answer_rows(features, packs, heads)

    def _batches(self, inputs: object) -> Iterator[ModelInputs]:
        """Yield the graph inputs of `inputs`, prepared when they are asked for."""
        items = as_items(inputs, self._bundle.modality)
        for start in range(0, len(items), self._batch_rows):
            started = perf_counter()
            prepared = self._preprocessor.prepare(items[start : start + self._batch_rows])
            batch = self._preprocessor.batch(prepared)
            self._stages.prepare.add(perf_counter() - started)
            yield batch

    def _run(self, batches: Iterable[ModelInputs], placed: PlacedTask) -> Float32:
        """Return features float32 [B, D] of all batches."""
        parts = []
        for batch in batches:
            started = perf_counter()
            parts.append(placed.run(batch))
            self._stages.run.add(perf_counter() - started)
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([np.empty((0, self._bundle.dimensions.width), np.float32), *parts])
