from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecl_runtime.cli import main
from edgecl_runtime.doctor import Facts
from tests.runtime.doctor.machines import CPU, GPU, PIP, make_facts

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Facts]:
    """What the command finds as "facts"."""
    found = {"facts": make_facts()}
    monkeypatch.setattr("edgecl_runtime.doctor.collect", lambda path: found["facts"])
    return found


def test_a_healthy_machine_is_one_line_for_each_check(machine: dict[str, Facts], capsys: Capture) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "machine      x86_64, Debian GNU/Linux 12 (bookworm)"
    assert len(lines) == 8


def test_the_line_that_mends_stands_below_its_finding(machine: dict[str, Facts], capsys: Capture) -> None:
    machine["facts"] = make_facts(wheels=(CPU, GPU))
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    [index] = [index for index, line in enumerate(lines) if line.startswith("clashes")]
    assert "mend: onnxruntime and onnxruntime-gpu are both installed" in lines[index]
    assert lines[index + 1].strip().startswith(f"{PIP} uninstall -y onnxruntime onnxruntime-gpu")


def test_json_is_one_object(machine: dict[str, Facts], capsys: Capture) -> None:
    machine["facts"] = make_facts(glibc=None)
    assert main(["doctor", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is False
    [finding] = [row for row in result["findings"] if row["level"] == "mend"]
    assert sorted(finding) == ["check", "level", "line", "message"]
    assert finding["check"] == "libc"


def test_a_folder_that_is_neither_is_wrong_usage(tmp_path: Path, capsys: Capture) -> None:
    assert main(["doctor", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("edgecl-device: ")


def test_help_has_an_example_and_the_exit_codes(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "--help"])
    text = capsys.readouterr().out
    assert caught.value.code == 0
    assert "edgecl-device doctor bundle/" in text
    assert "1  failed" in text
