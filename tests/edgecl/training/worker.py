"""One of several processes that train a run together, as `torchrun` starts them."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import torch

from edgecl.config import RunConfig
from edgecl.training.train import train_stream
from tests.edgecl.factories import Recorder, make_spec

if __name__ == "__main__":
    run, data, settings, *names = sys.argv[1:]
    config = msgspec.json.decode(settings, type=RunConfig)
    train_stream(config, [make_spec(Path(data), name=name) for name in names], Path(run), report=Recorder())
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
