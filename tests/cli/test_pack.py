from __future__ import annotations

import re
from pathlib import Path

from edgecl_runtime import read_pack
from tests.cli.conftest import Call
from tests.exported import ADDED, Field, add_task, digests, make_data


def test_show_prints_what_a_pack_says_about_itself(image_field: Field, call: Call) -> None:
    called = call("pack", "show", image_field.pack("hues"))
    rows = dict(re.split(r" {2,}", line) for line in called.out.splitlines()[1:])
    assert rows["task"] == "hues, version 1"
    assert rows["labels"] == "0, 1, 2"
    assert rows["method"] == "adaprefix"
    assert rows["test items"] == "9"


def test_show_as_json_is_the_whole_manifest(image_field: Field, call: Call) -> None:
    path = image_field.pack("hues")
    result = call("pack", "show", path, "--json").json
    assert result == {
        "path": str(path),
        "bytes": path.stat().st_size,
        "manifest": read_pack(path).manifest.to_json(),
    }


def test_verify_without_a_bundle_checks_the_bytes(image_field: Field, call: Call) -> None:
    called = call("pack", "verify", image_field.pack("hues"))
    assert called.out == f"{image_field.pack('hues')}: intact, task hues, version 1\n"
    assert called.err == ""


def test_verify_with_a_bundle_reproduces_the_probe(image_field: Field, call: Call) -> None:
    called = call("pack", "verify", image_field.pack("hues"), "--bundle", image_field.bundle)
    assert called.code == 0
    assert "; probe reproduced within " in called.out


def test_verify_as_json_says_how_far_the_probe_is(image_field: Field, call: Call) -> None:
    path = image_field.pack("hues")
    result = call("pack", "verify", path, "--bundle", image_field.bundle, "--json").json
    assert 0 <= result.pop("probe_max_difference") < 1e-5
    assert result == {"pack": str(path), "task": "hues", "version": 1, "intact": True}


def test_verify_does_not_care_which_packs_the_bundle_has(
    image_field: Field, tmp_path: Path, call: Call
) -> None:
    bundle = image_field.copy_bundle(tmp_path)
    newer = bundle / "packs" / "hues-2.ecpack"
    build = ("pack", "build", image_field.run.folder, "--task", "hues", "--bundle", bundle)
    assert call(*build, "--out", newer, "--version", 2).code == 0
    assert call("pack", "verify", image_field.pack("hues"), "--bundle", bundle).code == 0


def test_build_adds_a_task_to_the_field_and_changes_nothing_there(
    image_field: Field, tmp_path: Path, call: Call
) -> None:
    run, bundle = image_field.copy_run(tmp_path), image_field.copy_bundle(tmp_path)
    add_task(run, make_data(tmp_path, "image", number=9))
    out = tmp_path / f"{ADDED}-1.ecpack"
    command = ("pack", "build", run.folder, "--task", ADDED, "--bundle", bundle, "--out", out)
    result = call(*command, "--json").json
    assert (result["pack"], result["task"], result["version"]) == (str(out), ADDED, 1)
    assert result["bytes"] == out.stat().st_size
    assert result["parity"]["labels_differ"] == 0
    assert digests(bundle) == digests(image_field.bundle)


def test_build_says_what_it_wrote_and_what_the_gate_measured(
    image_field: Field, tmp_path: Path, call: Call
) -> None:
    out = tmp_path / "hues.ecpack"
    called = call(
        "pack",
        "build",
        image_field.run.folder,
        "--task",
        "hues",
        "--bundle",
        image_field.bundle,
        "--out",
        out,
    )
    assert called.out.startswith(f"{out}: task hues, version 1, ")
    assert called.err.startswith("parity, hues: features within ")


def test_build_does_not_overwrite(image_field: Field, tmp_path: Path, call: Call) -> None:
    out = tmp_path / "hues.ecpack"
    out.touch()
    called = call(
        "pack",
        "build",
        image_field.run.folder,
        "--task",
        "hues",
        "--bundle",
        image_field.bundle,
        "--out",
        out,
    )
    assert (called.code, called.out, out.read_bytes()) == (1, "", b"")
    assert called.err.startswith(f"edgecl: {out}: exists already, and a pack is never changed")


def test_build_for_a_bundle_of_another_backbone_is_refused(
    image_field: Field, text_field: Field, tmp_path: Path, call: Call
) -> None:
    command = ("pack", "build", image_field.run.folder, "--task", "hues", "--bundle", text_field.bundle)
    called = call(*command, "--out", tmp_path / "hues.ecpack")
    assert called.out == ""
    assert "Name the bundle that was exported from this run" in called.err
    assert list(tmp_path.iterdir()) == []


def test_build_in_int8_says_what_it_costs(image_field: Field, tmp_path: Path, call: Call) -> None:
    out = tmp_path / "hues-2.ecpack"
    command = ("pack", "build", image_field.run.folder, "--task", "hues", "--bundle", image_field.bundle)
    called = call(
        *command, "--out", out, "--version", "2", "--tensors", "int8", "--max-loss", "100", "--json"
    )
    assert (called.json["loss"]["pack_type"], called.json["parity"]["labels_differ"]) == ("I8", 0)
    assert "tensors in I8" in called.err
    assert read_pack(out).manifest.format_version == 2
