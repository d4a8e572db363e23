"""One of several processes that pretrain together, as `torchrun` starts them."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import torch

from edgecl.pretraining.config import PretrainingConfig
from edgecl.pretraining.pretrain import pretrain
from tests.edgecl.pretraining.factories import Told

if __name__ == "__main__":
    data, out, settings = sys.argv[1:]
    pretrain(msgspec.json.decode(settings, type=PretrainingConfig), Path(data), Path(out), report=Told())
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
