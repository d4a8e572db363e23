from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecl_devices import load_profile
from edgecl_export.budgets import check_budgets
from edgecl_export.bundle import export_run
from edgecl_export.contents import choose_profile
from edgecl_export.errors import BudgetError
from edgecl_export.plan import ExportPlan
from edgecl_runtime import Bundle, read_bundle
from tests.exported import Field, reuse_graph
from tests.runtime.factories import IMAGE_BUNDLE

CUDA = ("CUDAExecutionProvider", "CPUExecutionProvider")


def make_bundle(**profile: Any) -> Bundle:
    """Return the tiny image bundle, for a device with these values."""
    bundle = read_bundle(IMAGE_BUNDLE)
    return replace(bundle, profile=replace(bundle.profile, name="board", **profile))


def test_a_bundle_carries_what_is_known_of_its_device() -> None:
    profile = choose_profile(load_profile("raspberry-pi-5"), ExportPlan())
    assert (profile.name, profile.threads, profile.memory_bytes) == ("raspberry-pi-5", 4, 2**30)
    assert "python3 -m venv" in profile.install[0].line


def test_a_backbone_within_its_budgets_passes() -> None:
    check_budgets(make_bundle(memory_bytes=2**30, latency_ms=60_000.0))


def test_a_backbone_that_needs_more_memory_is_refused() -> None:
    with pytest.raises(BudgetError, match=r"memory: \d+ MB are needed, board allows 1 MB") as caught:
        check_budgets(make_bundle(memory_bytes=1_000_000))
    assert (caught.value.exit_code, caught.value.device) == (3, "board")


def test_a_backbone_that_takes_longer_is_refused() -> None:
    with pytest.raises(BudgetError, match="latency: a call of 2 takes .* board allows 1e-06 ms"):
        check_budgets(make_bundle(latency_ms=1e-6, batch=2))


def test_nothing_is_written_for_a_device_that_is_too_small(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx")
    sources = {**load_profile("generic-cpu").sources, "memory_bytes": "measured by this test"}
    device = replace(load_profile("generic-cpu"), memory_bytes=1_000_000, sources=sources)
    with pytest.raises(BudgetError, match="Nothing was written"):
        export_run(image_field.run, tmp_path / "bundle", device=device, on_parity=lambda parity: None)
    assert list(tmp_path.iterdir()) == []


def test_memory_is_held_to_its_budget_without_the_gpu() -> None:
    with pytest.raises(BudgetError, match="memory: "):
        check_budgets(make_bundle(providers=CUDA, memory_bytes=1_000_000))


def test_the_time_of_a_gpu_is_left_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("edgecl_export.budgets.try_bundle")  # nothing is run
    check_budgets(make_bundle(providers=CUDA, latency_ms=1e-6))


def test_a_device_without_budgets_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("edgecl_export.budgets.try_bundle")
    check_budgets(make_bundle())
