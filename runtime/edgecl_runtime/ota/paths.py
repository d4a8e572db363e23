"""Where things stand in a repository: names of roles and target paths."""

from __future__ import annotations

from typing import Final

__all__ = ["BACKBONES", "ROLLOUT", "bundle_file_path", "bundle_path", "pack_path", "role_of", "rollout_path"]

BACKBONES: Final = "backbones"
ROLLOUT: Final = "rollout"


def role_of(backbone: str) -> str:
    """Return the name of the role that signs the packs of a backbone, given its fingerprint."""
    return f"bb-{backbone[:12]}"


def pack_path(backbone: str, task: str, version: int) -> str:
    """Return the target path of a pack."""
    return f"packs/{backbone[:12]}/{task}-{version}.ecpack"


def bundle_path(backbone: str, release_counter: int) -> str:
    """Return the target path of the bundle.json of a release."""
    return f"{BACKBONES}/{backbone[:12]}/bundle-{release_counter}.json"


def bundle_file_path(backbone: str, sha256: str, name: str) -> str:
    """Return the target path of another file of a bundle; equal content of two releases is one target."""
    return f"{BACKBONES}/{backbone[:12]}/{sha256[:12]}-{name}"


def rollout_path(sha256: str) -> str:
    """Return the target path of the rollout record of some content."""
    return f"{ROLLOUT}/{sha256}"
