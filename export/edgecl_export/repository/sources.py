"""The packs and bundles that are to be released, read with the device's own strict readers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgecl_export.repository.errors import ReleaseRefusedError
from edgecl_export.repository.publish import Content
from edgecl_runtime.bundle import BUNDLE_FILE, Bundle, read_bundle
from edgecl_runtime.manifest import PackManifest
from edgecl_runtime.pack import PACK_SUFFIX, parse_pack

__all__ = ["BundleSource", "PackSource", "Sources", "read_sources"]


@dataclass(frozen=True, slots=True)
class PackSource:
    """A pack, what it says about itself, and its bytes."""

    path: Path
    manifest: PackManifest
    content: Content


@dataclass(frozen=True, slots=True)
class BundleSource:
    """A bundle, the bytes of its bundle.json, and those of its other files by name."""

    bundle: Bundle
    described: Content
    files: dict[str, Content]


@dataclass(frozen=True, slots=True)
class Sources:
    """Bundles in the order they were given; packs by task and version, so that higher versions are released last."""

    bundles: tuple[BundleSource, ...]
    packs: tuple[PackSource, ...]


def read_sources(paths: Iterable[Path]) -> Sources:
    """Return the packs in files, and the bundles in folders with the packs in their `packs/`.

    Raises:
        PackError: a pack cannot be read, or does not fit the bundle it lies in.
        BundleError: a bundle cannot be read.
        ReleaseRefusedError: there is nothing to release, or two packs of one task, version and backbone differ.
    """
    bundles: list[BundleSource] = []
    packs: list[PackSource] = []
    for path in paths:
        if path.is_dir():
            bundles.append(_read_bundle(path))
            bundle = bundles[-1].bundle
            packs += [_read_pack(file, bundle) for file in sorted(bundle.packs_path.glob(f"*{PACK_SUFFIX}"))]
        else:
            packs.append(_read_pack(path, None))
    if not bundles and not packs:
        raise ReleaseRefusedError("found no pack and no bundle. Name files *.ecpack or folders of bundles")
    return Sources(tuple(bundles), _each_once(packs))


def _read_pack(path: Path, bundle: Bundle | None) -> PackSource:
    try:
        content = Content.of(path)
    except OSError as error:
        raise ReleaseRefusedError(
            f"{path}: found no readable file ({error.strerror}), expected a pack"
        ) from error
    return PackSource(path, parse_pack(content.read(), path, bundle=bundle).manifest, content)


def _read_bundle(folder: Path) -> BundleSource:
    bundle = read_bundle(folder)
    files = {
        name: Content(folder / name, entry.sha256, entry.size_bytes) for name, entry in bundle.files.items()
    }
    return BundleSource(bundle, Content.of((folder / BUNDLE_FILE).read_bytes()), files)


def _each_once(packs: list[PackSource]) -> tuple[PackSource, ...]:
    found: dict[tuple[str, str, int], PackSource] = {}
    for pack in packs:
        manifest = pack.manifest
        first = found.setdefault((manifest.fingerprint, manifest.task, manifest.version), pack)
        if first.content.sha256 != pack.content.sha256:
            raise ReleaseRefusedError.at(
                pack.path,
                found=f"other bytes than {first.path} for version {manifest.version} of {manifest.task}",
                expected="one pack per version",
                fix="Build one of them again with a higher --version",
            )
    return tuple(found[key] for key in sorted(found))
