from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgecl.streams import check_items, load_task
from tests.edgecl.streams.factories import make_preprocessor, make_spec

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
DATA = Path(os.environ.get("EDGECL_DATA", SHARED))

pytestmark = pytest.mark.skipif(
    not (DATA / "unpack.py").is_file(),
    reason=f"no unpack.py in {DATA}; name the folder of data sets in EDGECL_DATA",
)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sets gtsrb and text_tasks as plain folders."""
    out = tmp_path_factory.mktemp("data")
    command = [sys.executable, str(DATA / "unpack.py"), str(out), "gtsrb", "text_tasks"]
    subprocess.run(command, check=True, capture_output=True)
    return out


def test_traffic_signs_are_loaded_and_decoded(unpacked: Path) -> None:
    task = load_task(make_spec(unpacked / "gtsrb", train_items=86, test_items=100), seed=0)
    assert len(task.labels) == 43
    assert np.bincount(task.train.targets).tolist() == [2] * 43
    prepared = check_items(task, make_preprocessor(size=32))
    assert (len(prepared.train), len(prepared.test)) == (86, 100)


def test_questions_are_loaded(unpacked: Path) -> None:
    task = load_task(make_spec(unpacked / "trec6-trec"), seed=0)
    assert (len(task.labels), len(task.train), len(task.test)) == (6, 5452, 500)
    assert task.modality == "text"
