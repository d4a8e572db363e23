from __future__ import annotations

import sys

import pytest

from edgecl_runtime.errors import MissingExtraError
from edgecl_runtime.ota.origin import open_origin
from tests.runtime.test_import import modules_after

HEAVY = {"tuf", "securesystemslib", "urllib3"}


def test_the_runtime_loads_nothing_of_updates() -> None:
    modules = modules_after("import edgecl_runtime")
    assert not modules & (HEAVY | {"edgecl_runtime.ota", "edgecl_runtime.store"})


def test_records_drives_and_downloads_need_no_library() -> None:
    modules = modules_after(
        "import edgecl_runtime.ota.release, edgecl_runtime.ota.transfer\n"
        "from edgecl_runtime.ota.origin import open_origin\n"
        "open_origin('.')"
    )
    assert not modules & HEAVY


def test_a_web_address_without_the_extra_names_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "urllib3", None)
    with pytest.raises(MissingExtraError, match=r'pip install "edgecl-runtime\[ota\]"'):
        open_origin("https://updates.example.org")
