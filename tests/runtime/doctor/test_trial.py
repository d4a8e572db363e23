from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgecl_runtime.doctor.trial import try_bundle
from tests.runtime.factories import IMAGE_BUNDLE, TEXT_BUNDLE, copy_bundle, edit_json


def make_interpreter(folder: Path, code: str) -> str:
    """Return a program that does the same whatever it is asked to run."""
    program = folder / "python"
    program.write_text(f"#!{sys.executable}\n{code}\n", encoding="utf-8")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("bundle", [IMAGE_BUNDLE, TEXT_BUNDLE])
def test_a_trial_tells_time_and_memory(bundle: Path) -> None:
    trial = try_bundle(bundle, batch=2)
    assert (trial.error, trial.batch) == ("", 2)
    assert trial.latency_ms > 0
    assert trial.peak_bytes is not None
    assert 10_000_000 < trial.peak_bytes < 1_000_000_000


def test_a_provider_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path)
    edit_json(
        bundle.path / "bundle.json", lambda data: data["profile"].update(providers=["GoneExecutionProvider"])
    )
    assert "asks for GoneExecutionProvider" in try_bundle(bundle.path, batch=1).error


def test_a_process_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dies = "import os, sys; os.write(2, b'no kernel image'); os.kill(os.getpid(), 9)"
    monkeypatch.setattr("sys.executable", make_interpreter(tmp_path, dies))
    assert try_bundle(IMAGE_BUNDLE, batch=1).error == "the process ended by signal 9: no kernel image"


def test_a_process_that_never_ends_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", make_interpreter(tmp_path, "import time; time.sleep(60)"))
    monkeypatch.setattr("edgecl_runtime.doctor.trial._TIMEOUT_S", 0.1)
    assert try_bundle(IMAGE_BUNDLE, batch=1).error == "no result after 0 s"
