"""What `edgecl repo` prints about releases and repositories."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecl.cli.output import print_facts, print_json, print_table, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecl_export.repository import Offered, Release, RepositoryReport
    from edgecl_runtime.ota.release import Rollout


def shown(moment: datetime) -> str:
    """Return a time as metadata writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def release_json(release: Release) -> dict[str, Any]:
    """Return what is signed about a pack or bundle."""
    from edgecl_export.repository import release_name

    return {
        "name": release_name(release),
        "kind": release.KIND,
        "path": release.path,
        "sha256": release.sha256,
        "bytes": release.length,
        "release_counter": release.release_counter,
        "backbone": release.backbone,
    }


def print_offered(folder: Path, offered: Sequence[Offered], *, as_json: bool) -> None:
    """Print who gets some releases."""
    if as_json:
        releases = [release_json(each.release) | _rollout_json(each.rollout) for each in offered]
        print_json({"repository": str(folder), "releases": releases})
        return
    for each in offered:
        click.echo(f"{each.release.path}: {_in_words(each.rollout)}")


def report_json(folder: Path, report: RepositoryReport) -> dict[str, Any]:
    """Return everything that was found in a repository."""
    limited = {rollout.sha256: rollout for rollout in report.rollouts}
    return {
        "repository": str(folder),
        "sound": report.exit_code == 0,
        "roles": [
            {
                "name": role.name,
                "version": role.version,
                "signatures": role.signatures,
                "threshold": role.threshold,
                "expires": shown(role.expires),
                "state": role.state,
                "bytes": role.size_bytes,
                "files": role.targets,
            }
            for role in report.roles
        ],
        "releases": [
            release_json(release) | _rollout_json(limited.get(release.sha256)) for release in report.releases
        ],
        "device_metadata_bytes": report.device_metadata_bytes,
        "superseded": report.superseded,
        "damaged": list(report.damaged),
        "orphans": list(report.orphans),
        "notes": list(report.notes),
    }


def print_report(folder: Path, report: RepositoryReport) -> None:
    """Print a table of the roles, and what else was found."""
    columns = ("role", "version", "signatures", "expires", "state", "size", "files")
    rows = [
        (
            role.name,
            str(role.version),
            f"{role.signatures} of {role.threshold}",
            shown(role.expires),
            role.state,
            size(role.size_bytes),
            str(role.targets),
        )
        for role in report.roles
    ]
    print_table(str(folder), columns, rows)
    bundles = sum(release.KIND == "bundle" for release in report.releases)
    withdrawn = sum(rollout.withdrawn for rollout in report.rollouts)
    facts = [
        ("bundles, packs", f"{bundles}, {len(report.releases) - bundles}"),
        ("limited, withdrawn", f"{len(report.rollouts) - withdrawn}, {withdrawn}"),
        ("a device fetches", f"{size(report.device_metadata_bytes)} of metadata, if all of it is new"),
        ("damaged files", str(len(report.damaged))),
        ("older metadata", f"{report.superseded} files"),
        ("unlisted files", str(len(report.orphans))),
    ]
    print_facts("releases and files", facts)


def _in_words(rollout: Rollout | None) -> str:
    if rollout is None:
        return "for every device"
    if rollout.withdrawn:
        return f"withdrawn ({rollout.severity})"
    times = (("from", rollout.not_before), ("for every device from", rollout.deadline))
    said = [f"{word} {shown(moment)}" for word, moment in times if moment is not None]
    return ", ".join([f"for {rollout.percent:g} % of the devices", *said])


def _rollout_json(rollout: Rollout | None) -> dict[str, Any]:
    if rollout is None:
        return {"percent": 100.0, "withdrawn": False}
    times = {"not_before": rollout.not_before, "deadline": rollout.deadline}
    return {
        "percent": rollout.percent,
        "withdrawn": rollout.withdrawn,
        "severity": rollout.severity,
        "salt": rollout.salt,
        **{name: shown(moment) for name, moment in times.items() if moment is not None},
    }
