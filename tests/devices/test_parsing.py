from __future__ import annotations

import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl_devices import DeviceProfileError, InstallLine, ProfileFormatError
from edgecl_devices.parsing import parse_profile

GOOD = """\
name = "board"
description = "A board."
providers = { value = ["CPUExecutionProvider"], source = "https://a.test/providers" }
precision = { value = "fp32", source = "measured by docs/results/board.json" }
threads = { value = 4, source = "https://a.test/cores" }
latency_ms = { value = 12.5, source = "measured by us" }
[[install]]
os = "An OS"
python = "3.11"
line = "pip install it"
source = "https://a.test/install"
"""


def test_values_and_sources_are_kept_apart() -> None:
    profile = parse_profile(GOOD, name="board")
    assert (profile.providers, profile.precision) == (("CPUExecutionProvider",), "fp32")
    assert (profile.threads, profile.latency_ms) == (4, 12.5)
    assert profile.sources["threads"] == "https://a.test/cores"
    assert profile.install == (InstallLine("An OS", "3.11", "pip install it", "https://a.test/install"),)


def test_what_is_not_known_is_none_and_has_no_source() -> None:
    profile = parse_profile(GOOD, name="board")
    assert (profile.backend, profile.batch, profile.memory_bytes) == (None, None, None)
    assert sorted(profile.sources) == ["latency_ms", "precision", "providers", "threads"]


def test_a_bundle_gets_the_known_values_without_their_sources() -> None:
    assert parse_profile(GOOD, name="board").for_bundle() == {
        "name": "board",
        "providers": ["CPUExecutionProvider"],
        "precision": "fp32",
        "threads": 4,
        "latency_ms": 12.5,
        "install": [{"os": "An OS", "python": "3.11", "line": "pip install it"}],
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("precision", "precison"), "missing key: precision"),
        (("threads", "speed"), "unknown key: speed"),
        (('"fp32"', '"fp8"'), "one of: fp32, fp16, int8"),
        (('"A board."', "7"), "`description` is 7"),
        (('"A board."', '""'), "not empty"),
        (('["CPUExecutionProvider"]', "[]"), "at least one name"),
        (('["CPUExecutionProvider"]', "[1]"), "`providers.value` is 1"),
        (('["CPUExecutionProvider"]', '"CPUExecutionProvider"'), "at least one name"),
        (('"board"', '"plank"'), "the file's name, 'board'"),
        (('"board"', '"board'), "not TOML"),
        (("value = 4", "value = 0"), "`threads.value` is 0; it must be a whole number above 0"),
        (("value = 4", "value = true"), "`threads.value` is True"),
        (("value = 4", "value = 4.0"), "`threads.value` is 4.0"),
        (("value = 12.5", "value = nan"), "`latency_ms.value` is nan; it must be a number above 0"),
        (("value = 12.5", "value = -1"), "`latency_ms.value` is -1"),
        (('value = 4, source = "https://a.test/cores"', "value = 4"), "missing key in `threads`: source"),
        (('{ value = 4, source = "https://a.test/cores" }', "4"), "a table with a `value` and its `source`"),
        (('"https://a.test/cores"', '"I think so"'), '`threads.source` is .* "measured by ..."'),
        (('source = "https://a.test/install"', ""), "missing key in `install`: source"),
        (('"https://a.test/install"', '"a forum"'), "`install.source` is 'a forum'"),
        (('line = "pip install it"', 'line = "a\\nb"'), "`install.line` is .* a text of one line"),
        (("[[install]]", "[install]"), "a list of tables"),
    ],
)
def test_profile_with_a_mistake_is_refused(change: tuple[str, str], message: str) -> None:
    with pytest.raises(ProfileFormatError, match=message) as caught:
        parse_profile(GOOD.replace(*change), name="board")
    assert str(caught.value).startswith("device profile board.toml: ")


KEYS = st.sampled_from(["name", "description", "providers", "precision", "threads", "install", "other"])
VALUES = st.sampled_from(
    [
        '"board"',
        '""',
        "1",
        "true",
        "[]",
        "[1]",
        "{}",
        *(f'{{ value = {value}, source = "https://a" }}' for value in ("1", '"fp32"', '["a"]')),
    ]
)


@given(st.dictionaries(KEYS, VALUES))
def test_any_table_is_a_profile_or_a_profile_error(table: dict[str, str]) -> None:
    text = "".join(f"{key} = {value}\n" for key, value in table.items())
    with suppress(DeviceProfileError):
        assert parse_profile(text, name="board").name == tomllib.loads(text)["name"]


@given(st.text(alphabet="name='\"[]{}.,#1\n", max_size=64))
def test_any_text_is_a_profile_or_a_profile_error(text: str) -> None:
    with suppress(DeviceProfileError):
        parse_profile(text, name="board")
