from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from PIL import Image

from edgecl_runtime.cli import main
from tests.runtime.factories import (
    IMAGE_BUNDLE,
    IMAGE_PACKS,
    TEXT_BUNDLE,
    TEXT_PACKS,
    copy_bundle,
    write_pack_file,
)

IMAGES = [str(IMAGE_BUNDLE), "--packs", str(IMAGE_PACKS)]
TEXTS = [str(TEXT_BUNDLE), "--packs", str(TEXT_PACKS)]
Capture = pytest.CaptureFixture[str]


def make_image(folder: Path) -> str:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    return str(folder / "a.png")


def test_run_prints_a_line_per_image(tmp_path: Path, capsys: Capture) -> None:
    path = make_image(tmp_path)
    assert main(["run", *IMAGES, "--task", "leaves", path, path]) == 0
    output, errors = capsys.readouterr()
    cells = [line.split("\t") for line in output.splitlines()]
    assert [cell[0] for cell in cells] == [path, path]
    assert cells[0][1] in ("healthy", "rust", "spot")
    assert 0.33 < float(cells[0][2]) <= 1
    assert errors == ""


def test_run_prints_one_json_object(capsys: Capture) -> None:
    assert main(["run", *TEXTS, "--task", "mood", "--json", "good dog", "bad"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [row["input"] for row in result["results"]] == ["good dog", "bad"]
    assert sum(result["results"][0]["probabilities"].values()) == pytest.approx(1)


def test_run_reads_texts_by_line_from_stdin(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("good dog\nbad\tcat\r\n"))
    assert main(["run", *TEXTS, "--task", "mood", "-"]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == ["good dog", "bad cat"]


def test_list_prints_a_line_per_pack(capsys: Capture) -> None:
    assert main(["list", *IMAGES]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[:3] for line in lines] == [
        ["leaves", "version 1", "3 classes"],
        ["plain", "version 1", "2 classes"],
        ["steel", "version 2", "2 classes"],
    ]


def test_list_as_json_has_the_digest_of_each_pack(capsys: Capture) -> None:
    assert main(["list", *IMAGES, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [len(row["sha256"]) for row in result["packs"]] == [64, 64, 64]


def test_list_shows_the_good_packs_and_fails_for_a_bad_one(tmp_path: Path, capsys: Capture) -> None:
    write_pack_file(tmp_path)
    (tmp_path / "bad.ecpack").write_bytes(b"damaged")
    assert main(["list", str(IMAGE_BUNDLE), "--packs", str(tmp_path)]) == 3
    output, errors = capsys.readouterr()
    assert output.startswith("leaves\t")
    assert errors.startswith("edgecl-device: ")
    assert "bad.ecpack" in errors


def test_verify_prints_the_difference_of_each_pack(capsys: Capture) -> None:
    assert main(["verify", *IMAGES]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == [
        "leaves",
        "plain",
        "steel",
    ]


def test_verify_looks_at_the_named_tasks_only(capsys: Capture) -> None:
    assert main(["verify", *IMAGES, "--task", "steel", "--json"]) == 0
    assert [row["task"] for row in json.loads(capsys.readouterr().out)["tasks"]] == ["steel"]


def test_verify_fails_for_a_pack_that_is_not_reproduced(tmp_path: Path, capsys: Capture) -> None:
    write_pack_file(tmp_path)
    assert main(["verify", str(IMAGE_BUNDLE), "--packs", str(tmp_path)]) == 3
    output, errors = capsys.readouterr()
    assert output == "leaves\tfailed\n"
    assert "features that differ by" in errors


def test_an_unknown_task_is_wrong_usage(capsys: Capture) -> None:
    assert main(["run", *IMAGES, "--task", "moss", "a.png"]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("edgecl-device: task 'moss' has no open pack")


def test_an_unreadable_image_is_wrong_usage(capsys: Capture) -> None:
    assert main(["run", *IMAGES, "--task", "leaves", "gone.png"]) == 2
    output, errors = capsys.readouterr()
    assert (output, errors) == ("", "edgecl-device: gone.png: found no file, expected an image\n")


def test_a_missing_bundle_does_not_fit(tmp_path: Path, capsys: Capture) -> None:
    assert main(["list", str(tmp_path)]) == 3
    assert capsys.readouterr().err.startswith("edgecl-device: ")


def test_a_changed_bundle_is_a_refused_hash(tmp_path: Path, capsys: Capture) -> None:
    bundle = copy_bundle(tmp_path)
    bundle.graph_path.write_bytes(b"changed")
    assert main(["list", str(bundle.path)]) == 5


def test_a_damaged_pack_is_a_refused_hash(tmp_path: Path, capsys: Capture) -> None:
    path = write_pack_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    assert main(["run", str(IMAGE_BUNDLE), "--packs", str(tmp_path), "--task", "leaves", "a.png"]) == 5


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["run"], ["run", "bundle", "--task", "x"], ["list", "--colour"]]
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize("command", ["run", "list", "verify", "bench"])
def test_help_has_an_example_and_the_exit_codes(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    text = capsys.readouterr().out
    assert caught.value.code == 0
    assert f"edgecl-device {command} bundle/" in text
    assert "5  a signature or hash was refused" in text


def test_a_label_that_the_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    write_pack_file(tmp_path, labels=("größer", "größer als"))
    command = ["run", str(IMAGE_BUNDLE), "--packs", str(tmp_path), "--task", "leaves", make_image(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "edgecl_runtime.cli", *command],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.stdout.split("\t")[1].startswith("gr\\xf6\\xdfer")


def test_ctrl_c_ends_with_130_and_one_line(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgecl_runtime.cli.commands.read_bundle", interrupt)
    assert main(["list", *IMAGES]) == 130
    assert capsys.readouterr() == ("", "edgecl-device: stopped\n")
