"""What the commands of updates do: one call of the library each, then print."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from edgecl_runtime.cli.commands import print_error, print_json, print_row

if TYPE_CHECKING:
    from edgecl_runtime.ota.report import Report

__all__ = ["install", "rollback", "service", "status", "update"]


def update(arguments: argparse.Namespace) -> int:
    """Set the device up if asked, update it once, and print what changed."""
    from edgecl_runtime.ota.setup import set_up
    from edgecl_runtime.ota.updater import Updater

    set_up(
        arguments.store,
        repository=arguments.repository,
        root=arguments.root,
        device_id=arguments.device_id,
        device_class=arguments.device_class,
        line=arguments.line,
        tasks=frozenset(arguments.task) if arguments.task else None,
        quota_bytes=arguments.quota_bytes,
        daily_bytes=arguments.daily_bytes,
    )
    return _print_report(Updater(arguments.store).poll(), as_json=arguments.json)


def install(arguments: argparse.Namespace) -> int:
    """Install what is new in a copy of the repository, and print what changed."""
    from edgecl_runtime.ota.updater import Updater

    return _print_report(Updater(arguments.store).install_from(arguments.repository), as_json=arguments.json)


def rollback(arguments: argparse.Namespace) -> int:
    """Go back to the previous pack of a task, or to the previous backbone, and print what changed."""
    from edgecl_runtime.ota.updater import Updater

    updater = Updater(arguments.store)
    report = updater.revert_backbone() if arguments.backbone else updater.revert(arguments.task)
    return _print_report(report, as_json=arguments.json)


def status(arguments: argparse.Namespace) -> int:
    """Print how the device is set up, what is in use, and what happened last."""
    from edgecl_runtime.ota.status import read_status

    found = read_status(arguments.store)
    if arguments.json:
        print_json(found.to_json())
        return 0
    for cells in found.lines():
        print_row(cells)
    return 0


def service(arguments: argparse.Namespace) -> int:
    """Print the systemd units that update this device."""
    from edgecl_runtime.service import service_units

    units = service_units(arguments.store)
    if arguments.json:
        print_json(units)
    elif arguments.unit:
        print(units[arguments.unit], end="")
    else:
        print("\n".join(f"# /etc/systemd/system/{name}\n{text}" for name, text in units.items()), end="")
    return 0


def _print_report(report: Report, *, as_json: bool) -> int:
    if as_json:
        print_json(report.to_json())
    else:
        for row in _rows(report):
            print_row(row)
    for error in report.errors:
        print_error(str(error))
    return report.exit_code


def _rows(report: Report) -> list[tuple[str, ...]]:
    changes = [
        (change.action, change.task or "the backbone", _shown(change.after, change.release_counter))
        for change in report.changes
    ]
    held = [("waits", entry.message) for entry in report.held if entry.error not in report.errors]
    return [*changes, *held] or [("nothing new",)]


def _shown(sha256: str | None, release_counter: int) -> str:
    return f"release {release_counter}, {sha256[:12]}" if sha256 else "none is left"
