"""The programs in other languages give the features and the labels of the runtime, with and without a task."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.examples.conftest import INT8_TASK, SIDE, Stage

pytestmark = pytest.mark.examples

TASKS = ["hues", INT8_TASK]


def call(*command: object) -> dict[str, Any]:
    """Return the one JSON object that a program prints."""
    done = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
    result = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result


def run_cpp(stage: Stage, program: Path, library: Path, *pack: Path) -> dict[str, Any]:
    return call(program, library, stage.bundle, stage.image, SIDE, *pack)


def run_node(stage: Stage, *pack: Path) -> dict[str, Any]:
    return call("node", stage.folder / "node.mjs", stage.bundle, stage.image, *pack)


def run_page(stage: Stage, *pack: Path) -> dict[str, Any]:
    chromium = shutil.which("chromium") or pytest.skip("no chromium is installed")
    served = [path.relative_to(stage.folder) for path in (stage.image, *pack)]
    return call("node", stage.folder / "browser.mjs", chromium, stage.folder, *served)


def assert_equal(stage: Stage, found: dict[str, Any], task: str | None) -> None:
    """Compare features, and under a task the label, with those of the runtime."""
    runtime = stage.runtime()
    np.testing.assert_allclose(
        found["features"], runtime.features([stage.pixels], task=task)[0], rtol=0, atol=1e-5
    )
    if task is not None:
        assert found["label"] == runtime.predict([stage.pixels], task=task).labels[0]


def test_cpp_without_a_task(stage: Stage, cpp_program: Path, onnxruntime_library: Path) -> None:
    assert_equal(stage, run_cpp(stage, cpp_program, onnxruntime_library), None)


@pytest.mark.parametrize("task", TASKS)
def test_cpp_under_a_task(stage: Stage, cpp_program: Path, onnxruntime_library: Path, task: str) -> None:
    found = run_cpp(stage, cpp_program, onnxruntime_library, stage.pack(task))
    assert_equal(stage, found, task)


def test_cpp_refuses_a_pack_of_another_backbone(
    stage: Stage, cpp_program: Path, onnxruntime_library: Path, tmp_path: Path
) -> None:
    bundle = shutil.copytree(stage.bundle, tmp_path / "bundle")
    described = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    (bundle / "bundle.json").write_text(json.dumps(described | {"fingerprint": "0" * 64}), encoding="utf-8")
    command = [cpp_program, onnxruntime_library, bundle, stage.image, SIDE, stage.pack("hues")]
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "built for another backbone" in done.stderr


def test_node_without_a_task(stage: Stage) -> None:
    assert_equal(stage, run_node(stage), None)


@pytest.mark.parametrize("task", TASKS)
def test_node_under_a_task(stage: Stage, task: str) -> None:
    assert_equal(stage, run_node(stage, stage.pack(task)), task)


def test_a_page_without_a_task(stage: Stage) -> None:
    assert_equal(stage, run_page(stage), None)


@pytest.mark.parametrize("task", TASKS)
def test_a_page_under_a_task(stage: Stage, task: str) -> None:
    assert_equal(stage, run_page(stage, stage.pack(task)), task)
