from __future__ import annotations

from pathlib import Path

import pytest

from edgecl_runtime.doctor.trial import try_bundle
from tests.runtime.factories import IMAGE_BUNDLE, TEXT_BUNDLE, copy_bundle, edit_json


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
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'no kernel image' >&2\nkill -SEGV $$\n", encoding="ascii")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    assert try_bundle(IMAGE_BUNDLE, batch=1).error == "the process ended by signal 11: no kernel image"


def test_a_process_that_never_ends_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n", encoding="ascii")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    monkeypatch.setattr("edgecl_runtime.doctor.trial._TIMEOUT_S", 0.1)
    assert try_bundle(IMAGE_BUNDLE, batch=1).error == "no result after 0 s"
