"""The cache of engines: kept while everything an engine depends on is the same, built anew when it is not.

A file beside the engines says what they were built from. onnxruntime's own names of engine files cover some of it
only, and the metadata must not go into the engine file itself, which other tools could not read then.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from edgecl_runtime import fields as read
from edgecl_runtime.durable import write_durably
from edgecl_runtime.errors import FieldError
from edgecl_runtime.strict_json import StrictJsonError, parse_object

__all__ = ["EngineKey", "prepare_cache"]

KEY_FILE: Final = "engine.json"
_MAX_BYTES = 65_536
_ENGINES = ("*.engine", "*.profile")
_TIMINGS = ("*.timing",)
_TIMED_ON = ("gpu", "driver", "tensorrt")


@dataclass(frozen=True, slots=True)
class EngineKey:
    """Everything that an engine depends on, as texts.

    Attributes:
        model: sha256 of the graph.
        gpu: Name and compute capability.
        driver: Version of the CUDA driver.
        tensorrt: Its version.
        precision: Of the graph.
        shapes: The shapes that the engine serves.
    """

    model: str
    gpu: str
    driver: str
    tensorrt: str
    precision: str
    shapes: str

    @classmethod
    def from_json(cls, value: object) -> EngineKey:
        """Return the key in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown or no text.
        """
        names = [entry.name for entry in fields(cls)]
        data = read.record(value, "engine", required=names)
        return cls(**{name: read.text(data[name], f"engine.{name}") for name in names})


def prepare_cache(folder: Path, key: EngineKey, *, say: Callable[[str], object]) -> None:
    """Make a folder ready for the engine of a key: what was built from something else is removed.

    Timings of single kernels are kept as long as GPU, driver and TensorRT are the same: they make the next build
    faster.

    Args:
        folder: Of the cache; made if it is not there.
        key: What the engine will be built from.
        say: Told why an engine has to be built; that takes minutes.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = _stored(folder / KEY_FILE)
    if before == key:
        return
    changed = [] if before is None else _differences(before, key)
    stale = _ENGINES if changed and not set(changed) & set(_TIMED_ON) else _ENGINES + _TIMINGS
    for path in [path for pattern in stale for path in folder.glob(pattern)]:
        path.unlink()
    why = f"{', '.join(changed)} changed" if changed else "there is none yet"
    say(f"{folder}: building the TensorRT engine, because {why}; this takes minutes, once")
    write_durably(folder / KEY_FILE, (json.dumps(asdict(key), indent=2) + "\n").encode())


def _stored(path: Path) -> EngineKey | None:
    """Return what the engines in a folder were built from; None if nobody can tell."""
    try:
        with path.open("rb") as stream:
            return EngineKey.from_json(parse_object(stream.read(_MAX_BYTES)))
    except (OSError, StrictJsonError, FieldError):
        return None


def _differences(before: EngineKey, now: EngineKey) -> list[str]:
    old, new = asdict(before), asdict(now)
    return [name for name in old if old[name] != new[name]]
