from __future__ import annotations

import tomllib
from contextlib import suppress
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl_devices import (
    PRECISIONS,
    DeviceProfileError,
    ProfileFormatError,
    UnknownProfileError,
    load_profile,
    profile_names,
)
from edgecl_devices.profile import parse_profile

GOOD = 'name = "board"\ndescription = "A board."\nproviders = ["CPUExecutionProvider"]\nprecision = "fp32"\n'


def test_names_are_sorted_and_hold_the_generic_cpu() -> None:
    names = profile_names()
    assert list(names) == sorted(names)
    assert "generic-cpu" in names


@pytest.mark.parametrize("name", profile_names())
def test_every_shipped_profile_loads(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.precision in PRECISIONS


def test_generic_cpu_is_float32_on_the_cpu_provider() -> None:
    profile = load_profile("generic-cpu")
    assert profile.providers == ("CPUExecutionProvider",)
    assert profile.precision == "fp32"


@pytest.mark.parametrize("name", ["jetson-of-tomorrow", "", "generic-cpu.toml", "../profiles/generic-cpu"])
def test_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownProfileError, match="generic-cpu") as caught:
        load_profile(name)
    assert caught.value.known == profile_names()


def test_profile_is_frozen() -> None:
    profile = load_profile("generic-cpu")
    with pytest.raises(FrozenInstanceError):
        profile.precision = "int8"  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("precision", "precison"), "missing key: precision"),
        (('"fp32"', '"fp32"\nspeed = 3'), "unknown key: speed"),
        (('"fp32"', '"fp8"'), "one of: fp32, fp16, int8"),
        (('"A board."', "7"), "`description` is 7"),
        (('"A board."', '""'), "not empty"),
        (('["CPUExecutionProvider"]', "[]"), "at least one name"),
        (('["CPUExecutionProvider"]', "[1]"), "at least one name"),
        (('["CPUExecutionProvider"]', '"CPUExecutionProvider"'), "at least one name"),
        (('"board"', '"plank"'), "the file's name, 'board'"),
        (('"board"', '"board'), "not TOML"),
    ],
)
def test_profile_with_a_mistake_is_refused(change: tuple[str, str], message: str) -> None:
    text = GOOD.replace(*change)
    with pytest.raises(ProfileFormatError, match=message) as caught:
        parse_profile(text, name="board")
    assert str(caught.value).startswith("device profile board.toml: ")


KEYS = st.sampled_from(["name", "description", "providers", "precision", "other"])
VALUES = st.sampled_from(['"board"', '""', '"fp32"', "1", "true", "[]", '["a"]', "[1]", "{}"])


@given(st.dictionaries(KEYS, VALUES))
def test_any_table_is_a_profile_or_a_profile_error(table: dict[str, str]) -> None:
    text = "".join(f"{key} = {value}\n" for key, value in table.items())
    with suppress(DeviceProfileError):
        assert parse_profile(text, name="board").name == tomllib.loads(text)["name"]


@given(st.text(alphabet="name='\"[]{}.,#1\n", max_size=64))
def test_any_text_is_a_profile_or_a_profile_error(text: str) -> None:
    with suppress(DeviceProfileError):
        parse_profile(text, name="board")


def test_errors_of_profiles_are_usage_errors() -> None:
    assert DeviceProfileError.exit_code == 2
