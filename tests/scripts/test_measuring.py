"""The scripts that measure learning work on toy data."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecl.training.run import Run
from tests.edgecl.factories import make_image_folder

pytestmark = pytest.mark.long

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
QUICK = ("training.epochs=1", "training.min_steps=0", "training.heldout_items=4", "training.device=cpu")
SMALL = "adaprefix:method.rank=2"
ARMS = ("adaprefix", SMALL, "adaprefix++", "average")


def make_noise(folder: Path) -> None:
    """Write images of three classes that nothing tells apart: a floor far below what counts as solved."""
    random = np.random.default_rng(0)
    for number in range(36):
        path = folder / f"class-{number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (16, 16, 3), np.uint8)).save(path)


def measure(script: str, folder: Path, *words: str) -> dict[str, Any]:
    """Run a script on the four domains of PACS, made of toys, and return what it wrote."""
    for domain in ("art_painting", "cartoon", "photo", "sketch"):
        make_noise(folder / "data" / f"pacs-{domain}")
    vit, out = make_image_folder(folder / "vit"), folder / "out.json"
    places = ("--data", folder / "data", "--backbone", vit, "--runs", folder / "runs", "--out", out)
    subprocess.run(
        [sys.executable, SCRIPTS / script, "pacs", *words, "--seeds", "0", *places, "--set", *QUICK],
        check=True,
        capture_output=True,
    )
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the arms are measured."""
    return tmp_path_factory.mktemp("arms")


@pytest.fixture(scope="module")
def arms(folder: Path) -> dict[str, Any]:
    """What an arm, the same with other settings and another method reach."""
    words = ("--arms", *ARMS, "--alone", "adaprefix", "--reverse")
    return measure("measure_arms.py", folder, *words, "--per-class", "3", "--leave-out", "photo")


def test_arms_are_measured_beside_the_floor(arms: dict[str, Any]) -> None:
    assert list(arms["runs"]) == ["linear-head", *ARMS]
    assert all(len(runs[0]["tasks"]) == 4 for runs in arms["runs"].values())
    assert set(arms["summary"]["best_floor"]) == {"art-painting", "cartoon", "photo", "sketch"}


def test_settings_of_an_arm_are_its_own(arms: dict[str, Any]) -> None:
    size = {arm: found["bytes_per_task"] for arm, found in arms["summary"]["arms"].items()}
    assert size[SMALL] < size["adaprefix"]


def test_transfer_is_measured_against_the_same_method_and_sizes_alone(arms: dict[str, Any]) -> None:
    found = arms["summary"]["arms"]
    assert found["average"]["forward_transfer"]["against"] == "adaprefix"
    assert [arm for arm in found if "forward_transfer" in found[arm]] == ["average"]


@pytest.mark.usefixtures("arms")
def test_tasks_learn_from_so_many_items_of_each_class_in_the_order_asked_for(folder: Path) -> None:
    tasks = Run.open(folder / "runs" / "adaprefix-0").tasks
    assert [task.name for task in tasks] == ["sketch", "photo", "cartoon", "art-painting"]
    assert [task.train_items for task in tasks] == [9, 9, 9, 9]


def test_a_task_that_is_left_out_does_not_count(arms: dict[str, Any]) -> None:
    assert arms["summary"]["counted"] == ["sketch", "cartoon", "art-painting"]


def test_what_is_generated_may_change_until_the_end_and_what_shipped_has_not(arms: dict[str, Any]) -> None:
    found = arms["summary"]["arms"]["adaprefix++"]
    rows = arms["runs"]["adaprefix++"][0]["tasks"]
    assert found["largest_change"] == pytest.approx(
        max(abs(row["score"] - row["at_the_end"]) for row in rows), abs=0.01
    )
    assert found["shipped_unchanged"]


def test_arms_are_added_to_a_file_with_its_floors(arms: dict[str, Any], folder: Path) -> None:
    shared = ("--reverse", "--per-class", "3", "--leave-out", "photo")
    found = measure("measure_arms.py", folder, "--arms", "lora", "--add", *shared)
    assert list(found["runs"]) == [*arms["runs"], "lora"]
    floors = {row["best_floor"] for row in found["runs"]["lora"][0]["tasks"]}
    assert floors == {row["best_floor"] for row in arms["runs"]["adaprefix"][0]["tasks"]}
    assert Run.open(folder / "runs" / "lora-0").tasks[0].best_floor is None


def test_the_command_is_told_without_places(arms: dict[str, Any], folder: Path) -> None:
    assert "--per-class 3" in arms["command"]
    assert "--data DATA" in arms["command"]
    assert str(folder) not in arms["command"]


def test_accuracy_is_measured_against_bytes(tmp_path: Path) -> None:
    found = measure("measure_capacity.py", tmp_path, "--sizes", "2,0", "4,2", "--only", "photo", "sketch")
    small, large = found["curve"]
    assert small["int8"]["bytes_per_task"] < small["float16"]["bytes_per_task"]
    assert small["float16"]["bytes_per_task"] < large["float16"]["bytes_per_task"]
    page = tmp_path / "page.md"
    page.write_text("<!-- capacity out.json -->\n<!-- /capacity out.json -->\n", encoding="utf-8")
    subprocess.run([sys.executable, SCRIPTS / "arms_tables.py", page], check=True)
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert f" {found['mean_best_floor']:.1f} " in rows[1]
    assert [row[:8] for row in rows[2:4]] == ["| 2 | 0 ", "| 4 | 2 "]
    assert f"| `joint`, joint training | | | {found['joint']['mean']:.1f} |" in rows[4]


def test_sizes_are_added_to_a_curve_with_its_floors(tmp_path: Path) -> None:
    only = ("--only", "photo", "sketch")
    before = measure("measure_capacity.py", tmp_path, "--sizes", "2,0", *only)
    found = measure("measure_capacity.py", tmp_path, "--sizes", "4,2", "--add", *only)
    assert [(each["rank"], each["prefix_length"]) for each in found["curve"]] == [(2, 0), (4, 2)]
    assert found["curve"][0] == before["curve"][0]
    assert found["mean_best_floor"] == before["mean_best_floor"]
    assert found["joint"] == before["joint"]
    assert len(found["command"].splitlines()) == 2
    assert Run.open(tmp_path / "runs" / "4-2-0").tasks[0].best_floor is None


def test_a_ceiling_that_a_curve_lacks_is_added_without_a_size(tmp_path: Path) -> None:
    only = ("--only", "photo", "sketch")
    before = measure("measure_capacity.py", tmp_path, "--sizes", "2,0", *only)
    out = tmp_path / "out.json"
    out.write_text(json.dumps({key: before[key] for key in before if key != "joint"}), encoding="utf-8")
    found = measure("measure_capacity.py", tmp_path, "--add", *only)
    assert (found["joint"], found["curve"]) == (before["joint"], before["curve"])
    assert [task.name for task in Run.open(tmp_path / "runs" / "ceiling-0").tasks] == ["photo", "sketch"]


def test_int8_is_measured_beside_float16_on_the_packs_of_an_arm_by_stream(tmp_path: Path) -> None:
    arms = measure("measure_arms.py", tmp_path, "--arms", "adaprefix")
    out = tmp_path / "rounding.json"
    out.write_text('{"text": {"of": "another stream"}}', encoding="utf-8")
    places = ("--runs", tmp_path / "runs", "--data", tmp_path / "data", "--out", out)
    words = ("pacs", "--arm", "adaprefix", "--seeds", "0")
    subprocess.run(
        [sys.executable, SCRIPTS / "measure_rounding.py", *words, *places], check=True, capture_output=True
    )
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["text"] == {"of": "another stream"}
    (run,) = found["pacs"]["runs"]
    assert [row["float16"]["score"] for row in run["tasks"]] == [
        row["score"] for row in arms["runs"]["adaprefix"][0]["tasks"]
    ]
    assert all(row["int8"]["bytes"] < row["float16"]["bytes"] for row in run["tasks"])


def test_what_prefixes_carry_is_measured_on_the_very_items_of_the_run(tmp_path: Path) -> None:
    arms = measure("measure_arms.py", tmp_path, "--arms", "adaprefix")
    places = ("--runs", tmp_path / "runs" / "adaprefix-0", "--data", tmp_path / "data")
    out = tmp_path / "prefixes.json"
    subprocess.run(
        [sys.executable, SCRIPTS / "measure_prefixes.py", "pacs", *places, "--out", out],
        check=True,
        capture_output=True,
    )
    found = json.loads(out.read_text(encoding="utf-8"))
    rows = {row["task"]: row["score"] for row in arms["runs"]["adaprefix"][0]["tasks"][1:]}
    assert {row["task"]: row["own"] for row in found["runs"]["adaprefix"][0]["tasks"]} == rows
    page = tmp_path / "page.md"
    page.write_text("<!-- prefixes prefixes.json -->\n<!-- /prefixes prefixes.json -->\n", encoding="utf-8")
    subprocess.run([sys.executable, SCRIPTS / "arms_tables.py", page], check=True)
    assert f"| `adaprefix` | {found['summary']['adaprefix']['own']['mean']:.1f} |" in page.read_text(
        encoding="utf-8"
    )


def test_empty_prefixes_of_no_length_leave_the_floor_as_it_is(tmp_path: Path) -> None:
    arms = measure("measure_arms.py", tmp_path, "--arms", "linear-head")
    places = ("--data", tmp_path / "data", "--backbone", tmp_path / "vit", "--out", tmp_path / "empty.json")
    words = ("--lengths", "0", "3", "--seeds", "0", "--only", "photo", "sketch")
    subprocess.run(
        [sys.executable, SCRIPTS / "measure_empty_prefixes.py", "pacs", *words, *places],
        check=True,
        capture_output=True,
    )
    found = json.loads((tmp_path / "empty.json").read_text(encoding="utf-8"))
    floors = {name: found["best_floor"][name]["0"]["mean"] for name in ("photo", "sketch")}
    assert floors == {name: pytest.approx(arms["summary"]["best_floor"][name], abs=0.01) for name in floors}
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- empty-prefixes empty.json -->\n<!-- /empty-prefixes empty.json -->\n", encoding="utf-8"
    )
    subprocess.run([sys.executable, SCRIPTS / "arms_tables.py", page], check=True)
    assert page.read_text(encoding="utf-8").splitlines()[1] == "| task | 0 | 3 |"


def test_an_unclosed_place_of_a_table_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    shutil.copy(SCRIPTS.parent / "docs" / "results" / "transfer-omniglot-5.json", tmp_path / "found.json")
    page.write_text("<!-- arms found.json -->\nno end\n", encoding="utf-8")
    called = subprocess.run(
        [sys.executable, SCRIPTS / "arms_tables.py", page], check=False, capture_output=True, text=True
    )
    assert called.returncode != 0
    assert "<!-- /arms found.json -->" in called.stderr


def test_every_task_is_measured_after_all_the_others(tmp_path: Path) -> None:
    found = measure("measure_ceiling.py", tmp_path)
    assert set(found["tasks"]) == {"art-painting", "cartoon", "photo", "sketch"}
    without = Run.open(tmp_path / "runs" / "without-photo-0")
    assert "photo" not in without.names
    after = Run.open(tmp_path / "runs" / "without-photo-0-then-photo")
    assert after.task("photo").parent == after.names[0]
    start = without.tensors("sketch").adapter_up
    assert np.array_equal(start, after.tensors(after.names[0]).adapter_up)


def test_a_fold_of_tasks_is_left_out_at_once(tmp_path: Path) -> None:
    found = measure("measure_ceiling.py", tmp_path, "--folds", "2")
    assert set(found["tasks"]) == {"art-painting", "cartoon", "photo", "sketch"}
    without = Run.open(tmp_path / "runs" / "without-cartoon+sketch-0")
    assert set(without.names) == {"art-painting", "photo"}


def test_a_step_is_measured_against_those_of_other_methods_and_at_more_known_tasks(tmp_path: Path) -> None:
    vit, out = make_image_folder(tmp_path / "vit"), tmp_path / "out.json"
    words = ("--batch", "2", "--steps", "1", "--rounds", "2", "--known", "1", "2", "--device", "cpu")
    subprocess.run(
        [sys.executable, SCRIPTS / "measure_steps.py", "--backbone", vit, *words, "--out", out],
        check=True,
        capture_output=True,
    )
    found = json.loads(out.read_text(encoding="utf-8"))
    of_adapters, of_growth = "adaprefix++ at 1 / adapter", "adaprefix++ at 2 / adaprefix++ at 1"
    assert found["ratios"][of_adapters]["low"] <= found["ratios"][of_adapters]["high"]
    assert of_growth in found["ratios"]
    assert "adaprefix++, first prefixes trained / adapter" in found["ratios"]
    assert found["operations"]["adapter"] == 1 < found["operations"]["adaprefix++ at 1"]
