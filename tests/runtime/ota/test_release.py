from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl_runtime.errors import ReleaseError
from edgecl_runtime.ota.release import (
    EMPTY_SHA256,
    BundleFile,
    BundleRelease,
    Delta,
    PackRelease,
    Rollout,
    bundle_file_path,
    bundle_path,
    pack_path,
    signed_at,
    signed_at_field,
)

BACKBONE, SHA256, OTHER = "ab" * 32, "cd" * 32, "ef" * 32
MOMENT = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)
PACK = PackRelease(
    path=pack_path(BACKBONE, "leaves", 3),
    length=1000,
    sha256=SHA256,
    task="leaves",
    version=3,
    release_counter=4,
    backbone=BACKBONE,
    format=1,
    min_runtime="0.1.0",
    device_class="orin",
)
FILE = BundleFile("backbone.onnx", bundle_file_path(BACKBONE, SHA256, "backbone.onnx"), SHA256, 4000)
BUNDLE = BundleRelease(
    path=bundle_path(BACKBONE, 2),
    length=500,
    sha256=OTHER,
    line="default",
    release_counter=2,
    backbone=BACKBONE,
    min_runtime="0.1.0",
    files=(FILE,),
    delta=(Delta("backbone.onnx", OTHER, "backbones/abababababab/delta", 40, SHA256),),
)
ROLLOUT = Rollout(sha256=SHA256, percent=12.5, salt="a", not_before=MOMENT, deadline=MOMENT)


def read_pack(custom: object, **changes: Any) -> PackRelease:
    known: dict[str, Any] = {"length": PACK.length, "sha256": PACK.sha256, **changes}
    return PackRelease.from_custom(PACK.path, custom=custom, **known)


def read_bundle(custom: object) -> BundleRelease:
    return BundleRelease.from_custom(BUNDLE.path, length=BUNDLE.length, sha256=BUNDLE.sha256, custom=custom)


def read_rollout(custom: object, *, length: int = 0) -> Rollout:
    return Rollout.from_custom(ROLLOUT.path, length=length, sha256=EMPTY_SHA256, custom=custom)


def changed(custom: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {"edgecl": {**custom["edgecl"], **changes}}


def without(custom: dict[str, Any], key: str) -> dict[str, Any]:
    return {"edgecl": {name: value for name, value in custom["edgecl"].items() if name != key}}


def test_what_was_written_is_read_again() -> None:
    assert read_pack(PACK.as_custom()) == PACK
    assert read_bundle(BUNDLE.as_custom()) == BUNDLE
    assert read_rollout(ROLLOUT.as_custom()) == ROLLOUT


def test_what_is_for_everybody_is_left_out() -> None:
    pack = replace(PACK, device_class=None)
    rollout = Rollout(sha256=SHA256, percent=100.0, salt="a")
    assert read_pack(pack.as_custom()) == pack
    assert read_rollout(rollout.as_custom()) == rollout
    assert "device_class" not in pack.as_custom()["edgecl"]


@pytest.mark.parametrize("key", sorted(PACK.as_custom()["edgecl"].keys() - {"device_class"}))
def test_a_missing_field_is_named(key: str) -> None:
    with pytest.raises(ReleaseError, match=key):
        read_pack(without(PACK.as_custom(), key))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "bundle"),
        ("task", "../leaves"),
        ("task", "other"),
        ("version", 0),
        ("version", "3"),
        ("release_counter", True),
        ("backbone", BACKBONE[:-1]),
        ("backbone", OTHER),
        ("min_runtime", "1"),
        ("device_class", None),
        ("surprise", 1),
    ],
)
def test_a_wrong_field_of_a_pack_is_refused(key: str, value: object) -> None:
    with pytest.raises(ReleaseError):
        read_pack(changed(PACK.as_custom(), **{key: value}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("line", ""),
        ("files", []),
        ("files", [FILE.to_json(), FILE.to_json()]),
        ("files", [{**FILE.to_json(), "path": "backbones/abababababab/elsewhere"}]),
        ("files", [{**FILE.to_json(), "name": "../backbone.onnx"}]),
        ("files", [{**FILE.to_json(), "name": "bundle.json"}]),
        ("delta", [{**BUNDLE.delta[0].to_json(), "name": "unlisted.onnx"}]),
        ("release_counter", 3),
    ],
)
def test_a_wrong_field_of_a_bundle_is_refused(key: str, value: object) -> None:
    with pytest.raises(ReleaseError):
        read_bundle(changed(BUNDLE.as_custom(), **{key: value}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("basis_points", 10_001),
        ("basis_points", 12.5),
        ("severity", "bad"),
        ("withdrawn", 1),
        ("salt", "a\nb"),
        ("deadline", None),
        ("deadline", "2026-02-30T12:00:00Z"),
        ("not_before", "yesterday"),
    ],
)
def test_a_wrong_field_of_a_rollout_is_refused(key: str, value: object) -> None:
    with pytest.raises(ReleaseError):
        read_rollout(changed(ROLLOUT.as_custom(), **{key: value}))


def test_a_rollout_brings_no_content() -> None:
    with pytest.raises(ReleaseError, match="empty"):
        read_rollout(ROLLOUT.as_custom(), length=1)


@pytest.mark.parametrize("custom", [None, [], {}, {"other": {}}, {"edgecl": []}, {"edgecl": {}, "other": 1}])
def test_no_record_of_ours_is_refused(custom: object) -> None:
    with pytest.raises(ReleaseError):
        read_pack(custom)


def test_a_target_without_a_sha256_is_refused() -> None:
    with pytest.raises(ReleaseError, match="sha256"):
        read_pack(PACK.as_custom(), sha256="")


@given(st.integers(0, 10_000))
def test_every_hundredth_of_a_percent_survives(points: int) -> None:
    rollout = replace(ROLLOUT, percent=points / 100)
    assert read_rollout(rollout.as_custom()) == rollout


def test_a_signed_time_is_in_utc_whatever_zone_it_was_given_in() -> None:
    there = MOMENT.astimezone(timezone(timedelta(hours=9)))
    assert signed_at_field(there) == {"x-edgecl": {"signed_at": "2026-01-31T12:00:00Z"}}
    assert signed_at(signed_at_field(there)) == MOMENT
    assert signed_at({}) is None


@pytest.mark.parametrize("field", [None, "2026-01-31T12:00:00Z", {"signed_at": 1}, {}])
def test_a_signed_time_that_is_none_is_refused(field: object) -> None:
    with pytest.raises(ReleaseError):
        signed_at({"x-edgecl": field})
