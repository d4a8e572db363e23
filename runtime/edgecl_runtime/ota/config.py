"""How a device is set up for updates: one JSON file and the trust anchor, both in the device store."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edgecl_runtime import fields as read
from edgecl_runtime.durable import write_durably
from edgecl_runtime.errors import FieldError, StoreError
from edgecl_runtime.ota.device import Device
from edgecl_runtime.ota.probe import ProbeLimits
from edgecl_runtime.strict_json import StrictJsonError, parse_object

__all__ = [
    "CONFIG_FILE",
    "ROOT_FILE",
    "DeviceConfig",
    "new_device_id",
    "read_config",
    "read_root",
    "write_config",
]

CONFIG_FILE: Final = "device.json"
ROOT_FILE: Final = "root.json"

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_ROOT_BYTES = 512_000
_MAX_BYTES = 1 << 50
_MAX_TASKS = 4096
_SET_UP = "Set the device up with: edgecl-device update --repository URL --root ROOT.json --store DIR"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """How one device is updated.

    Attributes:
        repository: The address of the repository: http(s)://..., or a folder.
        device: Who asks: id, class, tasks and line.
        quota_bytes: The most that the store may hold.
        daily_bytes: The most that is fetched over the network in a day of UTC, or None for no bound.
        probe: What the self-test of new content may take.
    """

    repository: str
    device: Device
    quota_bytes: int = 2_000_000_000
    daily_bytes: int | None = None
    probe: ProbeLimits = field(default_factory=ProbeLimits)

    @classmethod
    def from_json(cls, value: object) -> DeviceConfig:
        """Return the configuration in a parsed device.json.

        Raises:
            FieldError: a key is missing, unknown or wrong; the message names it.
        """
        data = read.record(value, "device", required=cls(repository="", device=Device()).to_json())
        tasks = data["tasks"]
        return cls(
            repository=read.text(data["repository"], "repository"),
            device=Device(
                device_id=_text_or_none(data["device_id"], "device_id"),
                device_class=_text_or_none(data["device_class"], "device_class"),
                tasks=None if tasks is None else _words(tasks, "tasks"),
                line=read.text(data["line"], "line", pattern=_WORD),
            ),
            quota_bytes=read.integer(data["quota_bytes"], "quota_bytes", minimum=1, maximum=_MAX_BYTES),
            daily_bytes=_bytes_or_none(data["daily_bytes"], "daily_bytes"),
            probe=_probe_limits(data["probe"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        tasks = self.device.tasks
        return {
            "repository": self.repository,
            "device_id": self.device.device_id,
            "device_class": self.device.device_class,
            "tasks": None if tasks is None else sorted(tasks),
            "line": self.device.line,
            "quota_bytes": self.quota_bytes,
            "daily_bytes": self.daily_bytes,
            "probe": {
                "seconds": self.probe.seconds,
                "memory_bytes": self.probe.memory_bytes,
                "latency_ms": self.probe.latency_ms,
            },
        }


def new_device_id() -> str:
    """Return an id that no other device has: 32 random hex digits."""
    return secrets.token_hex(16)


def read_config(store: Path) -> DeviceConfig:
    """Return how the device of a store is set up.

    Raises:
        StoreError: it was not set up, or its device.json says something else.
    """
    path = store / CONFIG_FILE
    try:
        return DeviceConfig.from_json(parse_object(path.read_bytes()))
    except FileNotFoundError:
        raise StoreError(
            str(path), found="no file", expected="the set-up of this device", advice=_SET_UP
        ) from None
    except (StrictJsonError, FieldError, OSError) as error:
        raise StoreError(
            str(path), found=str(error), expected="the set-up of a device", advice=_SET_UP
        ) from error


def write_config(store: Path, config: DeviceConfig, *, root: bytes | None = None) -> None:
    """Write how a device is set up, and with `root` its trust anchor; both durably.

    Raises:
        OSError: a file could not be written.
    """
    if root is not None:
        write_durably(store / ROOT_FILE, root)
    write_durably(store / CONFIG_FILE, (json.dumps(config.to_json(), indent=2) + "\n").encode())


def read_root(path: Path) -> bytes:
    """Return the bytes of a trust anchor; whether it is one, is for whoever uses it to say.

    Raises:
        StoreError: there is no readable file, or one that is too large.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_ROOT_BYTES + 1)
    except OSError as error:
        raise StoreError(str(path), found=str(error), expected="a trust anchor", advice=_SET_UP) from error
    if len(content) > _MAX_ROOT_BYTES:
        raise StoreError(
            str(path), found="a longer file", expected=f"at most {_MAX_ROOT_BYTES} bytes", advice=_SET_UP
        )
    return content


def _probe_limits(value: object) -> ProbeLimits:
    data = read.record(value, "probe", required=("seconds", "memory_bytes", "latency_ms"))
    latency = data["latency_ms"]
    return ProbeLimits(
        seconds=read.integer(data["seconds"], "probe.seconds", minimum=1, maximum=86_400),
        memory_bytes=read.integer(
            data["memory_bytes"], "probe.memory_bytes", minimum=1 << 20, maximum=_MAX_BYTES
        ),
        latency_ms=None if latency is None else read.number(latency, "probe.latency_ms", positive=True),
    )


def _text_or_none(value: object, where: str) -> str | None:
    return None if value is None else read.text(value, where)


def _bytes_or_none(value: object, where: str) -> int | None:
    return None if value is None else read.integer(value, where, minimum=1, maximum=_MAX_BYTES)


def _words(value: object, where: str) -> frozenset[str]:
    words = read.items(value, where, minimum=1, maximum=_MAX_TASKS)
    return frozenset(read.text(word, where, pattern=_WORD) for word in words)
