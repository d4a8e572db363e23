from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from edgecl_runtime.cli import main
from edgecl_runtime.service import UNITS, service_units

Capture = pytest.CaptureFixture[str]


def parse(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=True)
    parser.read_string(text)
    return parser


def test_the_service_updates_the_store_with_the_interpreter_of_the_runtime() -> None:
    service = parse(
        service_units(Path("/data/edgecl"), python="/opt/venv/bin/python")["edgecl-update.service"]
    )
    assert service["Service"]["ExecStart"] == (
        '"/opt/venv/bin/python" -m edgecl_runtime.cli update --store "/data/edgecl"'
    )
    assert service["Service"]["ReadWritePaths"] == '"/data/edgecl"'


def test_a_device_without_a_network_is_not_a_failed_one() -> None:
    service = parse(service_units(Path("/data"))["edgecl-update.service"])
    assert service["Service"]["SuccessExitStatus"] == "4"


def test_devices_do_not_ask_all_at_once() -> None:
    timer = parse(service_units(Path("/data"))["edgecl-update.timer"])
    assert timer["Timer"]["RandomizedDelaySec"] == "1h"


def test_odd_paths_are_quoted() -> None:
    text = service_units(Path('/my "100 %" data'), python="python")["edgecl-update.service"]
    assert '--store "/my \\"100 %%\\" data"' in text


def test_the_store_is_named_by_its_whole_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert f'--store "{tmp_path}/device"' in service_units(Path("device"))["edgecl-update.service"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    for name, text in service_units(tmp_path).items():
        (tmp_path / name).write_text(text)
    checked = [str(tmp_path / name) for name in UNITS]
    done = subprocess.run(
        ["systemd-analyze", "verify", *checked], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", UNITS)
def test_one_unit_is_printed_alone(name: str, capsys: Capture) -> None:
    assert main(["service", name, "--store", "/data"]) == 0
    assert capsys.readouterr().out == service_units(Path("/data"))[name]


def test_both_units_are_printed_with_the_places_they_belong_to(capsys: Capture) -> None:
    assert main(["service"]) == 0
    output = capsys.readouterr().out
    assert all(f"# /etc/systemd/system/{name}\n" in output for name in UNITS)
    assert '--store "/var/lib/edgecl"' in output
