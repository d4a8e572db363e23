"""What a repository signs about each of its files: the records of packs, bundles and their rollout.

They stand in the `custom` field of the signed target, under the key "edgecl". The publisher writes them and
the device reads them with the same code, so that both mean the same.
"""

from __future__ import annotations

from edgecl_runtime.ota.bundle_release import BundleFile, BundleRelease, Delta
from edgecl_runtime.ota.custom import signed_at, signed_at_field
from edgecl_runtime.ota.pack_release import PackRelease
from edgecl_runtime.ota.paths import (
    BACKBONES,
    ROLLOUT,
    bundle_file_path,
    bundle_path,
    pack_path,
    role_of,
    rollout_path,
)
from edgecl_runtime.ota.rollout import EMPTY_SHA256, Rollout

__all__ = [
    "BACKBONES",
    "EMPTY_SHA256",
    "ROLLOUT",
    "BundleFile",
    "BundleRelease",
    "Delta",
    "PackRelease",
    "Rollout",
    "bundle_file_path",
    "bundle_path",
    "pack_path",
    "role_of",
    "rollout_path",
    "signed_at",
    "signed_at_field",
]
