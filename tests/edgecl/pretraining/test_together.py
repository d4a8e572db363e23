from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load_file

from edgecl.pretraining.pretrain import pretrain
from edgecl.pretraining.record import read_record
from tests.edgecl.factories import make_image_folder
from tests.edgecl.pretraining.factories import Told, make_recipe, make_shards
from tests.edgecl.training.test_workers import PROCESSES, run_together


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(tmp_path: Path) -> None:
    teacher, data = make_image_folder(tmp_path / "vit"), make_shards(tmp_path / "data")
    recipe = make_recipe(
        tmp_path, teacher__source=str(teacher), loss__pooled=1, loss__tokens=1, training__batch_size=7
    )
    settings = msgspec.json.encode(recipe).decode()
    run_together("tests.edgecl.pretraining.worker", str(data), str(tmp_path / "together"), settings)
    alone = pretrain(recipe, data, tmp_path / "alone", report=Told())
    together = read_record(tmp_path / "together")
    assert together.processes == PROCESSES
    assert together.losses == pytest.approx(alone.losses, abs=1e-4)
    found, expected = (load_file(tmp_path / name / "model.safetensors") for name in ("together", "alone"))
    for name, array in expected.items():
        np.testing.assert_allclose(
            found[name].astype(np.float32), array.astype(np.float32), rtol=0, atol=2e-3
        )
