"""A bundle: the folder of one backbone, described by bundle.json."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edgecl_runtime import fields as read
from edgecl_runtime.durable import write_durably
from edgecl_runtime.errors import BundleDigestError, BundleFormatError, BundleTooNewError, FieldError
from edgecl_runtime.manifest import ATTENTION_VARIANTS, Dimensions
from edgecl_runtime.preprocess.spec import Preprocessing, parse_preprocessing
from edgecl_runtime.profile import Profile
from edgecl_runtime.strict_json import StrictJsonError, parse_object
from edgecl_runtime.versions import RELEASE, check_age

__all__ = ["BUNDLE_FORMAT_VERSION", "Bundle", "BundleFile", "Profile", "read_bundle", "write_bundle"]

BUNDLE_FORMAT_VERSION: Final = 1
BUNDLE_FILE: Final = "bundle.json"
GRAPH_FILE: Final = "backbone.onnx"
EXPLICIT_GRAPH_FILE: Final = "backbone.explicit.onnx"
TENSORRT_FILE: Final = "tensorrt.json"
TOKENIZER_FILE: Final = "tokenizer.json"

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MAX_JSON_BYTES = 256_000
_MAX_FILES = 64
_READ_BYTES = 1 << 20
_KEYS = (
    "format_version",
    "min_runtime",
    "fingerprint",
    "backbone",
    "modality",
    "dimensions",
    "attention",
    "pooling",
    "preprocessing",
    "profile",
    "files",
    "versions",
)


@dataclass(frozen=True, slots=True)
class BundleFile:
    """What bundle.json says about one file."""

    sha256: str
    size_bytes: int

    @classmethod
    def from_json(cls, value: object, where: str) -> BundleFile:
        """Return the entry in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown or of another type.
        """
        data = read.record(value, where, required=("sha256", "size_bytes"))
        size_bytes = read.integer(data["size_bytes"], f"{where}.size_bytes", minimum=0, maximum=2**53)
        return cls(read.digest(data["sha256"], f"{where}.sha256"), size_bytes)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {"sha256": self.sha256, "size_bytes": self.size_bytes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """One backbone, ready to run.

    Attributes:
        path: The folder.
        fingerprint: sha256 of the frozen weights, preprocessing and pooling; every pack names it.
        backbone: Its name, for people.
        modality: "image" or "text".
        dimensions: The sizes that a pack must fit.
        attention: "concat" or "additive"; a pack of the other one is refused.
        pooling: How the feature is taken from the last block, for people.
        preprocessing: How items become inputs of the graph.
        profile: What the graph was exported for.
        files: Digest and size of each file, by name.
        min_runtime: The oldest edgecl-runtime that runs it.
        versions: The versions it was exported with, by package.
        format_version: 1.
    """

    path: Path
    fingerprint: str
    backbone: str
    modality: str
    dimensions: Dimensions
    attention: str
    pooling: str
    preprocessing: Preprocessing
    profile: Profile
    files: Mapping[str, BundleFile]
    min_runtime: str
    versions: Mapping[str, str]
    format_version: int = BUNDLE_FORMAT_VERSION

    @property
    def graph_path(self) -> Path:
        """The ONNX file whose task tensors have defaults."""
        return self.path / GRAPH_FILE

    @property
    def twin_path(self) -> Path | None:
        """The ONNX file whose task tensors every call must bring; None if the bundle has none."""
        return self.path / EXPLICIT_GRAPH_FILE if EXPLICIT_GRAPH_FILE in self.files else None

    @property
    def packs_path(self) -> Path:
        """The folder of packs that is used unless another one is given."""
        return self.path / "packs"

    @classmethod
    def from_json(cls, value: object, path: Path) -> Bundle:
        """Return the bundle in a parsed bundle.json.

        Raises:
            FieldError: a key is missing, unknown or wrong; the message names it.
        """
        data = read.record(value, "bundle", required=_KEYS)
        preprocessing = parse_preprocessing(data["preprocessing"])
        files = read.mapping(data["files"], "files")
        read.items(tuple(files), "files", minimum=1, maximum=_MAX_FILES)
        bundle = cls(
            path=path,
            format_version=read.integer(
                data["format_version"], "format_version", minimum=1, maximum=BUNDLE_FORMAT_VERSION
            ),
            min_runtime=read.text(data["min_runtime"], "min_runtime", pattern=RELEASE),
            fingerprint=read.digest(data["fingerprint"], "fingerprint"),
            backbone=read.text(data["backbone"], "backbone"),
            modality=read.choice(data["modality"], "modality", among=(preprocessing.modality,)),
            dimensions=Dimensions.from_json(data["dimensions"]),
            attention=read.choice(data["attention"], "attention", among=ATTENTION_VARIANTS),
            pooling=read.text(data["pooling"], "pooling"),
            preprocessing=preprocessing,
            profile=Profile.from_json(data["profile"]),
            files={
                read.text(name, "a key of files", pattern=_FILE_NAME): BundleFile.from_json(
                    entry, f"files.{name}"
                )
                for name, entry in files.items()
            },
            versions=read.texts(data["versions"], "versions"),
        )
        for name in _needed_files(preprocessing):
            if name not in bundle.files:
                raise FieldError(f"files.{name}", found="nothing", expected="its sha256 and size_bytes")
        return bundle

    def to_json(self) -> dict[str, Any]:
        """Return the content of bundle.json."""
        return {
            "format_version": self.format_version,
            "min_runtime": self.min_runtime,
            "fingerprint": self.fingerprint,
            "backbone": self.backbone,
            "modality": self.modality,
            "dimensions": self.dimensions.to_json(),
            "attention": self.attention,
            "pooling": self.pooling,
            "preprocessing": self.preprocessing.to_json(),
            "profile": self.profile.to_json(),
            "files": {name: entry.to_json() for name, entry in sorted(self.files.items())},
            "versions": dict(self.versions),
        }


def read_bundle(folder: Path | str) -> Bundle:
    """Return the bundle in a folder, with size and sha256 of each of its files checked.

    Raises:
        BundleFormatError: bundle.json or a file it lists is missing, or says something unknown.
        BundleTooNewError: the bundle needs a newer edgecl-runtime.
        BundleDigestError: a file was changed.
    """
    path = Path(folder)
    described = path / BUNDLE_FILE
    try:
        with described.open("rb") as stream:
            raw = stream.read(_MAX_JSON_BYTES + 1)
    except OSError as error:
        raise BundleFormatError(
            str(described),
            found=f"no readable file ({error.strerror})",
            expected="the description of a bundle",
            hint="Pass the folder that `edgecl export RUN --out BUNDLE` wrote",
        ) from error
    bundle = _parse(raw, path)
    for name, entry in bundle.files.items():
        _check_file(path / name, entry)
    return bundle


def write_bundle(
    folder: Path | str,
    *,
    fingerprint: str,
    backbone: str,
    dimensions: Dimensions,
    attention: str,
    pooling: str,
    preprocessing: Preprocessing,
    profile: Profile | None = None,
    min_runtime: str = "0.1.0",
    versions: Mapping[str, str] | None = None,
) -> Bundle:
    """Write bundle.json for the files that lie in `folder`, and return the bundle.

    The folder holds backbone.onnx, for a text backbone tokenizer.json, and may hold backbone.explicit.onnx and
    tensorrt.json.
    bundle.json is written last and in one step: a folder that has it is complete.

    Raises:
        BundleFormatError: a file is missing.
        FieldError: a value is wrong.
    """
    path = Path(folder)
    names = list(_needed_files(preprocessing))
    names += [name for name in (EXPLICIT_GRAPH_FILE, TENSORRT_FILE) if (path / name).is_file()]
    bundle = Bundle(
        path=path,
        fingerprint=fingerprint,
        backbone=backbone,
        modality=preprocessing.modality,
        dimensions=dimensions,
        attention=attention,
        pooling=pooling,
        preprocessing=preprocessing,
        profile=profile or Profile(),
        files={name: _describe(path / name) for name in names},
        min_runtime=min_runtime,
        versions=dict(versions or {}),
    )
    Bundle.from_json(bundle.to_json(), path)
    content = json.dumps(bundle.to_json(), ensure_ascii=False, allow_nan=False, indent=2) + "\n"
    write_durably(path / BUNDLE_FILE, content.encode("utf-8"))
    return bundle


def _needed_files(preprocessing: Preprocessing) -> tuple[str, ...]:
    return (GRAPH_FILE, TOKENIZER_FILE) if preprocessing.modality == "text" else (GRAPH_FILE,)


def _parse(raw: bytes, path: Path) -> Bundle:
    where = str(path / BUNDLE_FILE)
    if len(raw) > _MAX_JSON_BYTES:
        raise BundleFormatError(where, found="a longer file", expected=f"at most {_MAX_JSON_BYTES} bytes")
    try:
        value = parse_object(raw)
    except StrictJsonError as error:
        raise BundleFormatError(where, found=str(error), expected="one JSON object") from error
    check_age(value, where, newest=BUNDLE_FORMAT_VERSION, error=BundleTooNewError)
    try:
        return Bundle.from_json(value, path)
    except FieldError as error:
        raise BundleFormatError(
            f"{where}: {error.where}", found=error.found, expected=error.expected
        ) from error


def _describe(path: Path) -> BundleFile:
    if not path.is_file():
        raise BundleFormatError(str(path), found="no file", expected="a file of the bundle")
    return BundleFile(sha256=_sha256(path), size_bytes=path.stat().st_size)


def _check_file(path: Path, entry: BundleFile) -> None:
    found = path.stat().st_size if path.is_file() else None
    if found is None:
        raise BundleFormatError(str(path), found="no file", expected="a file that bundle.json lists")
    if found != entry.size_bytes:
        raise BundleDigestError(str(path), found=f"{found} bytes", expected=f"{entry.size_bytes} bytes")
    digest = _sha256(path)
    if digest != entry.sha256:
        raise BundleDigestError(
            str(path), found=f"sha256 {digest[:12]}...", expected=f"{entry.sha256[:12]}..."
        )


def _sha256(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_READ_BYTES):
            total.update(chunk)
    return total.hexdigest()
