"""What tells how near tasks are before anything is learned: mean and variance of their bare features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from edgecl.errors import RunError
from edgecl_runtime.durable import write_durably

if TYPE_CHECKING:
    from edgecl.training.run import Run

Features = NDArray[np.floating[Any]]

FILE = "signature.safetensors"


@dataclass(frozen=True, slots=True)
class Signature:
    """Mean [D] and variance [D] of the bare features of a task's training items, float32."""

    mean: NDArray[np.float32]
    variance: NDArray[np.float32]

    @classmethod
    def of(cls, bare: Features) -> Signature:
        """Return the signature of features [N, D]."""
        return cls(bare.mean(axis=0, dtype=np.float32), bare.var(axis=0, dtype=np.float32))

    def distance(self, other: Signature) -> float:
        """Return the Bures distance of the two as normal distributions with diagonal covariance."""
        means = np.square(self.mean - other.mean).sum()
        deviations = np.square(np.sqrt(self.variance) - np.sqrt(other.variance)).sum()
        return float(np.sqrt(means + deviations))


def store_signature(run: Run, name: str, bare: Features) -> None:
    """Write what tells later tasks how near this one is."""
    signature = Signature.of(bare)
    stored = {"mean": signature.mean, "variance": signature.variance}
    write_durably(run.task_folder(name) / FILE, save(stored))


def has_signature(run: Run, name: str) -> bool:
    """Say whether a task has one; those of earlier versions have none."""
    return (run.task_folder(name) / FILE).exists()


def read_signature(run: Run, name: str) -> Signature:
    """Return the signature of an earlier task.

    Raises:
        RunError: Its file is missing or damaged.
    """
    path = run.task_folder(name) / FILE
    try:
        stored = load_file(path)
        return Signature(stored["mean"], stored["variance"])
    except (OSError, SafetensorError, KeyError) as error:
        raise RunError(
            f"{path}: cannot be read ({error}). Restore the run folder; without it, later tasks can be trained "
            "with transfer.start=identity"
        ) from error


def nearest_tasks(run: Run, bare: Features, *, at_most: int) -> tuple[str, ...]:
    """Return the earlier tasks whose bare features are nearest, all if they are few."""
    if len(run.names) <= at_most:
        return run.names
    mine = Signature.of(bare)
    nearest = sorted(run.names, key=lambda name: mine.distance(read_signature(run, name)))[:at_most]
    return tuple(name for name in run.names if name in nearest)
