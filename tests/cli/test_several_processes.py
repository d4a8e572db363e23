from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgecl.training.run import Run
from tests.exported import Field, make_data

LAUNCH = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "edgecl")
QUICK = ("--set", "training.epochs=1", "--set", "training.min_steps=1", "--set", "training.device=cpu")


@pytest.mark.slow
def test_of_several_processes_one_speaks_and_writes(image_field: Field, tmp_path: Path) -> None:
    words = ["train", "--backbone", image_field.backbone, "--task", f"a={make_data(tmp_path, 'image')}"]
    words += ["--out", tmp_path / "run", "--tensorboard", "--json", *QUICK]
    command = [sys.executable, *LAUNCH, *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"run": str(tmp_path / "run"), **Run.open(tmp_path / "run").metrics()}
    assert done.stderr.count("a: ") == 1
    assert len(list((tmp_path / "run" / "logs" / "a").iterdir())) == 1
