"""What docs/publishing.md tells people to type can be typed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from edgecl.cli.app import cli

PAGE = Path(__file__).resolve().parents[2] / "docs" / "publishing.md"
LINE = re.compile(r"^(?:\d+ .* )?edgecl ((?:keys|repo) .*?)(?: +#.*| && .*)?$", re.MULTILINE)
SPAN = re.compile(r"`edgecl ((?:keys|repo) [^`.]*)`")


RESULTS = PAGE.parent / "results"


def commands() -> list[str]:
    """Return the commands of the page, in blocks and within sentences."""
    text = PAGE.read_text(encoding="utf-8")
    return sorted({*LINE.findall(text), *SPAN.findall(text)})


def test_the_page_shows_every_command() -> None:
    text = PAGE.read_text(encoding="utf-8")
    groups = {name: cli.commands[name] for name in ("keys", "repo")}
    names = [f"`{group} {name} " for group, command in groups.items() for name in command.commands]  # type: ignore[attr-defined]  # they are groups
    assert [name for name in names if name not in text] == []


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_page_is_understood(command: str) -> None:
    group, name, *arguments = shlex.split(command)
    found = cli.commands[group]
    assert isinstance(found, click.Group)
    found.commands[name].make_context(name, arguments)


def test_the_figures_of_the_repository_are_those_of_the_file() -> None:
    device = json.loads((RESULTS / "repository-1000.json").read_bytes())["one device"]
    text = PAGE.read_text(encoding="utf-8")
    said = {name: f"{found['bytes']:,}" for name, found in device.items()}
    assert [name for name, count in said.items() if count not in text] == []
    assert device["first refresh"]["bytes"] <= 100_000


def test_the_figures_of_the_fleet_are_those_of_the_file() -> None:
    runs = json.loads((RESULTS / "fleet-10000.json").read_bytes())["runs"]
    text = PAGE.read_text(encoding="utf-8")
    said = [
        number
        for run in runs.values()
        for number in (
            " / ".join(f"{share['reached']:g}" for share in run["rollout_percent"].values()),
            ", ".join(map(str, run["minutes_to_full_adoption"]["leaves-3 to 100 %"].values())),
            str(run["minutes_until_nobody_has_what_was_withdrawn"]),
            f"{run['spread_of_the_last_release']['requests_in_the_busiest_minute']:,}",
            f"{run['spread_of_the_last_release']['if_all_asked_in_the_same_minute']:,}",
        )
    ]
    assert [number for number in said if number not in text] == []
