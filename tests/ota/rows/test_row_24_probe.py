"""Row 24: what is new is tried in a process of its own; whatever it does there, what was in use stays in use."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgecl_runtime import UpdateProbeError, read_bundle, read_pack
from edgecl_runtime.ota.probe import ProbeLimits, ProbeResult, run_probe
from edgecl_runtime.ota.report import Report
from edgecl_runtime.ota.trial import Candidate
from edgecl_runtime.pack_writer import encode_pack
from edgecl_runtime.store import Store
from tests.ota.field import Field, make_field, passes
from tests.runtime.factories import IMAGE_BUNDLE, IMAGE_PACKS, forge

GOOD = IMAGE_PACKS / "leaves-1.ecpack"
LIMITS = ProbeLimits(seconds=60, memory_bytes=1 << 30)
ALL_IS_WELL = '{"reason": null, "path": null, "message": "", "latency_ms": [1.0]}'
NOTHING_TESTED = '{"reason": null, "path": null, "message": "", "latency_ms": []}'


@pytest.fixture
def field(tmp_path: Path) -> Field:
    """A device whose task "leaves" runs a good pack."""
    field = make_field(tmp_path)
    field.release_pack(raw=GOOD.read_bytes())
    field.update()
    return field


def make_wrong() -> bytes:
    """Return version 2 of the good pack, whose probe expects other features than it gives."""
    pack = read_pack(GOOD)
    return encode_pack(replace(pack.manifest, version=2), pack.tensors, pack.probe_features + np.float32(1))


def make_overflowing() -> bytes:
    """Return version 2 of the good pack with tensors that are finite, and a result that is not."""
    pack = read_pack(GOOD)
    largest = np.full(pack.tensors.adapter_up_bias.shape, 3e38, np.float32)
    tensors = replace(pack.tensors, adapter_up_bias=largest)
    return encode_pack(replace(pack.manifest, version=2), tensors, pack.probe_features)


def release_next(field: Field, raw: bytes | None = None) -> str:
    """Release version 2 of the task, and return its sha256."""
    content = raw or forge(GOOD.read_bytes(), manifest=lambda said: said.update(version=2))
    return field.release_pack(version=2, release_counter=2, raw=content).sha256


def child(*lines: str) -> partial[ProbeResult]:
    """Return a probe whose child runs other code instead of the self-test."""
    return partial(run_probe, command=(sys.executable, "-c", "\n".join(("import os, sys, time", *lines))))


def reasons(report: Report) -> list[str]:
    return [error.reason for error in report.errors if isinstance(error, UpdateProbeError)]


def test_a_good_pack_passes_its_own_test_in_the_child(tmp_path: Path) -> None:
    assert run_probe(IMAGE_BUNDLE, [GOOD, IMAGE_PACKS / "steel-2.ecpack"], LIMITS) == ProbeResult(None)


def test_a_good_pack_is_committed(field: Field) -> None:
    field.probe, field.limits = run_probe, LIMITS
    sha256 = release_next(field)
    assert field.update().errors == ()
    assert field.versions == {"leaves": sha256}


def test_wrong_output_is_taken_back(field: Field) -> None:
    field.probe, field.limits = run_probe, LIMITS
    before, sha256 = field.versions, release_next(field, make_wrong())
    assert reasons(field.update()) == ["probe-mismatch"]
    assert field.versions == before
    assert field.state.quarantine == {sha256: 2}


def test_features_that_are_not_finite_are_taken_back(field: Field) -> None:
    field.probe, field.limits = run_probe, LIMITS
    before = field.versions
    release_next(field, make_overflowing())
    report = field.update()
    assert reasons(report) == ["probe-mismatch"]
    assert re.search("differ by (inf|nan)", str(report.errors[0]))
    assert field.versions == before


@pytest.mark.parametrize(
    ("lines", "limits", "reason"),
    [
        (["os.abort()"], LIMITS, "probe-crash"),
        ([f"print({ALL_IS_WELL!r}, flush=True)", "os.abort()"], LIMITS, "probe-crash"),
        ([f"print({NOTHING_TESTED!r})"], LIMITS, "probe-crash"),
        (["sys.exit(0)"], LIMITS, "probe-crash"),
        (["print('[' * 100_000)"], LIMITS, "probe-crash"),
        (["time.sleep(60)"], replace(LIMITS, seconds=1), "probe-timeout"),
        (["while True: pass"], replace(LIMITS, seconds=1), "probe-timeout"),
    ],
)
def test_a_child_that_dies_or_hangs_is_taken_back(
    field: Field, lines: Sequence[str], limits: ProbeLimits, reason: str
) -> None:
    field.probe, field.limits = child(*lines), limits
    before, sha256 = field.versions, release_next(field)
    assert reasons(field.update()) == [reason]
    assert field.versions == before
    assert field.state.quarantine == {sha256: 2}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of this kind")
def test_a_child_that_needs_too_much_memory_is_taken_back(field: Field) -> None:
    hungry = "from edgecl_runtime.ota import probe_child as c; c.Runtime.open = lambda *a: bytearray(1 << 30)"
    field.probe = child(hungry, "sys.exit(c.main())")
    field.limits = replace(LIMITS, memory_bytes=400 << 20)
    before = field.versions
    release_next(field)
    assert reasons(field.update()) == ["probe-memory"]
    assert field.versions == before


def test_a_pack_that_is_too_slow_is_taken_back(field: Field) -> None:
    field.probe, field.limits = run_probe, replace(LIMITS, latency_ms=1e-6)
    before = field.versions
    release_next(field)
    assert reasons(field.update()) == ["probe-slow"]
    assert field.versions == before


def test_an_app_may_say_no(field: Field) -> None:
    asked: list[Candidate] = []

    def refuse(candidate: Candidate) -> bool:
        asked.append(candidate)
        return False

    field.callbacks.append(refuse)
    before, sha256 = field.versions, release_next(field)
    assert reasons(field.update()) == ["probe-callback"]
    assert field.versions == before
    assert [path.name for path in asked[0].packs.values()] == [sha256]
    assert read_bundle(asked[0].bundle).fingerprint == read_bundle(IMAGE_BUNDLE).fingerprint


def test_an_app_that_says_yes_lets_it_pass(field: Field) -> None:
    field.callbacks.append(lambda candidate: True)
    sha256 = release_next(field)
    field.update()
    assert field.versions == {"leaves": sha256}


def test_what_failed_is_not_tried_again(field: Field) -> None:
    field.probe = child("os.abort()")
    release_next(field)
    field.update()
    report = field.update()
    assert [held.reason for held in report.held] == ["quarantined"]
    assert (report.errors, report.received_bytes) == ((), 0)


def test_what_failed_is_tried_again_under_a_higher_counter(field: Field) -> None:
    field.probe = child("os.abort()")
    release = field.repository.pack_releases
    sha256 = release_next(field)
    field.update()
    field.probe = passes
    release[-1] = replace(release[-1], release_counter=3)
    field.update()
    assert field.versions == {"leaves": sha256}


def test_a_trial_that_takes_the_device_down_is_tried_twice_and_then_never(field: Field) -> None:
    def power_cut(bundle: Path, packs: Sequence[Path], limits: ProbeLimits) -> ProbeResult:
        raise KeyboardInterrupt

    field.probe = power_cut
    before, sha256 = field.versions, release_next(field)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            field.update()
    report = field.update()
    assert reasons(report) == ["probe-crash-loop"]
    assert field.versions == before
    assert field.state.quarantine == {sha256: 2}


def test_a_part_that_is_missing_on_the_device_is_no_fault_of_the_content(field: Field) -> None:
    answer = '{"reason": "missing", "path": "x", "message": "no onnxruntime", "latency_ms": []}'
    field.probe = child(f"print({answer!r})")
    release_next(field)
    assert reasons(field.update()) == ["probe-missing"]
    assert field.state.quarantine == {}


def test_a_fault_of_one_pack_does_not_stop_another(field: Field) -> None:
    field.probe, field.limits = run_probe, LIMITS
    release_next(field, make_wrong())
    steel = field.release_pack(task="steel", version=2, raw=(IMAGE_PACKS / "steel-2.ecpack").read_bytes())
    assert reasons(field.update()) == ["probe-mismatch"]
    assert field.versions["steel"] == steel.sha256


def test_a_revert_needs_no_network_and_no_probe(field: Field) -> None:
    first = field.versions
    release_next(field)
    field.update()
    with Store.open(field.store) as store:
        store.revert("leaves")
    assert field.versions == first
