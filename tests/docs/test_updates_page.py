from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgecl_runtime.cli.arguments import build_parser
from edgecl_runtime.ota.config import DeviceConfig
from edgecl_runtime.ota.device import Device

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "updates.md").read_text(encoding="utf-8")


def keys_of(value: dict[str, object], prefix: str = "") -> set[str]:
    """Return the dotted names of all values in a JSON object."""
    found: set[str] = set()
    for key, entry in value.items():
        found |= keys_of(entry, f"{prefix}{key}.") if isinstance(entry, dict) else {f"{prefix}{key}"}
    return found


def test_every_key_of_the_set_up_is_explained() -> None:
    table = PAGE[PAGE.index("## The set-up") :]
    explained = set(re.findall(r"^\| `([a-z_.]+)` \|", table, flags=re.MULTILINE))
    assert explained == keys_of(DeviceConfig(repository="", device=Device()).to_json())


def test_every_option_of_the_set_up_is_explained() -> None:
    options = set(re.findall(r"`(--[a-z-]+)`", PAGE[PAGE.index("## The set-up") :]))
    arguments = [word for option in sorted(options) for word in (option, "1")]
    assert build_parser().parse_args(["update", *arguments]).device_id == "1"


@pytest.mark.parametrize(
    "command", re.findall(r"^(edgecl-device (?:update|service) [^>\n]*)", PAGE, flags=re.MULTILINE)
)
def test_commands_are_understood(command: str) -> None:
    assert build_parser().parse_args(command.split()[1:]).command is not None


def test_files_that_the_page_links_to_exist() -> None:
    links = re.findall(r"\]\(((?!https?:)[^)#]+)", PAGE)
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
