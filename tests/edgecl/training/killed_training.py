"""A process that trains and is killed, as by a power cut, when it has stored its first epoch."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import msgspec

from edgecl.config import RunConfig
from edgecl.training.checkpoint import Progress
from edgecl.training.schedule import Schedule
from edgecl.training.train import train_stream
from tests.edgecl.factories import Recorder, make_spec


class Killer(Recorder):
    """Ends the process at once, without any clean-up, after the first epoch."""

    def epoch(self, task: str, progress: Progress, schedule: Schedule) -> None:
        if progress.epochs == 1:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    run, data, settings = sys.argv[1:]
    config = msgspec.json.decode(settings, type=RunConfig)
    train_stream(config, [make_spec(Path(data))], Path(run), report=Killer())
