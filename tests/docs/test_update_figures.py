"""What docs/updates.md says about transfers and figures is what the code and the stored results say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgecl_runtime.ota import failures
from edgecl_runtime.ota.limits import Limits

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "updates.md").read_text(encoding="utf-8")
TRANSFERS = PAGE[PAGE.index("## When the network fails") : PAGE.index("## Figures")]
FIGURES = PAGE[PAGE.index("## Figures") : PAGE.index("## The set-up")]


def result(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((ROOT / "docs" / "results" / name).read_text(encoding="utf-8"))
    return value


@pytest.mark.parametrize("reason", sorted({reason for _, reason in failures.REASONS}))
def test_every_reason_of_the_network_is_explained(reason: str) -> None:
    assert f"`{reason}`" in TRANSFERS


def test_the_limits_are_those_of_the_code() -> None:
    limits = Limits()
    assert (limits.grace_s, limits.tries) == (60, 3)
    assert f"each {limits.min_rate:,.0f} bytes" in TRANSFERS
    assert f"silent for {limits.silence_s:.0f} seconds" in TRANSFERS


def test_the_figures_are_the_measured_ones() -> None:
    measured = result("updates-cpu.json")
    back = measured["going_back"]
    polled, drip = measured["polls"]["without_news"], measured["drip_of_2_bytes_per_second"]
    assert f"{measured['resumed_download']['ratio']:.2f} times" in FIGURES
    assert f"after {drip['ended_after_s']:.1f} s, with the reason `{drip['reason']}`" in FIGURES
    assert f"{polled['requests']} requests, {polled['body_bytes']} bytes" in FIGURES
    assert f"{measured['extra_ota']['bytes'] / 1e6:.2f} MB, no compiled code" in FIGURES
    assert f"{back['revert_s']:.1f} s, median of {back['rounds']}" in FIGURES
    assert f"{back['rerelease_payload_bytes']} bytes fetched" in FIGURES


def test_the_figures_hold_what_was_promised() -> None:
    measured = result("updates-cpu.json")
    drip = measured["drip_of_2_bytes_per_second"]
    assert measured["resumed_download"]["ratio"] <= 1.02
    assert drip["ended_after_s"] == pytest.approx(drip["deadline_s"], abs=1.0)
    assert measured["extra_ota"]["bytes"] <= 3_500_000
    assert measured["extra_ota"]["compiled_files"] == 0
    assert measured["polls"]["without_news"]["requests"] == 2
    assert measured["going_back"]["revert_slowest_s"] < 1
    assert measured["going_back"]["rerelease_payload_bytes"] == 0


def test_the_whole_suite_of_tuf_passes() -> None:
    suite = result("tuf-conformance.json")
    assert (suite["cases"], suite["passed"], suite["not_passed"]) == (113, 113, [])
    assert f"tuf-conformance {suite['suite']['tuf-conformance']}" in FIGURES
    assert f"{suite['passed']} of {suite['cases']} cases pass" in FIGURES
