"""The device command writes nothing and calls nobody: seen from the kernel, not from our own code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.packaging.built import ROOT
from tests.packaging.traced import trace, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

DATA = ROOT / "tests" / "data"
BUNDLES = sorted(path.parent for path in (DATA / "bundles").glob("*/bundle.json"))
DEVICE = [sys.executable, "-m", "edgecl_runtime.cli"]
MEDDLER = """
import pathlib, socket, sys
pathlib.Path(sys.argv[1]).write_text("written")
socket.socket(socket.AF_UNIX).close()
"""


def quiet_environment(home: Path) -> dict[str, str]:
    """Return an environment with a home of its own; what silences onnxruntime is the runtime's own doing."""
    home.mkdir()
    dropped = ("HF_", "ORT_", "XDG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    # Caches of bytecode are Python's own, not the command's.
    return kept | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}


def on_bundle(command: str, bundle: Path) -> list[str]:
    """Return the start of a device command on a golden bundle and the packs that were made for it."""
    packs = DATA / "packs" / "v1" / bundle.name
    return [*DEVICE, command, str(bundle), "--packs", str(packs), "--json"]


def first_task(bundle: Path) -> str:
    """Return the name of a task that the bundle has a pack of."""
    listed = subprocess.run(on_bundle("list", bundle), capture_output=True, text=True, check=True)
    name: str = json.loads(listed.stdout)["packs"][0]["task"]
    return name


def make_input(bundle: Path, folder: Path) -> str:
    """Return something that the bundle's backbone can classify."""
    if json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))["modality"] == "text":
        return "a bolt of steel"
    path = folder / "input.png"
    Image.fromarray(np.full((40, 50, 3), 128, dtype=np.uint8)).save(path)
    return str(path)


def test_there_is_a_bundle_to_watch() -> None:
    assert BUNDLES, f"no bundles under {DATA}"


def test_a_command_that_writes_or_calls_is_noticed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    command = [sys.executable, "-c", MEDDLER, str(target)]
    environment = quiet_environment(tmp_path / "home")
    _, seen = trace(command, cwd=tmp_path, environment=environment, log=tmp_path / "log")
    assert len(seen.written) == 1
    assert str(target) in seen.written[0]
    assert "AF_UNIX" in seen.network[0]


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: str(bundle.name))
def test_run_writes_nothing_and_calls_nobody(bundle: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = [*on_bundle("run", bundle), "--task", first_task(bundle), make_input(bundle, tmp_path)]
    done, seen = trace(command, cwd=tmp_path, environment=quiet_environment(home), log=tmp_path / "log")
    assert done.returncode == 0, done.stderr
    assert str(bundle / "backbone.onnx") in seen.opened
    assert seen.written == ()
    assert seen.network == ()
    assert list(home.iterdir()) == []
