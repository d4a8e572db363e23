"""The first update of a device: where its repository is, whom it trusts, and who it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from edgecl_runtime.errors import InputError
from edgecl_runtime.ota.config import (
    CONFIG_FILE,
    DeviceConfig,
    new_device_id,
    read_config,
    read_root,
    write_config,
)
from edgecl_runtime.ota.device import Device
from edgecl_runtime.store import Store

__all__ = ["set_up"]

_T = TypeVar("_T", Device, DeviceConfig)


def set_up(
    store: Path | str,
    *,
    repository: str | None = None,
    root: Path | None = None,
    device_id: str | None = None,
    device_class: str | None = None,
    line: str | None = None,
    tasks: frozenset[str] | None = None,
    quota_bytes: int | None = None,
    daily_bytes: int | None = None,
) -> DeviceConfig:
    """Make a device store, or change how it is updated, and return how it is now. What is None stays as it was.

    A new device needs `repository` and `root`; without `device_id` it gets one that no other device has.

    Raises:
        InputError: the device is new and one of the two is missing, or a value is wrong.
        StoreError: the store cannot be written, or `root` cannot be read.
    """
    folder = Path(store)
    is_new = not (folder / CONFIG_FILE).exists()
    if is_new and (repository is None or root is None):
        raise InputError(
            f"{folder}: is not set up yet. Give its repository and trust anchor once: "
            "edgecl-device update --repository URL --root ROOT.json "
            "(ROOT.json is metadata/1.root.json of the repository)"
        )
    anchor = None if root is None else read_root(root)
    before = DeviceConfig(repository="", device=Device(new_device_id())) if is_new else read_config(folder)
    device = _changed(before.device, device_id=device_id, device_class=device_class, line=line, tasks=tasks)
    config = _changed(
        replace(before, device=device),
        repository=repository,
        quota_bytes=quota_bytes,
        daily_bytes=daily_bytes,
    )
    DeviceConfig.from_json(config.to_json())  # refuses a wrong value before anything is written
    if is_new:
        folder.parent.mkdir(parents=True, exist_ok=True)
        Store.create(folder)
    if config != before or anchor is not None:
        write_config(folder, config, root=anchor)
    return config


def _changed(value: _T, **changes: Any) -> _T:
    return replace(value, **{name: change for name, change in changes.items() if change is not None})
