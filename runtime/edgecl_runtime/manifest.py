"""What a pack says about itself: frozen records, read from JSON and written back without loss."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from edgecl_runtime import fields as read
from edgecl_runtime.errors import FieldError
from edgecl_runtime.versions import RELEASE

__all__ = [
    "ATTENTION_VARIANTS",
    "DTYPES",
    "FORMAT_VERSION",
    "NO_DIGEST",
    "Dimensions",
    "Head",
    "PackManifest",
    "Probe",
    "Provenance",
    "TensorEntry",
]

FORMAT_VERSION: Final = 2  # the newest; packs without int8 tensors are of format 1
ATTENTION_VARIANTS: Final = ("concat", "additive")
DTYPES: Final = ("F16", "F32", "I8")
NO_DIGEST: Final = "0" * 64

_TASK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_DIMENSION = 65_536
_MAX_LABELS = 65_536
_MAX_SEEDS = 64


@dataclass(frozen=True, slots=True)
class Dimensions:
    """The sizes of a backbone that a pack must fit: blocks L, width D, heads H, size Dh of one head."""

    layers: int
    width: int
    heads: int
    head_dim: int

    @classmethod
    def from_json(cls, value: object, where: str = "dimensions") -> Dimensions:
        """Return the dimensions in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown, or not an integer from 1 to 65,536.
        """
        names = [entry.name for entry in fields(cls)]
        data = read.record(value, where, required=names)
        return cls(
            **{
                name: read.integer(data[name], f"{where}.{name}", minimum=1, maximum=_MAX_DIMENSION)
                for name in names
            }
        )

    def to_json(self) -> dict[str, int]:
        """Return what `from_json` reads."""
        return {"layers": self.layers, "width": self.width, "heads": self.heads, "head_dim": self.head_dim}


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One row of the tensor table: stored type ("F16", "F32" or "I8") and shape."""

    dtype: str
    shape: tuple[int, ...]

    @classmethod
    def from_json(cls, value: object, where: str) -> TensorEntry:
        """Return the entry in a parsed JSON object.

        Raises:
            FieldError: the type is unknown, or the shape is not 1 to 8 integers from 0 to 65,536.
        """
        data = read.record(value, where, required=("dtype", "shape"))
        sizes = read.items(data["shape"], f"{where}.shape", minimum=1, maximum=8)
        return cls(
            read.choice(data["dtype"], f"{where}.dtype", among=DTYPES),
            tuple(read.integer(size, f"{where}.shape", minimum=0, maximum=_MAX_DIMENSION) for size in sizes),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {"dtype": self.dtype, "shape": list(self.shape)}


@dataclass(frozen=True, slots=True)
class Head:
    """How features become scores. The only kind of format 1 is "linear": `features @ weight.T + bias`."""

    kind: str = "linear"

    @classmethod
    def from_json(cls, value: object, where: str = "head") -> Head:
        """Return the head in a parsed JSON object.

        Raises:
            FieldError: the kind is unknown.
        """
        data = read.record(value, where, required=("kind",))
        return cls(read.choice(data["kind"], f"{where}.kind", among=("linear",)))

    def to_json(self) -> dict[str, str]:
        """Return what `from_json` reads."""
        return {"kind": self.kind}


@dataclass(frozen=True, slots=True)
class Probe:
    """The self-test of a pack: one input per seed, and per precision the largest difference of a feature."""

    seeds: tuple[int, ...]
    tolerance: Mapping[str, float]

    @classmethod
    def from_json(cls, value: object, where: str = "probe") -> Probe:
        """Return the probe in a parsed JSON object.

        Raises:
            FieldError: there are not 1 to 64 seeds from 0 to 2^63 - 1, or a tolerance is not above 0.
        """
        data = read.record(value, where, required=("seeds", "tolerance"))
        seeds = read.items(data["seeds"], f"{where}.seeds", minimum=1, maximum=_MAX_SEEDS)
        return cls(
            tuple(read.integer(seed, f"{where}.seeds", minimum=0, maximum=2**63 - 1) for seed in seeds),
            read.numbers(data["tolerance"], f"{where}.tolerance", positive=True),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {"seeds": list(self.seeds), "tolerance": dict(self.tolerance)}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a pack comes from.

    Attributes:
        method: The name of the method that trained it.
        config: Its resolved configuration, any JSON object.
        data_fingerprint: Identifies the data it was trained on.
        versions: The versions it was made with, by package.
    """

    method: str
    config: Mapping[str, Any]
    data_fingerprint: str
    versions: Mapping[str, str]

    @classmethod
    def from_json(cls, value: object, where: str = "provenance") -> Provenance:
        """Return the provenance in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown or of another type.
        """
        data = read.record(value, where, required=[entry.name for entry in fields(cls)])
        return cls(
            method=read.text(data["method"], f"{where}.method"),
            config=read.mapping(data["config"], f"{where}.config"),
            data_fingerprint=read.text(data["data_fingerprint"], f"{where}.data_fingerprint"),
            versions=read.texts(data["versions"], f"{where}.versions"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {
            "method": self.method,
            "config": dict(self.config),
            "data_fingerprint": self.data_fingerprint,
            "versions": dict(self.versions),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PackManifest:
    """Everything a pack says about itself. `tensors` and the two digests are filled in by `encode_pack`.

    Attributes:
        task: Letters, digits, ".", "_" and "-"; at most 64 of them, the first a letter or digit.
        version: 1 or more; a higher one replaces a lower one.
        fingerprint: sha256 of the backbone the pack belongs to.
        labels: Class names in the order of the head's rows, each once, at least two.
        attention: How the prefix enters the attention, "concat" or "additive".
        probe: The self-test.
        provenance: How the pack was made.
        metrics: Figures measured at export, by name.
        min_runtime: The oldest edgecl-runtime that runs the pack, "major.minor.patch".
        device_class: The devices it is meant for, or None for all.
        parent: The earlier task whose modules this one started from, of an average the newest one, or None.
        head: How features become scores.
        tensors: Stored type and shape by tensor name.
        tensors_sha256: sha256 of all tensor bytes of the file.
        header_sha256: sha256 of the rest of the file; it identifies the pack, because it covers
            `tensors_sha256`.
        format_version: 1, or 2 if tensors are stored in int8; filled in by `encode_pack`.
    """

    task: str
    version: int
    fingerprint: str
    labels: tuple[str, ...]
    attention: str
    probe: Probe
    provenance: Provenance
    metrics: Mapping[str, float] = field(default_factory=dict)
    min_runtime: str = "0.1.0"
    device_class: str | None = None
    parent: str | None = None
    head: Head = field(default_factory=Head)
    tensors: Mapping[str, TensorEntry] = field(default_factory=dict)
    tensors_sha256: str = NO_DIGEST
    header_sha256: str = NO_DIGEST
    format_version: int = 1

    @classmethod
    def from_json(cls, value: object, where: str = "manifest") -> PackManifest:
        """Return the manifest in a parsed JSON object, every value checked.

        Raises:
            FieldError: a key is missing, unknown or wrong; the message names it.
        """
        data = read.record(value, where, required=[entry.name for entry in fields(cls)])
        table = read.mapping(data["tensors"], f"{where}.tensors")
        return cls(
            format_version=read.integer(
                data["format_version"], f"{where}.format_version", minimum=1, maximum=FORMAT_VERSION
            ),
            task=read.text(data["task"], f"{where}.task", pattern=_TASK),
            version=read.integer(data["version"], f"{where}.version", minimum=1, maximum=2**63 - 1),
            min_runtime=read.text(data["min_runtime"], f"{where}.min_runtime", pattern=RELEASE),
            device_class=_optional_text(data["device_class"], f"{where}.device_class"),
            fingerprint=read.digest(data["fingerprint"], f"{where}.fingerprint"),
            labels=_labels(data["labels"], f"{where}.labels"),
            attention=read.choice(data["attention"], f"{where}.attention", among=ATTENTION_VARIANTS),
            tensors={name: TensorEntry.from_json(table[name], f"{where}.tensors.{name}") for name in table},
            tensors_sha256=read.digest(data["tensors_sha256"], f"{where}.tensors_sha256"),
            header_sha256=read.digest(data["header_sha256"], f"{where}.header_sha256"),
            head=Head.from_json(data["head"], f"{where}.head"),
            parent=_optional_text(data["parent"], f"{where}.parent"),
            metrics=read.numbers(data["metrics"], f"{where}.metrics"),
            probe=Probe.from_json(data["probe"], f"{where}.probe"),
            provenance=Provenance.from_json(data["provenance"], f"{where}.provenance"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads, `header_sha256` first."""
        return {
            "header_sha256": self.header_sha256,
            "format_version": self.format_version,
            "min_runtime": self.min_runtime,
            "task": self.task,
            "version": self.version,
            "device_class": self.device_class,
            "fingerprint": self.fingerprint,
            "labels": list(self.labels),
            "attention": self.attention,
            "head": self.head.to_json(),
            "parent": self.parent,
            "metrics": dict(self.metrics),
            "probe": self.probe.to_json(),
            "provenance": self.provenance.to_json(),
            "tensors": {name: entry.to_json() for name, entry in sorted(self.tensors.items())},
            "tensors_sha256": self.tensors_sha256,
        }

    def to_text(self) -> str:
        """Return `to_json` as compact JSON text; equal manifests give equal text.

        Raises:
            TypeError: the provenance's config holds something that is not JSON.
            ValueError: it holds NaN or Infinity.
        """
        return json.dumps(self.to_json(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _optional_text(value: object, where: str) -> str | None:
    return None if value is None else read.text(value, where)


def _labels(value: object, where: str) -> tuple[str, ...]:
    entries = read.items(value, where, minimum=2, maximum=_MAX_LABELS)
    labels = tuple(read.text(label, where) for label in entries)
    if len(set(labels)) != len(labels):
        raise FieldError(where, found="a label twice", expected="each label once")
    return labels
