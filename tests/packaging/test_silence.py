"""The commands write where they were told to and call nobody: seen from the kernel, not from our own code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.exported import Field
from tests.packaging.built import ROOT
from tests.packaging.traced import Trace, trace, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

DATA = ROOT / "tests" / "data"
BUNDLES = sorted(path.parent for path in (DATA / "bundles").glob("*/bundle.json"))
WORKSTATION = [sys.executable, "-c", "from edgecl.cli import main; main()"]
DEVICE = [sys.executable, "-m", "edgecl_runtime.cli"]
MEDDLER = """
import pathlib, socket, sys
pathlib.Path(sys.argv[1]).write_text("written")
socket.socket(socket.AF_UNIX).close()
"""


def quiet_environment(home: Path) -> dict[str, str]:
    """Return an environment with a home of its own; what silences libraries is the commands' own doing."""
    home.mkdir()
    # Without its name, the user is looked up by who wants to know it.
    dropped = ("HF_", "ORT_", "TORCH", "TRITON", "XDG_", "LOGNAME", "USER")
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


def watch(*command: object, folder: Path) -> Trace:
    """Run a command of the workstation in a folder and return what it did; it must succeed."""
    home = folder / "home"
    words = [*WORKSTATION, *map(str, command)]
    done, seen = trace(words, cwd=folder, environment=quiet_environment(home), log=folder / "log")
    assert done.returncode == 0, done.stderr
    assert list(home.iterdir()) == []
    return seen


def test_a_change_through_an_open_folder_is_seen_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "kept" / "gone").mkdir(parents=True)
    remove = "import shutil, sys; shutil.rmtree(sys.argv[1])"
    command = [sys.executable, "-c", remove, "kept/gone"]
    environment = quiet_environment(tmp_path / "home")
    _, seen = trace(command, cwd=tmp_path, environment=environment, log=tmp_path / "log")
    assert len(seen.written) == 1
    assert seen.written_outside(tmp_path / "kept") == ()
    assert seen.written_outside(tmp_path / "kept" / "go") == seen.written


def test_pack_verify_writes_nothing_and_calls_nobody(image_field: Field, tmp_path: Path) -> None:
    pack = image_field.pack("hues")
    seen = watch("pack", "verify", pack, "--bundle", image_field.bundle, folder=tmp_path)
    assert str(pack) in seen.opened
    assert seen.written == ()
    assert seen.network == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["image_field", "text_field"])
def test_train_writes_to_its_run_alone_and_calls_nobody(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    field: Field = request.getfixturevalue(name)
    given = ("--stream", field.stream, "--backbone", field.backbone, "--set", "training.epochs=1")
    seen = watch("train", *given, "--out", tmp_path / "run", folder=tmp_path)
    assert seen.written
    assert seen.written_outside(tmp_path / "run") == ()
    assert seen.network == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["image_field", "text_field"])
def test_export_writes_beside_its_bundle_alone_and_calls_nobody(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    field: Field = request.getfixturevalue(name)
    seen = watch("export", field.run.folder, "--out", tmp_path / "out" / "bundle", folder=tmp_path)
    assert seen.written
    assert seen.written_outside(tmp_path / "out") == ()
    assert seen.network == ()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bundle"]
