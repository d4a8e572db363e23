from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgecl_runtime.tensorrt import EngineKey, prepare_cache

KEY = EngineKey(
    model="ab" * 32,
    gpu="Orin (8.7)",
    driver="CUDA 13.0",
    tensorrt="10.16.1",
    precision="fp16",
    shapes="pixel_values:8x3x64x64",
)


def build(folder: Path, key: EngineKey) -> list[str]:
    """Prepare a cache, return what was said, and leave an engine with its timings as a session would."""
    said: list[str] = []
    prepare_cache(folder, key, say=said.append)
    for name in ("edgecl.engine", "edgecl.profile", "edgecl.timing"):
        (folder / name).touch()
    return said


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_engine_is_kept_while_nothing_changes(tmp_path: Path) -> None:
    build(tmp_path, KEY)
    assert build(tmp_path, KEY) == []
    assert files(tmp_path) == ["edgecl.engine", "edgecl.profile", "edgecl.timing", "engine.json"]


def test_the_first_engine_is_announced(tmp_path: Path) -> None:
    (said,) = build(tmp_path / "new", KEY)
    assert "building the TensorRT engine, because there is none yet; this takes minutes" in said


@pytest.mark.parametrize("name", ["model", "gpu", "driver", "tensorrt", "precision", "shapes"])
def test_an_engine_of_anything_else_is_removed_and_the_message_says_why(tmp_path: Path, name: str) -> None:
    build(tmp_path, KEY)
    said: list[str] = []
    prepare_cache(tmp_path, replace(KEY, **{name: "another"}), say=said.append)
    assert f"because {name} changed" in said[0]
    assert not list(tmp_path.glob("*.engine"))
    assert not list(tmp_path.glob("*.profile"))


@pytest.mark.parametrize(
    ("name", "kept"), [("model", True), ("shapes", True), ("driver", False), ("gpu", False)]
)
def test_timings_are_kept_on_the_same_hardware_and_libraries(tmp_path: Path, name: str, kept: bool) -> None:
    build(tmp_path, KEY)
    prepare_cache(tmp_path, replace(KEY, **{name: "another"}), say=len)
    assert bool(list(tmp_path.glob("*.timing"))) is kept


@pytest.mark.parametrize("damaged", [b"", b"{}", b"[1]", b'{"model": 1}', b"\xff"])
def test_engines_that_nobody_can_account_for_are_removed(tmp_path: Path, damaged: bytes) -> None:
    build(tmp_path, KEY)
    (tmp_path / "engine.json").write_bytes(damaged)
    prepare_cache(tmp_path, KEY, say=len)
    assert files(tmp_path) == ["engine.json"]


def test_what_is_not_of_the_cache_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    build(tmp_path, KEY)
    prepare_cache(tmp_path, replace(KEY, gpu="another"), say=len)
    assert files(tmp_path) == ["engine.json", "mine.txt"]
