from __future__ import annotations

import pytest

from edgecl_runtime import versions


@pytest.mark.parametrize(
    ("version", "is_newer"), [("0.1.0", False), ("0.0.99", False), ("0.1.1", True), ("0.10.0", True)]
)
def test_versions_are_compared_as_numbers(
    monkeypatch: pytest.MonkeyPatch, version: str, is_newer: bool
) -> None:
    monkeypatch.setattr("edgecl_runtime.__version__", "0.1.0")
    assert versions.is_newer_than_this(version) is is_newer


def test_a_development_version_counts_as_its_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecl_runtime.__version__", "0.2.0.dev3")
    assert not versions.is_newer_than_this("0.2.0")
