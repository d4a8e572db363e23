from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgecl_runtime import Bundle, BundleFormatError, read_bundle, write_bundle
from edgecl_runtime.tensorrt import Limits, Machine, engine_options
from tests.runtime.factories import IMAGE_BUNDLE

MACHINE = Machine("Orin (8.7)", "CUDA 13.0", "10.16.1")


def make_bundle(folder: Path, *, precision: str = "fp32", limits: str | None = None) -> Bundle:
    """Return a copy of a golden bundle as an export for TensorRT describes it; the graph itself does not matter."""
    golden = read_bundle(IMAGE_BUNDLE)
    shutil.copytree(IMAGE_BUNDLE, folder)
    shutil.copy(folder / "backbone.onnx", folder / "backbone.explicit.onnx")
    text = limits if limits is not None else Limits(batch=2, prefixes=4, rank=6).to_text()
    (folder / "tensorrt.json").write_text(text, encoding="utf-8")
    return write_bundle(
        folder,
        fingerprint=golden.fingerprint,
        backbone=golden.backbone,
        dimensions=golden.dimensions,
        attention=golden.attention,
        pooling=golden.pooling,
        preprocessing=golden.preprocessing,
        profile=type(golden.profile)(precision=precision),
    )


def options(bundle: Bundle, cache: Path, said: list[str] | None = None) -> dict[str, str]:
    """Return the options of a bundle on a Jetson."""
    return engine_options(bundle, machine=MACHINE, cache=cache, say=said.append if said is not None else len)


def test_the_engine_and_its_timings_are_kept_in_the_cache(tmp_path: Path) -> None:
    found = options(make_bundle(tmp_path / "bundle"), tmp_path / "cache")
    assert (found["trt_engine_cache_enable"], found["trt_timing_cache_enable"]) == ("1", "1")
    assert {found["trt_engine_cache_path"], found["trt_timing_cache_path"]} == {str(tmp_path / "cache")}


def test_the_shapes_reach_from_no_task_to_the_limits(tmp_path: Path) -> None:
    found = options(make_bundle(tmp_path / "bundle"), tmp_path / "cache")
    smallest, largest = found["trt_profile_min_shapes"], found["trt_profile_max_shapes"]
    assert smallest.startswith(
        "pixel_values:1x3x8x8,prefix_k:2x1x2x0x4,prefix_v:2x1x2x0x4,prefix_bias:1x1x1x0,"
    )
    assert largest.startswith(
        "pixel_values:2x3x8x8,prefix_k:2x2x2x4x4,prefix_v:2x2x2x4x4,prefix_bias:2x1x1x4,"
    )
    assert largest.count(":") == found["trt_profile_opt_shapes"].count(":") == 8


@pytest.mark.parametrize(
    ("precision", "enabled"),
    [("fp32", set()), ("fp16", {"trt_fp16_enable"}), ("int8", {"trt_fp16_enable", "trt_int8_enable"})],
)
def test_kernels_of_lower_precision_are_allowed_as_the_graph_needs_them(
    tmp_path: Path, precision: str, enabled: set[str]
) -> None:
    found = options(make_bundle(tmp_path / "bundle", precision=precision), tmp_path / "cache")
    assert {name for name in ("trt_fp16_enable", "trt_int8_enable") if name in found} == enabled


def test_another_graph_needs_another_engine_and_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    bundle = make_bundle(tmp_path / "bundle")
    options(bundle, tmp_path / "cache", said)
    options(bundle, tmp_path / "cache", said)
    options(make_bundle(tmp_path / "other", limits=Limits(batch=1).to_text()), tmp_path / "cache", said)
    assert ["none yet" in said[0], "shapes changed" in said[1], len(said)] == [True, True, 2]


def test_a_bundle_that_was_not_exported_for_tensorrt_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleFormatError, match="backbone.explicit.onnx: .*--target tensorrt"):
        options(read_bundle(IMAGE_BUNDLE), tmp_path)


@pytest.mark.parametrize("limits", ["", "[]", '{"batch": 0, "prefixes": 1, "rank": 1}', '{"batch": 1}'])
def test_limits_that_make_no_sense_are_refused(tmp_path: Path, limits: str) -> None:
    with pytest.raises(BundleFormatError, match="tensorrt.json: found no limits"):
        options(make_bundle(tmp_path / "bundle", limits=limits), tmp_path / "cache")


def test_the_twin_is_listed_with_its_digest(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    assert read_bundle(bundle.path).twin_path == bundle.path / "backbone.explicit.onnx"
    assert read_bundle(IMAGE_BUNDLE).twin_path is None
