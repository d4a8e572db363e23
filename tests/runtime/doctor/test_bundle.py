from __future__ import annotations

from pathlib import Path

from edgecl_runtime import InstallLine
from edgecl_runtime.doctor import FINE, MEND, examine, must_mend
from edgecl_runtime.doctor.facts import BundleFacts, Trial
from tests.runtime.doctor.machines import findings_of, make_bundle, make_facts, only

FAILED = Trial(error="cudaErrorNoKernelImageForDevice")


def test_a_bundle_that_cannot_be_read_says_why() -> None:
    finding = only("bundle", make_facts(bundle=BundleFacts(Path("b"), error="b: backbone.onnx was changed")))
    assert (finding.level, finding.message) == (MEND, "b: backbone.onnx was changed")


def test_a_backbone_that_runs_says_how_long_it_takes() -> None:
    finding = only("bundle", make_facts(bundle=make_bundle(trial=Trial(latency_ms=4.26, batch=8))))
    assert (finding.level, finding.message) == (FINE, "the backbone runs: 4.3 ms a call of 8")


def test_a_backbone_that_does_not_run_names_the_install_line_for_this_python() -> None:
    lines = (
        InstallLine("an OS", "3.10", "pip install a"),
        InstallLine("an OS", "3.11 to 3.14", "pip install b"),
    )
    finding = only("bundle", make_facts(bundle=make_bundle(trial=FAILED, install=lines)))
    assert finding.level == MEND
    assert finding.message == "the backbone does not run here: cudaErrorNoKernelImageForDevice"
    assert finding.line == "pip install b"


def test_memory_beyond_the_budget_must_be_mended() -> None:
    trial = Trial(latency_ms=1, peak_bytes=1_500_000_000)
    bundle = make_bundle(trial=trial, name="board", memory_bytes=1_000_000_000)
    finding = only("budgets", make_facts(bundle=bundle))
    assert finding.level == MEND
    assert finding.message.startswith("memory: 1500 MB are needed, board allows 1000 MB")
    assert finding.line == "edgecl export RUN --out BUNDLE --device board --precision int8"


def test_latency_beyond_the_budget_must_be_mended() -> None:
    bundle = make_bundle(trial=Trial(latency_ms=12.34, batch=2), name="board", latency_ms=10.0)
    finding = only("budgets", make_facts(bundle=bundle))
    assert finding.level == MEND
    assert finding.message.startswith("latency: a call of 2 takes 12.3 ms, board allows 10 ms")


def test_what_is_spent_is_shown_beside_the_budgets() -> None:
    bundle = make_bundle(trial=Trial(latency_ms=9.9, peak_bytes=90_000_000), memory_bytes=100_000_000)
    finding = only("budgets", make_facts(bundle=bundle))
    assert (finding.level, finding.message) == (FINE, "90 MB of 100 MB, 9.9 ms of any time")


def test_a_backbone_that_does_not_run_has_no_budget_to_keep() -> None:
    assert findings_of("budgets", make_facts(bundle=make_bundle(trial=FAILED, memory_bytes=1))) == []


def test_nothing_must_be_mended_on_a_healthy_machine() -> None:
    assert not must_mend(examine(make_facts(bundle=make_bundle())))


def test_one_finding_is_enough_to_fail() -> None:
    assert must_mend(examine(make_facts(bundle=make_bundle(trial=FAILED))))
