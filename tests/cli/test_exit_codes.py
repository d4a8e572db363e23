from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgecl.errors import DataError
from tests.cli.conftest import Call, assert_refused
from tests.export.test_parity import fail_task, tamper
from tests.exported import Field, reuse_graph


def flip_last_byte(path: Path, folder: Path) -> Path:
    """Return a copy of a file with one bit changed."""
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    copy = folder / path.name
    copy.write_bytes(raw)
    return copy


def test_0_done(image_field: Field, call: Call) -> None:
    assert call("pack", "verify", image_field.pack("hues")).code == 0


def test_1_the_run_is_damaged(image_field: Field, tmp_path: Path, call: Call) -> None:
    run = image_field.copy_run(tmp_path).folder
    (run / "run.json").write_text("{", encoding="utf-8")
    called = call("export", run, "--out", tmp_path / "bundle", "--json")
    assert_refused(called, 1, "run.json: damaged", "Restore it from a backup")


def test_1_a_task_of_the_run_is_damaged(image_field: Field, tmp_path: Path, call: Call) -> None:
    run = image_field.copy_run(tmp_path)
    (run.task_folder("hues") / "task.json").write_text('{"name": "hues"}', encoding="utf-8")
    assert_refused(
        call("export", run.folder, "--out", tmp_path / "bundle"), 1, "task.json: not as this edgecl writes it"
    )


def test_1_the_folder_is_no_run(tmp_path: Path, call: Call) -> None:
    assert_refused(call("export", tmp_path, "--out", tmp_path / "bundle"), 1, "not a run", "edgecl train")


def test_1_the_folder_to_write_exists(image_field: Field, tmp_path: Path, call: Call) -> None:
    called = call("export", image_field.run.folder, "--out", tmp_path)
    assert_refused(called, 1, "exists already", "edgecl pack build")


def test_1_a_folder_cannot_be_written(image_field: Field, tmp_path: Path, call: Call) -> None:
    (tmp_path / "file").touch()
    called = call("export", image_field.run.folder, "--out", tmp_path / "file" / "bundle")
    assert_refused(called, 1, "file")


@pytest.mark.parametrize(
    "arguments",
    [
        ["dance"],
        ["train", "--colour"],
        ["export", "run"],
        ["pack", "build", "run", "--task", "a"],
        ["pack", "build", "r", "--task", "a", "--bundle", "b", "--out", "c", "--version", "0"],
    ],
)
def test_2_wrong_usage(arguments: list[str], call: Call) -> None:
    called = call(*arguments)
    assert (called.code, called.out) == (2, "")
    assert "Usage: edgecl" in called.err
    assert "Error: " in called.err


def test_2_an_unknown_setting(tmp_path: Path, call: Call) -> None:
    called = call("train", "--task", "a=b.npz", "--out", tmp_path / "run", "--set", "training.epoch=3")
    assert_refused(called, 2, "--set training.epoch: no such key. Did you mean training.epochs?")
    assert not (tmp_path / "run").exists()


def test_2_a_setting_of_another_type(tmp_path: Path, call: Call) -> None:
    called = call("train", "--task", "a=b.npz", "--out", tmp_path / "run", "--set", "training.epochs=many")
    assert_refused(called, 2, "training.epochs")


def test_2_an_unknown_method(tmp_path: Path, call: Call) -> None:
    called = call("train", "--task", "a=b.npz", "--out", tmp_path / "run", "--method", "adaprefix--")
    assert_refused(called, 2, "--method: found 'adaprefix--', expected one of ", "adaprefix++")
    assert not (tmp_path / "run").exists()


def test_2_logs_without_tensorboard(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    called = call("train", "--task", "a=b.npz", "--out", tmp_path / "run", "--tensorboard")
    assert_refused(called, 2, "--tensorboard needs tensorboard", "pip install tensorboard")
    assert not (tmp_path / "run").exists()


def test_2_data_that_cannot_be_read(image_field: Field, tmp_path: Path, call: Call) -> None:
    (tmp_path / "broken.npz").write_bytes(b"no zip")
    called = call(
        "train",
        "--backbone",
        image_field.backbone,
        "--task",
        f"a={tmp_path}/broken.npz",
        "--out",
        tmp_path / "run",
    )
    assert_refused(called, 2, "broken.npz")
    assert not (tmp_path / "run").exists()


def test_2_texts_for_a_backbone_of_images(
    image_field: Field, text_field: Field, tmp_path: Path, call: Call
) -> None:
    data = text_field.folder / "data" / "0.jsonl"
    called = call(
        "train", "--backbone", image_field.backbone, "--task", f"a={data}", "--out", tmp_path / "run"
    )
    assert_refused(called, 2, "found texts, expected images", "--backbone")


def test_2_an_unknown_device_profile(image_field: Field, tmp_path: Path, call: Call) -> None:
    called = call("export", image_field.run.folder, "--out", tmp_path / "bundle", "--device", "toaster")
    assert_refused(called, 2, "'toaster' does not exist", "generic-cpu")
    assert called.err.startswith("edgecl: ")


def test_3_a_task_does_not_pass_the_gate(
    image_field: Field, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx")
    fail_task(monkeypatch, "hues", max_difference=0.5)
    called = call("export", image_field.run.folder, "--out", tmp_path / "bundle", "--json")
    assert called.code == 3
    assert [Path(pack["path"]).name for pack in called.json["packs"]] == ["shades-1.ecpack", "tones-1.ecpack"]
    assert "task 'hues'" in called.json["refused"][0]
    assert "edgecl: task 'hues': features differ by 5.0e-01" in called.err


def test_3_the_backbone_does_not_pass_the_gate(
    image_field: Field, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx", change=tamper)
    called = call("export", image_field.run.folder, "--out", tmp_path / "bundle", "--json")
    assert_refused(called, 3, "the bare backbone: features differ", "It was not written")
    assert list(tmp_path.iterdir()) == []


def test_3_a_pack_for_another_backbone(image_field: Field, text_field: Field, call: Call) -> None:
    called = call("pack", "verify", text_field.pack("pets"), "--bundle", image_field.bundle)
    assert_refused(called, 3, "edgecl pack build RUN --task pets")


def test_3_a_folder_that_is_no_bundle(image_field: Field, tmp_path: Path, call: Call) -> None:
    assert_refused(call("pack", "verify", image_field.pack("hues"), "--bundle", tmp_path), 3, "bundle.json")


def test_5_a_flipped_bit_in_a_pack(image_field: Field, tmp_path: Path, call: Call) -> None:
    called = call("pack", "verify", flip_last_byte(image_field.pack("hues"), tmp_path), "--json")
    assert_refused(called, 5, "sha256 is", "The file is damaged")


def test_5_a_flipped_bit_in_a_bundle(image_field: Field, tmp_path: Path, call: Call) -> None:
    bundle = image_field.copy_bundle(tmp_path)
    flip_last_byte(image_field.bundle / "backbone.onnx", bundle)
    called = call("pack", "verify", image_field.pack("hues"), "--bundle", bundle)
    assert_refused(called, 5, "backbone.onnx", "Copy the bundle again")


def test_130_interrupted(
    image_field: Field, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgecl_export.bundle.export_graph", interrupt)
    called = call("export", image_field.run.folder, "--out", tmp_path / "bundle")
    assert_refused(called, 130, "stopped")
    assert list(tmp_path.iterdir()) == []


def test_130_a_training_that_was_begun_can_be_continued(
    image_field: Field, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgecl.training.one_task.train_lessons", interrupt)
    stream = ("--stream", image_field.stream, "--out", tmp_path / "run")
    called = call("train", "--backbone", image_field.backbone, *stream)
    assert_refused(called, 130, "stopped; the same command goes on with this training")


def test_130_a_training_that_was_not_begun_has_nothing_to_go_on_with(
    image_field: Field, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgecl.training.train.check_all", interrupt)
    stream = ("--stream", image_field.stream, "--out", tmp_path / "run")
    called = call("train", "--backbone", image_field.backbone, *stream)
    assert called.code == 130
    assert called.err.endswith("edgecl: stopped\n")


def test_an_error_that_nobody_foresaw_keeps_its_traceback(
    image_field: Field, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("edgecl_runtime.pack.read_pack", fail)
    with pytest.raises(ZeroDivisionError):
        call("pack", "show", image_field.pack("hues"))


def test_the_code_of_an_error_is_its_own(
    image_field: Field, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OddError(DataError):
        exit_code = 4

    def fail(*_: object) -> None:
        raise OddError("odd")

    monkeypatch.setattr("edgecl_runtime.pack.read_pack", fail)
    assert_refused(call("pack", "show", image_field.pack("hues")), 4, "edgecl: odd")


def test_code_4_is_a_hub_that_cannot_be_reached(tmp_path: Path) -> None:
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}
    }
    environment |= {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    command = [
        sys.executable,
        "-c",
        "from edgecl.cli import main; main()",
        "backbone",
        "show",
        "nobody/nothing",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    assert "the hub cannot be reached" in done.stderr
