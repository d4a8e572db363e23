"""What docs/devices.md says is what the profiles, the doctor and the stored results say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edgecl_devices import load_profile, profile_names
from edgecl_devices.parsing import parse_profile

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
ARM = json.loads((ROOT / "docs" / "results" / "aarch64.json").read_text(encoding="utf-8"))


def test_the_profile_of_your_own_is_one() -> None:
    [text] = re.findall(r"^```toml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    profile = parse_profile(text, name="board")
    assert (profile.latency_ms, profile.memory_bytes) == (40, 300_000_000)


@pytest.mark.parametrize("name", profile_names())
def test_the_table_holds_every_profile(name: str) -> None:
    profile = load_profile(name)
    [row] = re.findall(rf"^\| `{name}`.*", PAGE, flags=re.MULTILINE)
    providers = ", ".join(provider.removesuffix("ExecutionProvider") for provider in profile.providers)
    threads = str(profile.threads or "not known")
    memory = "not known" if profile.memory_bytes is None else f"{profile.memory_bytes // 2**30} GiB"
    assert row.split(" | ")[1:] == [providers, threads, f"{memory} |"]


def test_every_check_of_the_doctor_is_explained() -> None:
    sources = (ROOT / "runtime" / "edgecl_runtime" / "doctor" / "checks").glob("*.py")
    checks = {
        name
        for source in sources
        for name in re.findall(r'Finding\(\s*"(\w+)"', source.read_text(encoding="utf-8"))
    }
    explained = {
        name
        for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert "clashes" in checks
    assert checks <= explained


def test_the_tests_passed_on_arm_with_both_releases_of_onnxruntime() -> None:
    assert (ARM["command"], ARM["processor"]) == ("make aarch64", "neoverse-n1")
    assert [run["failed"] for run in ARM["runs"]] == [0, 0]
    assert ARM["runs"][1]["versions"]["onnxruntime"] == "1.23.2"
    assert all(run["passed"] > 0 for run in ARM["runs"])
