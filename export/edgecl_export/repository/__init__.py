"""A signed repository of packs and bundles: static files that any web server, bucket or stick can hold.

The roles are those of The Update Framework (TUF); docs/publishing.md is the guide, docs/adr/0007 says why so.
"""

from __future__ import annotations

from edgecl_export.repository.add import Added, AddOptions, add_releases
from edgecl_export.repository.check import RepositoryReport, RoleState, check_repository
from edgecl_export.repository.create import create_repository
from edgecl_export.repository.keys import KeyRecord, Keyring, import_key, new_key, read_keys
from edgecl_export.repository.listing import Release, release_name
from edgecl_export.repository.renewal import Renewal, Waiting, resign
from edgecl_export.repository.roles import GROUPS, RoleKeys
from edgecl_export.repository.rollout import Offered, set_rollout, withdraw
from edgecl_export.repository.rotation import rotate
from edgecl_export.repository.usb import LONGEST_DAYS, UsbCopy, copy_for_usb

__all__ = [
    "GROUPS",
    "LONGEST_DAYS",
    "AddOptions",
    "Added",
    "KeyRecord",
    "Keyring",
    "Offered",
    "Release",
    "Renewal",
    "RepositoryReport",
    "RoleKeys",
    "RoleState",
    "UsbCopy",
    "Waiting",
    "add_releases",
    "check_repository",
    "copy_for_usb",
    "create_repository",
    "import_key",
    "new_key",
    "read_keys",
    "release_name",
    "resign",
    "rotate",
    "set_rollout",
    "withdraw",
]
