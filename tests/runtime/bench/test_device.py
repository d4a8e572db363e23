"""The benchmark of a device runs whole, on the golden bundles."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecl_runtime import Runtime, read_bundle, read_pack
from edgecl_runtime.bench import run_bench
from edgecl_runtime.bench.figures import figures
from edgecl_runtime.bench.inputs import make_items
from edgecl_runtime.bench.machine import package_versions, resident_bytes
from edgecl_runtime.bench.made import make_pack, write_packs
from edgecl_runtime.cli import main
from edgecl_runtime.errors import EdgeclRuntimeError
from tests.runtime.factories import IMAGE_BUNDLE, IMAGE_PACKS, TEXT_BUNDLE, edit_json

Capture = pytest.CaptureFixture[str]
SHORT = ["bench", str(IMAGE_BUNDLE), "--packs", str(IMAGE_PACKS), "--limit", "1", "--threads", "1"]


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """A report of one golden pack and seven made ones."""
    bundle = read_bundle(IMAGE_BUNDLE)
    pack = read_pack(IMAGE_PACKS / "leaves-1.ecpack", bundle=bundle)
    return run_bench(bundle, [pack], rows=2, threads=1, limit_s=0.1).to_json()


def test_a_report_names_machine_versions_and_profile(report: dict[str, Any]) -> None:
    assert {"processor", "cores", "python"} <= set(report["machine"])
    assert {"edgecl-runtime", "onnxruntime", "numpy"} <= set(report["versions"])
    assert report["profile"] == read_bundle(IMAGE_BUNDLE).profile.to_json()
    assert (report["settings"]["rows"], report["settings"]["backend"]) == (2, "feeds")


def test_missing_tasks_are_made(report: dict[str, Any]) -> None:
    assert report["settings"]["tasks"] == [[3, 0], *[[10, 16]] * 7]


def test_a_report_has_every_ratio_with_its_spread(report: dict[str, Any]) -> None:
    assert set(report["ratios"]) == {"one task / no task", "switch / one task", "8 tasks / 1 task"}
    for ratio in report["ratios"].values():
        assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]


def test_a_cold_start_only_grows(report: dict[str, Any]) -> None:
    steps = [report["cold_start"][name]["ms"] for name in ("import", "open", "packs", "first", "second")]
    assert steps == sorted(steps)
    assert min(step["resident_bytes"] for step in report["cold_start"].values()) > 1e6


def test_a_report_survives_json(report: dict[str, Any]) -> None:
    assert figures(json.loads(json.dumps(report))) == figures(report)


def test_a_report_is_compared_with_a_stored_one(
    report: dict[str, Any], tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "old.json").write_text(json.dumps(report), encoding="utf-8")
    assert main([*SHORT, "--compare", str(tmp_path / "old.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(figures(report))
    assert all(line.endswith(" %") for line in lines)


def test_json_is_one_object_that_compare_reads(tmp_path: Path, capsys: Capture) -> None:
    assert main([*SHORT, "--json"]) == 0
    (tmp_path / "new.json").write_text(capsys.readouterr().out, encoding="utf-8")
    assert main([*SHORT, "--json", "--compare", str(tmp_path / "new.json")]) == 0
    compared = json.loads(capsys.readouterr().out)["compared"]
    assert compared["pack size, bytes"]["now"] == compared["pack size, bytes"]["stored"]


def test_what_is_no_report_is_refused_before_anything_is_measured(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "old.json").write_text("{}", encoding="utf-8")
    assert main([*SHORT, "--compare", str(tmp_path / "old.json")]) == 2
    assert "old.json: found format_version None, expected 1" in capsys.readouterr().err


def test_a_report_without_a_figure_is_refused(
    report: dict[str, Any], tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "old.json").write_text(json.dumps(report), encoding="utf-8")
    edit_json(tmp_path / "old.json", lambda value: value["pack_load"].update(verify_ms="fast"))
    assert main([*SHORT, "--compare", str(tmp_path / "old.json")]) == 2
    assert "pack_load.verify_ms" in capsys.readouterr().err


def test_made_packs_run(tmp_path: Path) -> None:
    bundle = read_bundle(TEXT_BUNDLE)
    paths = write_packs(tmp_path, bundle, 2, prefix_length=3, rank=5)
    runtime = Runtime.open(TEXT_BUNDLE, paths)
    assert runtime.tasks == ("made-0", "made-1")
    both = [runtime.features(make_items(bundle.preprocessing, 1), task=task) for task in runtime.tasks]
    assert np.abs(both[0] - both[1]).max() > 0


def test_made_packs_are_the_same_every_time() -> None:
    bundle = read_bundle(IMAGE_BUNDLE)
    first, second = (make_pack(bundle, "a", prefix_length=1, rank=2, seed=3) for _ in range(2))
    assert first == second


def test_a_failed_cold_start_says_why(tmp_path: Path) -> None:
    from edgecl_runtime.bench.device import measure_cold_start

    pack = read_pack(IMAGE_PACKS / "leaves-1.ecpack")
    with pytest.raises(EdgeclRuntimeError, match=r"(?s)the cold start failed: .*no readable file"):
        measure_cold_start(tmp_path, pack)


def test_packages_that_are_not_installed_have_no_version() -> None:
    assert list(package_versions("numpy", "no-such-package-here")) == ["numpy"]


def test_resident_bytes_grow_with_what_is_held() -> None:
    size = 32_000_000
    with mmap.mmap(-1, size) as fresh:  # what an allocator hands out may have been resident before
        before = resident_bytes()
        fresh.write(bytes(size))
        assert resident_bytes() - before > 0.8 * size
