from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from edgecl_devices import (
    PRECISIONS,
    DeviceProfileError,
    ProfileFileError,
    UnknownProfileError,
    load_profile,
    profile_names,
)
from edgecl_runtime import Profile
from edgecl_runtime.doctor.lines import JETPACK_6_INDEX

ROOT = Path(__file__).resolve().parents[2]
BOARDS = (
    "generic-cpu",
    "generic-cuda",
    "jetson-agx-orin",
    "jetson-orin-nano",
    "jetson-orin-nx",
    "jetson-xavier-nx",
    "raspberry-pi-5",
)


def test_names_are_sorted_and_hold_every_board() -> None:
    assert profile_names() == BOARDS


@pytest.mark.parametrize("name", profile_names())
def test_every_shipped_profile_loads(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.precision in PRECISIONS
    assert profile.install


@pytest.mark.parametrize("name", profile_names())
def test_the_processor_is_the_last_resort_of_every_device(name: str) -> None:
    assert load_profile(name).providers[-1] == "CPUExecutionProvider"


@pytest.mark.parametrize("name", profile_names())
def test_no_profile_names_tensorrt_which_freezes_the_defaults_of_the_graph(name: str) -> None:
    assert "TensorrtExecutionProvider" not in load_profile(name).providers


@pytest.mark.parametrize("name", profile_names())
def test_every_value_has_a_source_and_what_is_measured_lies_in_the_repository(name: str) -> None:
    profile = load_profile(name)
    known = {key for key in profile.for_bundle() if key not in ("name", "install")}
    measured = [source for source in profile.sources.values() if source.startswith("measured by ")]
    assert set(profile.sources) == known
    assert all((ROOT / source.removeprefix("measured by ")).is_file() for source in measured)


@pytest.mark.parametrize("name", profile_names())
def test_the_runtime_reads_what_a_bundle_says_about_the_device(name: str) -> None:
    profile = load_profile(name)
    embedded = Profile.from_json(profile.for_bundle())
    assert (embedded.providers, embedded.threads) == (profile.providers, profile.threads)
    assert (embedded.memory_bytes, embedded.latency_ms) == (profile.memory_bytes, profile.latency_ms)
    assert [entry.line for entry in embedded.install] == [entry.line for entry in profile.install]


@pytest.mark.parametrize("name", profile_names())
def test_no_line_installs_two_distributions_of_onnxruntime(name: str) -> None:
    for entry in load_profile(name).install:
        has_gpu = "onnxruntime-gpu" in entry.line
        has_cpu = re.search(r"\[cpu|onnxruntime==", entry.line) is not None
        assert has_gpu != has_cpu, entry.line


@pytest.mark.parametrize("name", ["jetson-agx-orin", "jetson-orin-nano", "jetson-orin-nx"])
def test_the_doctor_installs_from_the_index_that_the_profile_names(name: str) -> None:
    [entry] = load_profile(name).install
    assert entry.line.endswith(f"pip install onnxruntime-gpu --index-url {JETPACK_6_INDEX}")


@pytest.mark.parametrize("name", ["jetson-of-tomorrow", "", "../profiles/generic-cpu"])
def test_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownProfileError, match="generic-cpu") as caught:
        load_profile(name)
    assert caught.value.known == profile_names()


def test_a_file_of_your_own_is_a_profile(tmp_path: Path) -> None:
    source = (ROOT / "devices/edgecl_devices/profiles/raspberry-pi-5.toml").read_text(encoding="utf-8")
    path = tmp_path / "board.toml"
    path.write_text(source.replace('"raspberry-pi-5"', '"board"'), encoding="utf-8")
    assert load_profile(str(path)).name == "board"


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProfileFileError, match="board.toml: cannot be read"):
        load_profile(str(path))


def test_profile_is_frozen() -> None:
    profile = load_profile("generic-cpu")
    with pytest.raises(FrozenInstanceError):
        profile.precision = "int8"  # type: ignore[misc]  # the point of the test


def test_errors_of_profiles_are_usage_errors() -> None:
    assert DeviceProfileError.exit_code == 2
