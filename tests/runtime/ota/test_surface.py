from __future__ import annotations

import sys
from pathlib import Path

import pytest

import edgecl_runtime.ota
from edgecl_runtime import MissingExtraError
from edgecl_runtime.ota import Updater
from edgecl_runtime.ota.config import DeviceConfig, write_config
from edgecl_runtime.ota.device import Device
from edgecl_runtime.store import Store
from tests.runtime.test_import import modules_after

NETWORK = {"tuf", "urllib3", "securesystemslib"}


def test_the_public_names_are_there() -> None:
    names = edgecl_runtime.ota.__all__
    assert names == sorted(names)
    assert [getattr(edgecl_runtime.ota, name).__name__ for name in names] == names


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Uploader"):
        _ = edgecl_runtime.ota.Uploader


@pytest.mark.parametrize(
    "module", ["edgecl_runtime.ota", "edgecl_runtime.ota.probe_child", "edgecl_runtime.following"]
)
def test_what_needs_no_network_imports_none(module: str) -> None:
    assert not modules_after(f"import {module}") & NETWORK


def test_updates_without_their_extra_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "device"
    Store.create(store)
    write_config(store, DeviceConfig(repository=str(tmp_path), device=Device()), root=b"{}")
    monkeypatch.setitem(sys.modules, "tuf", None)
    with pytest.raises(MissingExtraError, match=r"edgecl-runtime\[ota\]"):
        Updater(store).poll()
