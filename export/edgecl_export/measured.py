"""What the gate measures while a run is exported: told at once, and kept beside the bundle."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edgecl_export.errors import GateError
from edgecl_export.loss import Loss
from edgecl_export.packs import Passed
from edgecl_export.parity import Parity
from edgecl_runtime.durable import write_durably

__all__ = ["Measured", "OnLoss", "OnParity", "say_nothing"]

OnParity = Callable[[Parity], None]
OnLoss = Callable[[Loss], None]

PARITY_FILE = "parity.json"
LOSS_FILE = "loss.json"


def say_nothing(_: object) -> None:
    """Take what nobody wants to know."""


@dataclass(slots=True)
class Measured:
    """Collects measurements in the order they are made, and tells each.

    Attributes:
        on_parity: Told how far the graph is from torch.
        on_loss: Told what a lower precision costs.
        parity: What was told to the one.
        losses: What was told to the other.
        refused: Why tasks have no pack.
    """

    on_parity: OnParity
    on_loss: OnLoss
    parity: list[Parity] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    refused: list[GateError] = field(default_factory=list)

    def passed(self, found: Passed) -> None:
        """Take what was measured of a task that has a pack now."""
        if found.parity is not None:
            self.add(found.parity)
        if found.loss is not None:
            self.add(found.loss)

    def failed(self, error: GateError) -> None:
        """Take why a task has none."""
        self.refused.append(error)
        self.add(error.measured)

    def add(self, measurement: Parity | Loss) -> None:
        """Take one measurement."""
        if isinstance(measurement, Parity):
            self.parity.append(measurement)
            self.on_parity(measurement)
        else:
            self.losses.append(measurement)
            self.on_loss(measurement)

    def write(self, folder: Path) -> None:
        """Write all of it as JSON into a folder."""
        _write(folder / PARITY_FILE, self.parity)
        if self.losses:
            _write(folder / LOSS_FILE, self.losses)


def _write(path: Path, measurements: Sequence[Parity] | Sequence[Loss]) -> None:
    write_durably(path, json.dumps([asdict(each) for each in measurements], indent=2).encode() + b"\n")
