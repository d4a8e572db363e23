from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Call
from tests.exported import Field


def test_show_prints_the_fingerprint_that_runs_and_packs_name(image_field: Field, call: Call) -> None:
    result = call("backbone", "show", image_field.backbone, "--json").json
    assert result["fingerprint"] == image_field.run.record.fingerprint
    assert result["dimensions"] == {"layers": 2, "width": 64, "heads": 4, "head_dim": 16}
    assert result["preprocessing"]["size"] == 32


def test_show_prints_a_row_per_fact(text_field: Field, call: Call) -> None:
    called = call("backbone", "show", text_field.backbone)
    assert called.code == 0
    assert "fingerprint" in called.out
    assert "bert" in called.out


def test_a_folder_without_a_backbone_is_refused(tmp_path: Path, call: Call) -> None:
    called = call("backbone", "show", tmp_path)
    assert (called.code, called.out) == (1, "")
    assert "cannot be read as a transformers checkpoint" in called.err


def test_weights_that_cannot_be_read_are_not_converted(tmp_path: Path, call: Call) -> None:
    called = call("backbone", "convert", tmp_path / "gone.npz", "--out", tmp_path / "out")
    assert (called.code, called.out) == (1, "")
    assert called.err.startswith(f"edgecl: {tmp_path}/gone.npz: cannot be read")
    assert not (tmp_path / "out").exists()
