"""What commands that sign have in common: where the keys are, and their passphrases."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgecl_export.repository import Keyring

PASSWORD = "EDGECL_KEY_PASSWORD"

keys_option = click.option(
    "--keys",
    "key_folders",
    multiple=True,
    envvar="EDGECL_KEYS",
    type=click.Path(path_type=Path),
    help="Folder of keys; repeat it for keys that lie apart. [also: EDGECL_KEYS]",
)


def open_keyring(folders: Sequence[Path]) -> Keyring:
    """Return the keys of some folders; a passphrase is asked for when its key first signs."""
    from edgecl_export.repository import Keyring

    return Keyring.open(folders, ask_passphrase)


def ask_passphrase(name: str, *, confirm: bool = False) -> str:
    """Return the passphrase of a key: from the environment, else from whoever sits at the terminal."""
    if PASSWORD in os.environ:
        return os.environ[PASSWORD]
    if not sys.stdin.isatty():
        from edgecl_export.repository.errors import SigningKeyError

        raise SigningKeyError(
            f"key {name}: found no terminal to ask for its passphrase, expected one, or {PASSWORD} in the environment. "
            f"Set {PASSWORD}"
        )
    passphrase: str = click.prompt(
        f"Passphrase of {name}", hide_input=True, err=True, confirmation_prompt=confirm
    )
    return passphrase
