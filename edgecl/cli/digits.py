"""The demo's steps: five tasks of two handwritten digits each, trained, exported, and arriving one by one."""

from __future__ import annotations

import hashlib
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecl.cli.output import TrainingConsole
from edgecl.cli.over_the_air import LocalRepository, update
from edgecl.config import EvaluationConfig, RunConfig, TrainingConfig
from edgecl.errors import RunError
from edgecl.streams import TaskData, load_task, read_stream
from edgecl.training.train import train_stream
from edgecl_devices import load_profile
from edgecl_export.bundle import export_run
from edgecl_runtime import Prediction, Runtime

if TYPE_CHECKING:
    from edgecl_export.parity import Parity

MARKER = ".edgecl-demo"
PAIRS = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
SWITCH_ROUNDS = 20
# 250 images a task: twice the steps of half the size learn more in the same time.
RECIPE = TrainingConfig(batch_size=16, min_steps=112)
UNTESTED = EvaluationConfig(matrix="none", floors=False)
"""The device tests every task again, after every arrival."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A pack arrived at the device.

    Attributes:
        task: Its task.
        accuracy: Of every task so far, in the order of arrival, percent.
        unchanged: Whether every earlier task still gives the bits of its first prediction.
    """

    task: str
    accuracy: tuple[float, ...]
    unchanged: bool


@dataclass(frozen=True, slots=True)
class AirArrival:
    """A pack arrived over the air.

    Attributes:
        received_bytes: All that the device received for it, signatures included.
        seconds: From the device's question until the pack was in use, its self-test included.
    """

    received_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo did and measured.

    Attributes:
        arrivals: In order.
        parity: Largest difference between torch and onnxruntime that the gate saw.
        pack_bytes: Of one pack, the largest.
        backbone_bytes: Of the graph that all tasks share.
        air: How the last pack arrived.
        same_task_ms: Median time of a call that asks the task of the call before, milliseconds.
        switch_ms: Median extra time of a call that asks another task, milliseconds.
        switch_error_ms: Standard error of that median: what this machine cannot tell apart.
        example: An image on disk to try.
        seconds: Wall time of everything.
    """

    arrivals: tuple[Arrival, ...]
    parity: float
    pack_bytes: int
    backbone_bytes: int
    air: AirArrival
    same_task_ms: float
    switch_ms: float
    switch_error_ms: float
    example: Path
    seconds: float

    @property
    def average_accuracy(self) -> float:
        """Mean over all tasks after the last arrival, percent."""
        return statistics.fmean(self.arrivals[-1].accuracy)

    @property
    def unchanged(self) -> bool:
        """Whether no arrival changed a bit of an earlier task's outputs."""
        return all(arrival.unchanged for arrival in self.arrivals)

    @property
    def compared(self) -> int:
        """How often an earlier task was compared."""
        return sum(len(arrival.accuracy) - 1 for arrival in self.arrivals)

    @property
    def switch_line(self) -> str:
        """The cost of a switch, for people."""
        measured = f"{self.switch_ms * 1000:+.0f} ± {self.switch_error_ms * 1000:.0f} us"
        call = f"a call of {self.same_task_ms:.2f} ms"
        if abs(self.switch_ms) <= 2 * self.switch_error_ms:
            return f"too quick to be told apart from noise here: {measured} on {call}"
        return f"{measured} on {call} ({self.switch_ms / self.same_task_ms:+.1%})"

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return asdict(self) | {
            "average_accuracy": self.average_accuracy,
            "unchanged": self.unchanged,
            "example": str(self.example),
        }


def run_demo(out: Path, *, say: Say) -> DemoResult:
    """Run the whole way in a folder.

    Args:
        out: Folder to fill; one that holds an earlier demo is emptied first.
        say: Told each step.

    Raises:
        RunError: The folder holds something else.
    """
    started = time.perf_counter()
    _empty(out)
    stream = write_digits(out / "data")
    say("1/5  five tasks of two digits each: training adapters and prefixes on the frozen backbone")
    tasks = read_stream(stream).tasks
    with TrainingConsole() as console:
        run = train_stream(
            RunConfig(training=RECIPE, evaluation=UNTESTED), tasks, out / "run", report=console
        )
    say("2/5  exporting the backbone once, and one pack per task, through the parity gate")
    worst: list[Parity] = []
    exported = export_run(run, out / "bundle", device=load_profile("generic-cpu"), on_parity=worst.append)
    for error in exported.refused:
        raise error
    say("3/5  packs arrive at a device that has the backbone only; no torch from here on")
    data = [load_task(spec, seed=run.record.config.seed) for spec in tasks]
    exam = _Exam(data)
    runtime = Runtime.open(out / "bundle", [])
    for path in exported.packs[:-1]:
        runtime.add(path)
        exam.take(runtime)
    say("4/5  the last pack arrives over the air, from a signed repository on this machine")
    runtime, air = _arrive_over_the_air(exported.packs[-1], out)
    exam.take(runtime)
    say("5/5  measuring the switch between tasks")
    same_ms, switch_ms, switch_error_ms = _switch_latency(runtime, data)
    return DemoResult(
        arrivals=tuple(exam.arrivals),
        parity=max(parity.max_difference for parity in worst),
        pack_bytes=max(path.stat().st_size for path in exported.packs),
        backbone_bytes=runtime.bundle.graph_path.stat().st_size,
        air=air,
        same_task_ms=same_ms,
        switch_ms=switch_ms,
        switch_error_ms=switch_error_ms,
        example=_write_example(data[0], out),
        seconds=time.perf_counter() - started,
    )


def write_digits(folder: Path) -> Path:
    """Write scikit-learn's handwritten digits (real scans, 8 x 8) as five tasks and return the stream file."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images * (255 / 16)).round().astype(np.uint8)
    folder.mkdir(parents=True)
    lines = ['name = "digits"']
    for pair in PAIRS:
        name = "digits-{}-{}".format(*pair)
        chosen = np.isin(digits.target, pair)
        np.savez_compressed(folder / f"{name}.npz", images=images[chosen], labels=digits.target[chosen])
        lines += ["", "[[task]]", f'name = "{name}"', f'data = "{name}.npz"', "test_fraction = 0.3"]
    stream = folder / "digits.toml"
    stream.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return stream


def _empty(out: Path) -> None:
    if out.exists() and any(out.iterdir()):
        if not (out / MARKER).exists():
            raise RunError(f"{out}: is not empty and not an earlier demo. Choose another folder with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).touch()


class _Exam:
    """Asks a device about every task that has arrived, and compares with what it said first."""

    def __init__(self, data: Sequence[TaskData]) -> None:
        self.arrivals: list[Arrival] = []
        self._data = data
        self._first: dict[str, str] = {}

    def take(self, runtime: Runtime) -> None:
        """Note what the device says after one more arrival."""
        so_far = self._data[: len(self.arrivals) + 1]
        accuracy, unchanged = [], True
        for task in so_far:
            prediction = runtime.predict(task.test.items, task=task.name)
            unchanged &= self._first.setdefault(task.name, _digest(prediction)) == _digest(prediction)
            expected = [task.labels[target] for target in task.test.targets]
            accuracy.append(
                100.0 * float(np.mean([a == b for a, b in zip(prediction.labels, expected, strict=True)]))
            )
        self.arrivals.append(Arrival(so_far[-1].name, tuple(accuracy), unchanged))


def _arrive_over_the_air(pack: Path, out: Path) -> tuple[Runtime, AirArrival]:
    """Let a device with a store have all but one pack, then that one, and return its runtime."""
    earlier = out / "earlier"
    shutil.copytree(out / "bundle", earlier, ignore=shutil.ignore_patterns(pack.name))
    with LocalRepository(out / "repository") as repository:
        updater = repository.set_up(out / "device")
        repository.release(earlier)
        update(updater)
        shutil.rmtree(earlier)
        runtime = Runtime.open(out / "device")
        repository.release(pack)
        started = time.perf_counter()
        report = update(updater)
        return runtime, AirArrival(report.received_bytes, time.perf_counter() - started)


def _digest(prediction: Prediction) -> str:
    return hashlib.sha256(prediction.features.tobytes() + prediction.probabilities.tobytes()).hexdigest()


def _switch_latency(runtime: Runtime, data: Sequence[TaskData]) -> tuple[float, float, float]:
    """Return a call that stays with its task, the extra time of one that switches, and the standard error of that.

    The first two are medians, all in milliseconds.

    Every task is asked twice in a row, so that each call that switches has a neighbour that does not.
    """
    image = data[0].test.items[0]
    stay, extra = [], []
    for _ in range(SWITCH_ROUNDS):
        for task in data:
            switching, staying = (_call_ms(runtime, image, task.name) for _ in range(2))
            stay.append(staying)
            extra.append(switching - staying)
    # Of a median of normal errors: sqrt(pi / 2) times that of the mean.
    error = 1.2533 * statistics.stdev(extra) / len(extra) ** 0.5
    return statistics.median(stay), statistics.median(extra), error


def _call_ms(runtime: Runtime, image: object, task: str) -> float:
    started = time.perf_counter()
    runtime.predict(image, task=task)
    return (time.perf_counter() - started) * 1000


def _write_example(task: TaskData, out: Path) -> Path:
    from PIL import Image

    path = out / "data" / f"example-{task.labels[task.test.targets[0]]}.png"
    Image.fromarray(np.asarray(task.test.items[0])).save(path)
    return path
