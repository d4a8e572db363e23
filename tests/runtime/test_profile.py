from __future__ import annotations

from typing import Any

import pytest

from edgecl_runtime import FieldError, InstallLine, Profile

SMALL: dict[str, Any] = {"name": "board", "providers": ["CPUExecutionProvider"], "precision": "fp32"}
LARGE: dict[str, Any] = {
    **SMALL,
    "backend": "flat",
    "threads": 4,
    "batch": 8,
    "memory_bytes": 2**30,
    "latency_ms": 12.5,
    "install": [{"os": "An OS", "python": "3.11", "line": "pip install it"}],
}


@pytest.mark.parametrize("value", [SMALL, LARGE])
def test_a_profile_comes_back_from_json(value: dict[str, Any]) -> None:
    assert Profile.from_json(value).to_json() == value


def test_what_is_not_known_is_none() -> None:
    profile = Profile.from_json(SMALL)
    assert (profile.backend, profile.threads, profile.batch) == (None, None, None)
    assert (profile.memory_bytes, profile.latency_ms, profile.install) == (None, None, ())


def test_an_install_line_says_what_it_is_for() -> None:
    assert Profile.from_json(LARGE).install == (InstallLine("An OS", "3.11", "pip install it"),)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("speed", 3),
        ("providers", []),
        ("backend", "magic"),
        ("threads", 0),
        ("threads", True),
        ("batch", 1.5),
        ("memory_bytes", -1),
        ("latency_ms", 0),
        ("latency_ms", "fast"),
        ("install", {}),
        ("install", [{"os": "An OS"}]),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(key: str, value: object) -> None:
    with pytest.raises(FieldError, match=f"profile.{key}"):
        Profile.from_json({**LARGE, key: value})
