"""The largest calls that an engine serves; what is larger needs another engine."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from edgecl_runtime import fields as read
from edgecl_runtime.errors import BundleFormatError, FieldError
from edgecl_runtime.strict_json import StrictJsonError, parse_object

__all__ = ["Limits"]

_LARGEST = 65_536
_MAX_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest sizes that an engine is built for.

    Attributes:
        batch: Rows of a call, B; as many tasks may share it.
        prefixes: Length of a prefix, P.
        rank: Of the adapters, R.
    """

    batch: int = 8
    prefixes: int = 32
    rank: int = 64

    @classmethod
    def from_json(cls, value: object, where: str = "tensorrt") -> Limits:
        """Return the limits in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown, or not an integer from 1 to 65,536.
        """
        names = [entry.name for entry in fields(cls)]
        data = read.record(value, where, required=names)
        sizes = (read.integer(data[name], f"{where}.{name}", minimum=1, maximum=_LARGEST) for name in names)
        return cls(*sizes)

    @classmethod
    def read(cls, path: Path) -> Limits:
        """Return the limits in a bundle's tensorrt.json.

        Raises:
            BundleFormatError: the file cannot be read, or says something else.
        """
        try:
            with path.open("rb") as stream:
                return cls.from_json(parse_object(stream.read(_MAX_BYTES)))
        except (OSError, StrictJsonError, FieldError) as error:
            raise BundleFormatError(
                str(path),
                found=f"no limits ({error})",
                expected="batch, prefixes and rank",
                hint="Export the bundle again with: edgecl export RUN --out BUNDLE --target tensorrt",
            ) from error

    def to_text(self) -> str:
        """Return what `read` reads."""
        return json.dumps(asdict(self), indent=2) + "\n"
