"""Row 16: a release that does not fit is passed over before it is fetched; a pack that says other is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecl_runtime import IncompatibleError, TamperError
from edgecl_runtime.manifest import FORMAT_VERSION, PackManifest
from edgecl_runtime.ota.device import Device
from edgecl_runtime.ota.gate import check_gate, check_same
from edgecl_runtime.ota.select import Choice
from tests.ota.field import make_field
from tests.ota.offers import (
    BACKBONE,
    DEVICE,
    OTHER_BACKBONE,
    make_bundle_release,
    make_release,
    make_selector,
)
from tests.runtime.factories import make_manifest, make_pack

CLASSED = Device("device-1", device_class="orin-nano")

MISFITS = [
    ({"backbone": OTHER_BACKBONE}, DEVICE, "backbone"),
    ({"backbone": BACKBONE[:-1] + "0"}, DEVICE, "backbone"),
    ({"format": FORMAT_VERSION + 1}, DEVICE, "format"),
    ({"format": 2**31}, DEVICE, "format"),
    ({"min_runtime": "0.1.1"}, DEVICE, "edgecl-runtime"),
    ({"min_runtime": "0.2.0"}, DEVICE, "edgecl-runtime"),
    ({"min_runtime": "0.10.0"}, DEVICE, "edgecl-runtime"),
    ({"min_runtime": "999999.0.0"}, DEVICE, "edgecl-runtime"),
    ({"device_class": "orin-nano"}, DEVICE, "device class"),
    ({"device_class": "rpi5"}, CLASSED, "device class"),
    ({"device_class": "orin-nano "}, CLASSED, "device class"),
]


@pytest.mark.parametrize(("changes", "device", "what"), MISFITS)
def test_a_release_that_does_not_fit_is_refused(changes: dict[str, Any], device: Device, what: str) -> None:
    with pytest.raises(IncompatibleError, match=what):
        check_gate(make_release(**changes), device, backbone=BACKBONE)


@pytest.mark.parametrize(("changes", "device", "what"), MISFITS)
def test_a_release_that_does_not_fit_is_not_chosen(
    changes: dict[str, Any], device: Device, what: str
) -> None:
    choice = make_selector(device=device).packs([make_release(**changes)], {}, backbone=BACKBONE)
    assert choice.install == ()
    assert [held.reason for held in choice.held] == ["incompatible"]
    assert what in choice.held[0].message


@pytest.mark.parametrize(
    ("changes", "device"),
    [
        ({}, DEVICE),
        ({}, CLASSED),
        ({"device_class": "orin-nano"}, CLASSED),
        ({"min_runtime": "0.0.9"}, DEVICE),
    ],
)
def test_a_release_that_fits_is_chosen(changes: dict[str, Any], device: Device) -> None:
    release = make_release(**changes)
    assert make_selector(device=device).packs([release], {}, backbone=BACKBONE) == Choice((release,))


def test_an_older_release_that_fits_is_chosen_instead() -> None:
    old, new = make_release(), make_release(version=2, format=FORMAT_VERSION + 1)
    choice = make_selector().packs([old, new], {}, backbone=BACKBONE)
    assert choice.install == (old,)
    assert [held.path for held in choice.held] == [new.path]


def test_a_backbone_for_a_newer_runtime_is_passed_over() -> None:
    release = make_bundle_release(min_runtime="7.0.0")
    with pytest.raises(IncompatibleError, match="edgecl-runtime"):
        check_gate(release, DEVICE, backbone=None)


def make_matching(manifest: PackManifest) -> dict[str, Any]:
    return {
        "task": manifest.task,
        "version": manifest.version,
        "backbone": manifest.fingerprint,
        "format": manifest.format_version,
        "min_runtime": manifest.min_runtime,
        "device_class": manifest.device_class,
    }


def test_a_pack_that_says_the_same_is_accepted() -> None:
    manifest = make_manifest(device_class="rpi5")
    check_same(make_release(**make_matching(manifest)), manifest)


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "steel"},
        {"version": 2},
        {"fingerprint": OTHER_BACKBONE},
        {"min_runtime": "0.0.1"},
        {"min_runtime": "9.0.0"},
        {"device_class": "rpi5"},
        {"format_version": FORMAT_VERSION + 1},
    ],
)
def test_a_pack_that_says_other_than_its_signed_record_is_tampered(changes: dict[str, Any]) -> None:
    release = make_release(**make_matching(make_manifest()))
    with pytest.raises(TamperError):
        check_same(release, replace(make_manifest(), **changes))


def test_nothing_is_fetched_of_a_pack_that_does_not_fit(tmp_path: Path) -> None:
    field = make_field(tmp_path)
    field.release_pack(device_class="rpi5")
    report = field.update()
    assert [held.reason for held in report.held] == ["incompatible"]
    assert (report.errors, report.changes, report.received_bytes) == ((), (), 0)


@pytest.mark.parametrize("changes", [{"version": 2}, {"min_runtime": "0.0.1"}, {"task": "steel"}])
def test_a_device_does_not_use_a_pack_that_says_other_than_its_record(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    field = make_field(tmp_path)
    release = field.release_pack(**{"raw": make_pack(fingerprint=make_manifest().fingerprint), **changes})
    report = field.update()
    assert [type(error) for error in report.errors] == [TamperError]
    assert field.versions == {}
    assert field.state.quarantine == {release.sha256: release.release_counter}
