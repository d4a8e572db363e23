"""The walk from the first key to a device that updates itself, as the script does it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.factories import IMAGE_BUNDLE, IMAGE_PACKS

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "ota_walk.sh"


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the script prints."""
    folder = tmp_path_factory.mktemp("walk")
    bundle = shutil.copytree(IMAGE_BUNDLE, folder / "bundle")
    (bundle / "packs").mkdir()
    shutil.copy(IMAGE_PACKS / "leaves-1.ecpack", bundle / "packs")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [str(SCRIPT), str(bundle), str(IMAGE_PACKS / "steel-2.ecpack"), str(folder / "walk")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def after(walked: str, command: str) -> list[str]:
    """Return what each run of a command printed."""
    return re.findall(rf"^\$ {command}.*\n((?:[^$#\n].*\n)*)", walked, flags=re.MULTILINE)


@pytest.mark.slow
def test_the_device_installs_leaves_and_takes_back_what_is_released(walked: str) -> None:
    said = re.findall(r"^\w+", "".join(after(walked, "edgecl-device update")), flags=re.MULTILINE)
    assert said == ["installed", "installed", "nothing", "installed", "withdrawn", "waits"]


@pytest.mark.slow
def test_the_device_takes_from_a_drive_what_is_allowed_again(walked: str) -> None:
    assert after(walked, "edgecl-device install")[0].startswith("installed\tsteel\t")


@pytest.mark.slow
def test_the_status_shows_both_tasks(walked: str) -> None:
    assert re.findall(r"^task\t(\w+)", walked, flags=re.MULTILINE) == ["leaves", "steel"]


def test_a_wrong_use_prints_the_usage() -> None:
    done = subprocess.run([str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "scripts/ota_walk.sh BUNDLE PACK FOLDER" in done.stderr
