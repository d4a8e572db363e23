"""`edgecl devices`: what is known about each kind of device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edgecl.cli.output import json_option, print_facts, print_json, print_table

if TYPE_CHECKING:
    from edgecl_devices import DeviceProfile

UNKNOWN = "not known"


@click.group()
def devices() -> None:
    """Look at device profiles: providers, precision, budgets, and how to install the runtime there."""


@devices.command("list", epilog="\b\nExample:\n  edgecl devices list")
@json_option
def list_devices(as_json: bool) -> None:
    """List the devices that `edgecl export --device` knows."""
    from edgecl_devices import load_profile, profile_names

    profiles = [load_profile(name) for name in profile_names()]
    if as_json:
        print_json({"devices": [_to_json(profile) for profile in profiles]})
        return
    rows = [
        (
            profile.name,
            profile.providers[0].removesuffix("ExecutionProvider"),
            profile.precision,
            _shown(profile.threads),
            _memory(profile),
        )
        for profile in profiles
    ]
    print_table("Device profiles", ("name", "runs on", "precision", "threads", "memory"), rows)


@devices.command(
    epilog="\b\nExamples:\n  edgecl devices show raspberry-pi-5\n  edgecl devices show ./board.toml"
)
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one device, each value with its source; NAME may be a TOML file of your own."""
    from edgecl_devices import load_profile

    profile = load_profile(name)
    if as_json:
        print_json(_to_json(profile))
        return
    values = {
        "providers": ", ".join(profile.providers),
        "precision": profile.precision,
        "backend": _shown(profile.backend),
        "threads": _shown(profile.threads),
        "batch": _shown(profile.batch),
        "memory": _memory(profile),
        "latency": UNKNOWN if profile.latency_ms is None else f"{profile.latency_ms:g} ms",
    }
    keys = {"memory": "memory_bytes", "latency": "latency_ms"}
    facts = [(fact, _with_source(shown, profile, keys.get(fact, fact))) for fact, shown in values.items()]
    print_facts(f"{profile.name}: {profile.description}", facts)
    for entry in profile.install:
        click.echo(f"\n{entry.os}, Python {entry.python}  ({entry.source})\n  {entry.line}")


def _to_json(profile: DeviceProfile) -> dict[str, Any]:
    """Return a profile as one object; what is not known has no key."""
    from dataclasses import asdict

    return {
        **profile.for_bundle(),
        "description": profile.description,
        "install": [asdict(entry) for entry in profile.install],
        "sources": dict(profile.sources),
    }


def _with_source(shown: str, profile: DeviceProfile, key: str) -> str:
    return f"{shown}  ({profile.sources[key]})" if key in profile.sources else shown


def _memory(profile: DeviceProfile) -> str:
    return UNKNOWN if profile.memory_bytes is None else f"{profile.memory_bytes / 2**30:g} GiB"


def _shown(value: int | str | None) -> str:
    return UNKNOWN if value is None else str(value)
