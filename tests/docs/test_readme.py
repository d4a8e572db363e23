"""What the README tells people to type is typed."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the fenced code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def write_images(folder: Path, digits: tuple[int, int], *, labels: tuple[str, str], count: int = 40) -> None:
    """Write scans of two digits as a folder of two classes."""
    scans = load_digits()
    for digit, label in zip(digits, labels, strict=True):
        (folder / label).mkdir(parents=True)
        for index, scan in enumerate(scans.images[scans.target == digit][:count]):
            pixels = (scan * (255 / 16)).astype(np.uint8)
            Image.fromarray(pixels).resize((32, 32)).save(folder / label / f"{index}.png")


@pytest.fixture(scope="module")
def shop_floor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data that the README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    write_images(folder / "data" / "signs", (0, 1), labels=("stop", "yield"))
    write_images(folder / "data" / "scratches", (4, 7), labels=("scratched", "whole"))
    stream = re.sub(r"^(train_items|test_items).*\n", "", blocks("toml")[0], flags=re.MULTILINE)
    (folder / "shop-floor.toml").write_text(stream, encoding="utf-8")
    return folder


@pytest.mark.long
def test_workstation_commands_run_as_written(shop_floor: Path) -> None:
    commands = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("edgecl ")]
    assert len(commands) >= 6
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "EDGECL_KEY_PASSWORD": "five words for this test",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    for command in commands:
        words = shlex.split(command, comments=True)
        done = subprocess.run(
            words, cwd=shop_floor, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert (shop_floor / "scratches-1.ecpack").is_file()


def test_device_code_compiles_and_uses_public_names_only() -> None:
    import edgecl_runtime

    code = compile(blocks("python")[0], "README.md", "exec")
    imported = re.findall(r"from edgecl_runtime import (.+)", blocks("python")[0])
    assert code.co_names
    assert all(name.strip() in edgecl_runtime.__all__ for line in imported for name in line.split(","))


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs" / "results").glob("*-3.json")), ids=lambda path: path.stem
)
def test_figures_of_the_table_are_those_that_the_named_command_wrote(path: Path) -> None:
    summary = json.loads(path.read_text(encoding="utf-8"))["summary"]
    for row in (*summary["tasks"].values(), summary["added_task"]):
        shown = (
            f"{row['accuracy']['mean']:.1f} ± {row['accuracy']['sd']:.1f} | {row['best_floor']['mean']:.1f}"
        )
        assert shown in README
    gain = summary["average_gain"]
    assert f"{gain['mean']:+.1f} ± {gain['sd']:.1f}" in README


def test_nothing_is_left_to_fill_in() -> None:
    assert re.findall(r"^[A-Z_]{6,}$", README, flags=re.MULTILINE) == []


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\(((?!https?:)[^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
