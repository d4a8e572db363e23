"""`edgecl repo`: a signed repository, from which devices update themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from edgecl.cli.output import json_option, note, print_json, size
from edgecl.cli.repo_output import print_offered, print_report, release_json, report_json, shown
from edgecl.cli.signing_keys import keys_option, open_keyring

INIT_EXAMPLES = """\b
Examples:
  edgecl repo init repository --keys keys
  edgecl repo init repository --keys keys --keys /media/stick-1 --keys /media/stick-2 --online online-ci"""
ADD_EXAMPLES = """\b
Examples:
  edgecl repo add repository bundles/shop-floor --keys keys
  edgecl repo add repository scratches-2.ecpack --keys keys --percent 10
  edgecl repo add repository scratches-1.ecpack --keys keys --again"""
ROLLOUT_EXAMPLES = """\b
Examples:
  edgecl repo rollout repository scratches-2 --percent 50 --keys keys
  edgecl repo rollout repository scratches-2 --percent 10 --deadline 2027-01-31 --keys keys"""
WITHDRAW_EXAMPLES = """\b
Examples:
  edgecl repo withdraw repository scratches-2 --keys keys
  edgecl repo withdraw repository scratches-2 --undo --keys keys"""
RESIGN_EXAMPLES = """\b
Examples:
  edgecl repo resign repository --keys keys
  edgecl repo resign repository --role targets --role backbones --keys /media/stick-1 --keys keys"""
ROTATE_EXAMPLES = """\b
Example:
  edgecl keys new keys online-2
  edgecl repo rotate repository online --to online-2 --keys keys"""
CHECK_EXAMPLES = """\b
Example:
  edgecl repo check repository"""
USB_EXAMPLES = """\b
Examples:
  edgecl repo usb repository /media/stick/edgecl
  edgecl repo usb repository /media/stick/edgecl --days 60 --keys keys"""

repository_argument = click.argument("folder", metavar="REPO", type=click.Path(path_type=Path))
moment = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"])


@click.group()
def repo() -> None:
    """Release packs and bundles to devices, through a signed repository of static files."""


@repo.command(epilog=INIT_EXAMPLES)
@repository_argument
@click.option(
    "--root", multiple=True, metavar="NAME", help="A root key, repeat it. [default: root-1 to root-3]"
)
@click.option(
    "--targets", multiple=True, metavar="NAME", help="A key that admits backbones. [default: targets]"
)
@click.option(
    "--release", multiple=True, metavar="NAME", help="A key that releases packs. [default: release]"
)
@click.option(
    "--online", multiple=True, metavar="NAME", help="A key that rolls out and renews. [default: online]"
)
@keys_option
@json_option
def init(
    *,
    folder: Path,
    root: tuple[str, ...],
    targets: tuple[str, ...],
    release: tuple[str, ...],
    online: tuple[str, ...],
    key_folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Make a repository that releases nothing yet.

    Two of the root keys have to be at hand. Devices are given REPO/metadata/1.root.json.
    """
    from edgecl_export.repository import RoleKeys, create_repository

    groups = {"root": root, "targets": targets, "release": release, "online": online}
    keys = RoleKeys(**{group: names for group, names in groups.items() if names})
    roles = create_repository(folder, open_keyring(key_folders), keys=keys, now=_now())
    trusted = folder / "metadata" / "1.root.json"
    if as_json:
        print_json({"repository": str(folder), "roles": list(roles), "root": str(trusted)})
    else:
        click.echo(f"{folder}: signed {', '.join(roles)}\ngive devices {trusted}")


@repo.command(epilog=ADD_EXAMPLES)
@repository_argument
@click.argument("paths", metavar="PACK|BUNDLE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--percent", type=click.FloatRange(0, 100), help="Share of the devices that get it. [default: all]"
)
@click.option("--salt", help="Chooses which devices these are. [default: others with every release]")
@click.option(
    "--again", is_flag=True, help="Release known content once more: to go back to it, or to retry it."
)
@click.option("--line", default="default", show_default=True, help="Which bundles a BUNDLE replaces.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    help="Admit packs for the backbone of this bundle, which devices have already.",
)
@keys_option
@json_option
def add(
    *,
    folder: Path,
    paths: tuple[Path, ...],
    percent: float | None,
    salt: str | None,
    again: bool,
    line: str,
    bundle: Path | None,
    key_folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Release packs, and bundles with the packs in their packs/ folder, in one step.

    Needs a release key and an online key; a backbone that is new to the repository needs a targets key too.
    """
    from edgecl_export.repository import AddOptions, add_releases

    options = AddOptions(percent=percent, salt=salt, again=again, line=line, admit=bundle)
    added = add_releases(folder, open_keyring(key_folders), paths, now=_now(), options=options)
    if as_json:
        releases = [release_json(each.release) | {"new": each.is_new} for each in added]
        print_json({"repository": str(folder), "releases": releases})
        return
    for each in added:
        what = f"release {each.release.release_counter}" if each.is_new else "released before, nothing done"
        click.echo(f"{each.release.path}: {what}")


@repo.command(epilog=ROLLOUT_EXAMPLES)
@repository_argument
@click.argument("names", metavar="RELEASE...", nargs=-1, required=True)
@click.option(
    "--percent", required=True, type=click.FloatRange(0, 100), help="Share of the devices that get it."
)
@click.option("--salt", help="Chooses which devices these are. [default: those chosen before]")
@click.option("--not-before", type=moment, help="Nobody gets it earlier (UTC).")
@click.option("--deadline", type=moment, help="Everybody gets it from then on (UTC).")
@keys_option
@json_option
def rollout(
    *,
    folder: Path,
    names: tuple[str, ...],
    percent: float,
    salt: str | None,
    not_before: datetime | None,
    deadline: datetime | None,
    key_folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Widen or narrow who gets a release: TASK-VERSION, bundle-N, its path, or 12 digits of its sha256.

    Needs an online key. Devices that have it keep it when the share shrinks.
    """
    from edgecl_export.repository import set_rollout

    offered = set_rollout(
        folder,
        open_keyring(key_folders),
        names,
        percent=percent,
        now=_now(),
        salt=salt,
        not_before=_utc(not_before),
        deadline=_utc(deadline),
    )
    print_offered(folder, offered, as_json=as_json)


@repo.command(epilog=WITHDRAW_EXAMPLES)
@repository_argument
@click.argument("names", metavar="RELEASE...", nargs=-1, required=True)
@click.option(
    "--unsafe", is_flag=True, help="Devices delete it, even if they have nothing else for the task."
)
@click.option("--undo", is_flag=True, help="Lift the withdrawal.")
@keys_option
@json_option
def withdraw(
    *,
    folder: Path,
    names: tuple[str, ...],
    unsafe: bool,
    undo: bool,
    key_folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Take a release back from every device, which falls back to what it had before.

    Needs an online key.
    """
    from edgecl_export.repository import withdraw as withdraw_releases

    if unsafe and undo:
        raise click.UsageError("--unsafe and --undo exclude each other.")
    offered = withdraw_releases(
        folder, open_keyring(key_folders), names, now=_now(), unsafe=unsafe, undo=undo
    )
    print_offered(folder, offered, as_json=as_json)


@repo.command(epilog=RESIGN_EXAMPLES)
@repository_argument
@click.option(
    "--role", "roles", multiple=True, help="A role to sign whether due or not. [default: those due]"
)
@keys_option
@json_option
def resign(folder: Path, roles: tuple[str, ...], key_folders: tuple[Path, ...], as_json: bool) -> None:
    """Sign the timestamp anew, and each role that has less than a third of its time left. Made for cron.

    Needs an online key, and more as other roles become due; what waits for a key is said.
    """
    from edgecl_export.repository import resign as resign_roles

    renewal = resign_roles(folder, open_keyring(key_folders), now=_now(), roles=roles)
    for waiting in renewal.waiting:
        note(
            f"edgecl: role {waiting.role} expires at {shown(waiting.expires)} and needs one of: "
            f"{', '.join(waiting.missing)}"
        )
    if as_json:
        waits = [
            {"role": each.role, "expires": shown(each.expires), "missing": list(each.missing)}
            for each in renewal.waiting
        ]
        print_json({"repository": str(folder), "signed": list(renewal.renewed), "waiting": waits})
    else:
        click.echo(f"{folder}: signed {', '.join(renewal.renewed)}")


@repo.command(epilog=ROTATE_EXAMPLES)
@repository_argument
@click.argument("group", type=click.Choice(["root", "targets", "release", "online"]))
@click.option("--to", "names", multiple=True, required=True, metavar="NAME", help="A new key, repeat it.")
@keys_option
@json_option
def rotate(
    folder: Path, group: str, names: tuple[str, ...], key_folders: tuple[Path, ...], as_json: bool
) -> None:
    """Give a group of roles other keys: all that it has from now on.

    Needs the new keys, and two root keys (for release: a targets key). Bring the old keys too if they are not lost:
    then no device notices the exchange.
    """
    from edgecl_export.repository import rotate as exchange_keys

    signed = exchange_keys(folder, open_keyring(key_folders), group, names, now=_now())
    if as_json:
        print_json({"repository": str(folder), "group": group, "keys": list(names), "signed": list(signed)})
    else:
        click.echo(f"{folder}: {group} has the keys {', '.join(names)}; signed {', '.join(signed)}")


@repo.command(epilog=CHECK_EXAMPLES)
@repository_argument
@json_option
def check(folder: Path, as_json: bool) -> None:
    """Verify every signature and hash as a device would, and say what expires when.

    The exit code is 5 if one is wrong and 1 if a role has expired.
    """
    from edgecl_export.repository import check_repository

    report = check_repository(folder, now=_now())
    for damaged in report.damaged:
        note(f"edgecl: {folder / damaged}: missing, or its sha256 is not the one that was signed")
    for said in report.notes:
        note(f"edgecl: {said}")
    if as_json:
        print_json(report_json(folder, report))
    else:
        print_report(folder, report)
    click.get_current_context().exit(report.exit_code)


@repo.command(epilog=USB_EXAMPLES)
@repository_argument
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--days", type=click.IntRange(1, 90), help="Let the copy hold so long. [default: as long as online]"
)
@keys_option
@json_option
def usb(folder: Path, out: Path, days: int | None, key_folders: tuple[Path, ...], as_json: bool) -> None:
    """Write a copy for devices without a network: `edgecl-device install OUT`.

    With --days it needs an online key. Never publish such a copy online: whoever has it can hide newer
    releases from a device for so long.
    """
    from edgecl_export.repository import copy_for_usb

    keyring = open_keyring(key_folders if days is not None else ())
    copied = copy_for_usb(folder, out, keyring=keyring, now=_now(), days=days)
    if as_json:
        valid = shown(copied.valid_until)
        print_json(
            {"copy": str(out), "files": copied.files, "bytes": copied.size_bytes, "valid_until": valid}
        )
    else:
        click.echo(
            f"{out}: {copied.files} files, {size(copied.size_bytes)}; valid until {shown(copied.valid_until)}"
        )


def _now() -> datetime:
    return datetime.now(UTC)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
