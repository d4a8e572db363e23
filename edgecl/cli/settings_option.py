"""The option --set of the commands that train."""

from __future__ import annotations

import click

settings_option = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="One setting, such as training.epochs=10."
)


def parse_settings(settings: tuple[str, ...]) -> dict[str, str]:
    """Return the values of --set by their keys.

    Raises:
        click.UsageError: One of them has no equals sign.
    """
    values = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise click.UsageError(f"--set {setting}: expected KEY=VALUE, such as training.epochs=10")
        values[key] = value
    return values
