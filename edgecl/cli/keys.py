"""`edgecl keys`: the keys that sign a repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecl.cli.output import json_option, print_json, print_table
from edgecl.cli.signing_keys import ask_passphrase

if TYPE_CHECKING:
    from edgecl_export.repository import KeyRecord

NEW_EXAMPLES = """\b
Examples:
  edgecl keys new keys
  edgecl keys new /media/stick-1 root-1
  edgecl keys new keys release-2 --public release-2.pub.pem --uri "command:/usr/local/bin/hsm-sign --slot 2"
  edgecl keys new keys online-ci --public online.pub.pem --uri envvar:EDGECL_ONLINE_KEY"""
SHOW_EXAMPLES = """\b
Example:
  edgecl keys show keys"""


@click.group()
def keys() -> None:
    """Make and show the keys that sign a repository."""


@keys.command(epilog=NEW_EXAMPLES)
@click.argument("folder", metavar="KEYS", type=click.Path(path_type=Path))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--uri", help="The private part lies elsewhere: file:, envvar:, command:, hv: ...")
@click.option("--public", type=click.Path(path_type=Path), help="With --uri: the public key, in PEM.")
@json_option
def new(folder: Path, names: tuple[str, ...], uri: str | None, public: Path | None, as_json: bool) -> None:
    """Make Ed25519 keys, encrypted with one passphrase, or note where an existing key lies.

    Without a name: root-1, root-2, root-3, targets, release and online, all that `edgecl repo init` asks for.
    """
    from edgecl_export.repository import RoleKeys, import_key, new_key

    if (uri is None) != (public is None) or (uri is not None and len(names) != 1):
        raise click.UsageError("--uri and --public belong together, with one NAME.")
    if uri is not None and public is not None:
        made = [import_key(folder, names[0], uri=uri, public=public)]
    else:
        wanted = names or RoleKeys().names()
        passphrase = ask_passphrase(" ".join(wanted), confirm=True)
        made = [new_key(folder, name, passphrase) for name in wanted]
    if as_json:
        print_json({"folder": str(folder), "keys": [_shown(record) for record in made]})
    else:
        click.echo(f"{folder}: {', '.join(record.name for record in made)}")


@keys.command(epilog=SHOW_EXAMPLES)
@click.argument("folder", metavar="KEYS", type=click.Path(path_type=Path))
@json_option
def show(folder: Path, as_json: bool) -> None:
    """Show the keys of a folder: their public parts, and where the private ones are."""
    from edgecl_export.repository import read_keys

    found = read_keys(folder)
    if as_json:
        print_json({"folder": str(folder), "keys": [_shown(record) for record in found]})
    else:
        rows = [(record.name, record.keyid[:12], record.public[:12], record.uri) for record in found]
        print_table(str(folder), ("key", "id", "public", "private part"), rows)


def _shown(record: KeyRecord) -> dict[str, str]:
    return {"name": record.name, "keyid": record.keyid, "public": record.public, "uri": record.uri}
