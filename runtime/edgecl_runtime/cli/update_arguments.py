"""Arguments of the commands that update a device."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edgecl_runtime.cli import updates
from edgecl_runtime.service import UNITS

__all__ = ["add_update_commands"]

STORE: Final = Path("/var/lib/edgecl")

_UPDATE = """\
examples:
  edgecl-device update --repository https://updates.example.org/edgecl --root root.json
  edgecl-device update
"""
_INSTALL = """\
example:
  edgecl-device install /media/usb/edgecl
"""
_ROLLBACK = """\
examples:
  edgecl-device rollback leaves
  edgecl-device rollback --backbone
"""
_STATUS = """\
example:
  edgecl-device status --json
"""
_SERVICE = """\
examples:
  edgecl-device service edgecl-update.service > /etc/systemd/system/edgecl-update.service
  edgecl-device service edgecl-update.timer > /etc/systemd/system/edgecl-update.timer
  systemctl enable --now edgecl-update.timer
"""

Command = Callable[[argparse.Namespace], int]


def add_update_commands(add: Callable[[str, Command, str, str], argparse.ArgumentParser]) -> None:
    """Add `update`, `install`, `rollback`, `status` and `service`.

    Args:
        add: Returns the new parser of a command, given its name, function, summary and example.
    """
    _add_update(add("update", updates.update, "fetch what is new, try it, and use it", _UPDATE))
    install = add("install", updates.install, "update from a copy of the repository on a drive", _INSTALL)
    install.add_argument("repository", type=Path, metavar="FOLDER", help="what `edgecl repo usb` wrote")
    _add_store(install)
    rollback = add("rollback", updates.rollback, "go back to the previous pack of a task", _ROLLBACK)
    what = rollback.add_mutually_exclusive_group(required=True)
    what.add_argument("task", nargs="?", metavar="TASK", help="its name")
    what.add_argument("--backbone", action="store_true", help="the backbone, with all its packs")
    _add_store(rollback)
    _add_store(add("status", updates.status, "show what is in use and what happened last", _STATUS))
    service = add("service", updates.service, "print systemd units that update this device", _SERVICE)
    service.add_argument("unit", nargs="?", choices=UNITS, help="only this one, to be written to a file")
    _add_store(service)


def _add_update(parser: argparse.ArgumentParser) -> None:
    _add_store(parser)
    setup = parser.add_argument_group("set-up", "kept in the store: a new device needs the first two, once")
    setup.add_argument("--repository", metavar="URL", help="where it is: http(s)://..., or a folder")
    setup.add_argument(
        "--root", type=Path, metavar="FILE", help="whom to trust: metadata/1.root.json of the repository"
    )
    setup.add_argument(
        "--device-id", metavar="ID", help="its place in staged rollouts (default: a random one)"
    )
    setup.add_argument("--device-class", metavar="CLASS", help="takes packs for this class of hardware too")
    setup.add_argument("--line", metavar="LINE", help="the line of backbones to follow (default: default)")
    setup.add_argument("--task", action="append", metavar="NAME", help="only this task; may be given again")
    setup.add_argument("--quota-bytes", type=int, metavar="N", help="the most that the store may hold")
    setup.add_argument("--daily-bytes", type=int, metavar="N", help="the most that is fetched in a day")


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store", type=Path, default=STORE, metavar="DIR", help=f"the device store (default: {STORE})"
    )
