"""Test every earlier task again after a new one: what was shipped cannot have changed, what is generated may have."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from edgecl.errors import DataError, EdgeclError
from edgecl.evaluation.class_incremental import lowest_entropy
from edgecl.evaluation.scores import Score, predictions_digest
from edgecl.training.features import features, predictions
from edgecl.training.ready import KEPT_BYTES, Ready, prepare
from edgecl.training.records import AfterTask, TaskRecord
from edgecl.training.run import PACK_DTYPE
from edgecl_runtime.heads import linear_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.methods import Method
    from edgecl.streams import TaskSpec
    from edgecl.training.session import Session
    from edgecl_runtime.tensors import TaskTensors

_log = logging.getLogger(__name__)


class Tests(NamedTuple):
    """The test items of a task as the backbone reads them, and their classes [N]."""

    prepared: list[NDArray[np.generic]]
    targets: NDArray[np.int64]

    @classmethod
    def of(cls, ready: Ready) -> Tests:
        """Return those of a task that was read and decoded."""
        return cls(ready.prepared.test, ready.data.test.targets)


class Revisit:
    """Keeps the test items of the tasks of a stream that will be asked for again, as far as memory goes."""

    def __init__(self, session: Session, specs: Sequence[TaskSpec]) -> None:
        self._session = session
        self._specs = {spec.name: spec for spec in specs}
        self._tests: dict[str, Tests] = {}

    def keep(self, name: str, ready: Ready) -> None:
        """Remember the test items of a task if they will be asked for and fit into memory."""
        kept = sum(item.nbytes for tests in self._tests.values() for item in tests.prepared)
        size_bytes = sum(item.nbytes for item in ready.prepared.test)
        if self._is_wanted(is_last=True) and kept + size_bytes <= KEPT_BYTES:
            self._tests[name] = Tests.of(ready)

    def after(self, name: str, method: Method, *, is_last: bool) -> None:
        """Test every finished task of the stream, if the settings ask for it after this one."""
        if not self._session.run.has_tensors(name):
            return  # a peer: nothing is shared, and nothing is stored that could be tested again
        if self._is_wanted(is_last=is_last):
            self._measure(name, method, is_last=is_last)

    def catch_up(self, *, is_last: bool) -> None:
        """Test after the newest task of the stream what a process that was killed did not come to test."""
        run = self._session.run
        name = run.names[-1] if run.names else None
        is_missing = name is not None and self._is_lacking(run.after(name), is_last=is_last)
        self._session.workers.wait()
        if name is None or not is_missing:
            return
        if name in self._specs:
            self.after(name, self._session.method(), is_last=is_last)
        elif self._is_wanted(is_last=is_last) and run.has_tensors(name):
            _log.warning(
                "tasks are not tested again: the newest, %r, is not in this stream; name it there", name
            )

    def _is_wanted(self, *, is_last: bool) -> bool:
        """Say whether tasks are tested again after one; who asks for what is reached untold asks for this too."""
        wanted = self._session.evaluation
        return wanted.matrix == "full" or (is_last and (wanted.matrix == "last" or wanted.class_incremental))

    def _is_lacking(self, after: AfterTask | None, *, is_last: bool) -> bool:
        """Say whether a finished task of the stream was not measured as is asked for now."""
        asked = set(self._session.run.names) & set(self._specs)
        is_untold = is_last and self._session.evaluation.class_incremental
        return (
            after is None
            or not asked <= set(after.now)
            or (is_untold and not asked <= set(after.class_incremental))
        )

    def _measure(self, name: str, method: Method, *, is_last: bool) -> None:
        """Test every task after one, and keep what was measured then by an earlier command."""
        run, is_alone = self._session.run, self._session.config.method.alone
        records, before = run.tasks, run.after(name) or AfterTask({}, {}, {})
        now, unchanged, drift, answering = {}, {}, {}, {}
        for place, record in enumerate(records):
            self._session.report.testing(name, place, len(records))
            shipped = run.tensors(record.name)
            current = shipped if is_alone else method.current(record.name, shipped)
            answering[record.name] = shipped if method.ships else current
            tests = None if record.name in before.now else self._tests_of(record)
            if tests is None:
                continue
            predicted = predicted_now = self._predictions(tests, shipped)
            if current is not shipped:
                predicted_now = self._predictions(tests, current)
            now[record.name] = Score.of(predicted_now, tests.targets)
            if record.predictions_sha256 is not None:
                unchanged[record.name] = predictions_digest(predicted) == record.predictions_sha256
            drift[record.name] = _relative_change(current, shipped)
        self._session.report.testing(name, len(records), len(records))
        after = msgspec.structs.replace(
            before,
            now=before.now | now,
            shipped_unchanged=before.shipped_unchanged | unchanged,
            drift=before.drift | drift,
        )
        if is_last and self._session.evaluation.class_incremental:
            after = self._agnostic(name, after, answering)
        if after.now and self._session.workers.is_first:
            run.save_after(name, after)
        self._session.workers.wait()

    def _agnostic(self, last: str, after: AfterTask, answering: Mapping[str, TaskTensors]) -> AfterTask:
        """Add the accuracy on each task's test items when every task answers and the surest is believed.

        Args:
            last: The newest task.
            after: What was measured after it.
            answering: What every task has now, of this stream or not: its pack, or where none ships what the
                method would use.
        """
        run, names = self._session.run, tuple(answering)
        tensors = [task.rounded(PACK_DTYPE) for task in answering.values()]
        both, class_alone = {}, {}
        for place, name in enumerate(names):
            self._session.report.testing(f"{last}, task not told", place, len(names))
            tests = self._tests_of(run.task(name))
            if tests is None:
                continue  # not in this stream, or gone, which was said
            tasks, classes = lowest_entropy([self._scores(tests.prepared, each) for each in tensors])
            is_right = classes == tests.targets
            both[name] = 100.0 * float((is_right & (tasks == place)).mean())
            class_alone[name] = 100.0 * float(is_right.mean())
        has_same_classes = len({run.task(name).labels for name in names}) == 1
        return msgspec.structs.replace(
            after,
            class_incremental=after.class_incremental | both,
            domain_incremental=after.domain_incremental | class_alone if has_same_classes else {},
        )

    def _scores(self, prepared: list[NDArray[np.generic]], task: TaskTensors) -> NDArray[np.floating]:
        backbone = self._session.backbone
        found = features(backbone.module, prepared, preprocessor=backbone.preprocessor, task=task)
        return linear_scores(found, task.head_weight, task.head_bias)

    def _tests_of(self, record: TaskRecord) -> Tests | None:
        """Return the test items of a task, read again where they are not kept; None if they are gone."""
        name = record.name
        if name in self._tests or name not in self._specs:
            return self._tests.get(name)
        try:
            ready = self._read_again(record)
        except EdgeclError as error:
            _log.warning("task %r is not tested again: %s", name, error)
            del self._specs[name]
            return None
        self.keep(name, ready)
        return Tests.of(ready)

    def _read_again(self, record: TaskRecord) -> Ready:
        """Read the items of a task that was finished earlier.

        Raises:
            EdgeclError: They cannot be read, or are not those that it was trained and tested with.
        """
        session, spec = self._session, self._specs[record.name]
        seed, on_items = session.config.seed, session.report.checking
        ready = prepare(spec, session.backbone, seed=seed, on_items=on_items)
        if ready.data.fingerprint != record.data_fingerprint:
            raise DataError.at(
                spec.data,
                found=f"items with fingerprint {ready.data.fingerprint[:12]}",
                expected=f"those it was trained on, {record.data_fingerprint[:12]}",
                fix="Restore the data to test the task again.",
            )
        return ready

    def _predictions(self, tests: Tests, tensors: TaskTensors) -> NDArray[np.int64]:
        backbone, rounded = self._session.backbone, tensors.rounded(PACK_DTYPE)
        return predictions(backbone.module, tests.prepared, preprocessor=backbone.preprocessor, task=rounded)


def _relative_change(now: TaskTensors, shipped: TaskTensors) -> float:
    """Return the Frobenius norm of the change of all modules over that of what was shipped; heads do not count."""
    changed, size = 0.0, 0.0
    for (name, new), (_, old) in zip(now.items(), shipped.items(), strict=True):
        if not name.startswith("head"):
            changed += float(np.square(new.astype(np.float64) - old).sum())
            size += float(np.square(old, dtype=np.float64).sum())
    return float(np.sqrt(changed / max(size, np.finfo(np.float64).tiny)))
