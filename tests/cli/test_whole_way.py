"""The everyday job from the first stream to the device, through the command lines alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecl.streams import load_task
from tests.edgecl.factories import make_spec
from tests.exported import ADDED, Field, digests, make_data, make_stream

pytestmark = pytest.mark.slow
SCRIPTS = Path(sys.executable).parent


def run(program: str, *arguments: object) -> Any:
    """Run a program that must succeed with one JSON object on standard output, and return that."""
    command = [str(SCRIPTS / program), *map(str, arguments), "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def make_photo(path: Path, data: Path) -> Path:
    """Write the first test item of a task as an image."""
    Image.fromarray(np.asarray(load_task(make_spec(data), seed=0).test.items[0])).save(path)
    return path


def test_from_a_stream_to_a_prediction_on_the_device(image_field: Field, tmp_path: Path) -> None:
    data, out = make_data(tmp_path, "image", number=9), tmp_path / "run"
    stream = make_stream(tmp_path / "s.toml", {"spots": data})
    quick = ("--set", "training.epochs=1", "--set", "training.min_steps=3")
    trained = run(
        "edgecl", "train", "--backbone", image_field.backbone, "--stream", stream, "--out", out, *quick
    )
    bundle = Path(run("edgecl", "export", out, "--out", tmp_path / "bundle")["bundle"])
    measured = run("edgecl", "evaluate", bundle, "--stream", stream)
    assert measured["average_accuracy"] == trained["average_accuracy"]
    pack = bundle / "packs" / "spots-1.ecpack"
    assert run("edgecl", "pack", "show", pack)["manifest"]["task"] == "spots"
    assert run("edgecl", "pack", "verify", pack, "--bundle", bundle)["intact"] is True
    photo = make_photo(tmp_path / "photo.png", data)
    answer = run("edgecl-device", "run", bundle, "--task", "spots", photo)["results"][0]
    assert answer["label"] in ("0", "1", "2")


def test_one_more_task_months_later(image_field: Field, tmp_path: Path) -> None:
    folder, bundle = image_field.copy_run(tmp_path).folder, image_field.copy_bundle(tmp_path)
    before, data = digests(bundle), make_data(tmp_path, "image", number=9)
    pack = tmp_path / "packs" / f"{ADDED}-1.ecpack"
    run("edgecl", "train", folder, "--task", f"{ADDED}={data}")
    run("edgecl", "pack", "build", folder, "--task", ADDED, "--bundle", bundle, "--out", pack)
    photo = make_photo(tmp_path / "photo.png", data)
    answer = run("edgecl-device", "run", bundle, "--packs", pack.parent, "--task", ADDED, photo)
    assert answer["task"] == ADDED
    assert run("edgecl-device", "verify", bundle, "--packs", pack.parent)["tasks"][0]["ok"] is True
    assert digests(bundle) == before
