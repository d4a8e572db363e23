"""Test every earlier task again after a new one: what was shipped cannot have changed, what is generated may have."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgecl.errors import DataError, EdgeclError
from edgecl.evaluation.class_incremental import lowest_entropy
from edgecl.evaluation.scores import Score, predictions_digest
from edgecl.training.features import features, predictions
from edgecl.training.ready import Ready, prepare
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


class Revisit:
    """Keeps the test items of the tasks of a stream."""

    def __init__(self, session: Session, specs: Sequence[TaskSpec]) -> None:
        self._session = session
        self._specs = {spec.name: spec for spec in specs}
        self._tests: dict[str, tuple[list[NDArray[np.generic]], NDArray[np.int64]]] = {}

    def keep(self, name: str, ready: Ready) -> None:
        """Remember the test items of a task."""
        self._tests[name] = (ready.prepared.test, ready.data.test.targets)

    def after(self, name: str, method: Method, *, is_last: bool) -> None:
        """Test every finished task of the stream, if the settings ask for it after this one."""
        wanted = self._session.config.evaluation.matrix
        if not self._session.run.has_tensors(name):
            return  # a peer: nothing is shared, and nothing is stored that could be tested again
        if wanted == "full" or (wanted == "last" and is_last):
            self._measure(name, method, is_last=is_last)

    def catch_up(self, *, is_last: bool) -> None:
        """Test after the newest task of the stream what a process that was killed did not come to test."""
        run = self._session.run
        name = run.names[-1] if run.names else None
        is_missing = name in self._specs and run.after(name) is None
        self._session.workers.wait()
        if name is not None and is_missing:
            self.after(name, self._session.method(), is_last=is_last)

    def _measure(self, name: str, method: Method, *, is_last: bool) -> None:
        run, is_alone = self._session.run, self._session.config.method.alone
        now, unchanged, drift = {}, {}, {}
        for record in run.tasks:
            if not self._has_tests(record):
                continue
            shipped = run.tensors(record.name)
            current = shipped if is_alone else method.current(record.name, shipped)
            predicted = predicted_now = self._predictions(record.name, shipped)
            if current is not shipped:
                predicted_now = self._predictions(record.name, current)
            now[record.name] = Score.of(predicted_now, self._tests[record.name][1])
            if record.predictions_sha256 is not None:
                unchanged[record.name] = predictions_digest(predicted) == record.predictions_sha256
            drift[record.name] = _relative_change(current, shipped)
        after = AfterTask(now, unchanged, drift)
        if is_last and self._session.config.evaluation.class_incremental:
            after = self._agnostic(after)
        if now and self._session.workers.is_first:
            run.save_after(name, after)
        self._session.workers.wait()

    def _agnostic(self, after: AfterTask) -> AfterTask:
        """Add the accuracy on each task's test items when every task answers and the surest is believed."""
        run, names = self._session.run, tuple(after.now)
        tensors = [run.tensors(name).rounded(PACK_DTYPE) for name in names]
        both, class_alone = {}, {}
        for place, name in enumerate(names):
            prepared, targets = self._tests[name]
            tasks, classes = lowest_entropy([self._scores(prepared, each) for each in tensors])
            is_right = classes == targets
            both[name] = 100.0 * float((is_right & (tasks == place)).mean())
            class_alone[name] = 100.0 * float(is_right.mean())
        has_same_classes = len({run.task(name).labels for name in names}) == 1
        return msgspec.structs.replace(
            after, class_incremental=both, domain_incremental=class_alone if has_same_classes else {}
        )

    def _scores(self, prepared: list[NDArray[np.generic]], task: TaskTensors) -> NDArray[np.floating]:
        backbone = self._session.backbone
        found = features(backbone.module, prepared, preprocessor=backbone.preprocessor, task=task)
        return linear_scores(found, task.head_weight, task.head_bias)

    def _has_tests(self, record: TaskRecord) -> bool:
        """Say whether the test items of a task are at hand; those of a task finished earlier are read again."""
        name = record.name
        if name not in self._tests and name in self._specs:
            try:
                self.keep(name, self._read_again(record))
            except EdgeclError as error:
                _log.warning("task %r is not tested again: %s", name, error)
                del self._specs[name]
        return name in self._tests

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

    def _predictions(self, name: str, tensors: TaskTensors) -> NDArray[np.int64]:
        backbone = self._session.backbone
        prepared, rounded = self._tests[name][0], tensors.rounded(PACK_DTYPE)
        return predictions(backbone.module, prepared, preprocessor=backbone.preprocessor, task=rounded)


def _relative_change(now: TaskTensors, shipped: TaskTensors) -> float:
    """Return the Frobenius norm of the change of all modules over that of what was shipped; heads do not count."""
    changed, size = 0.0, 0.0
    for (name, new), (_, old) in zip(now.items(), shipped.items(), strict=True):
        if not name.startswith("head"):
            changed += float(np.square(new.astype(np.float64) - old).sum())
            size += float(np.square(old, dtype=np.float64).sum())
    return float(np.sqrt(changed / max(size, np.finfo(np.float64).tiny)))
