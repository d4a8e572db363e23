from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecl_export.repository import copy_for_usb
from edgecl_runtime.cli import main
from tests.export.repository.factories import NOW, Signers, add, keyring, make_repository, make_signers
from tests.runtime.factories import IMAGE_BUNDLE, IMAGE_PACKS, forge

Capture = pytest.CaptureFixture[str]

LEAVES = IMAGE_PACKS / "leaves-1.ecpack"


class Site:
    """A signed repository, and the folder of a device."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signers: Signers = make_signers()
        self.repository = make_repository(folder / "repository", self.signers)
        add(self.repository, self.signers, IMAGE_BUNDLE, LEAVES)
        self.store = ["--store", str(folder / "device")]
        root = str(self.repository / "metadata" / "1.root.json")
        self.set_up = ["update", *self.store, "--repository", str(self.repository), "--root", root]

    def release_second(self) -> None:
        path = self.folder / "leaves-2.ecpack"
        path.write_bytes(forge(LEAVES.read_bytes(), manifest=lambda said: said.update(version=2)))
        add(self.repository, self.signers, path)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def cells(output: str) -> list[list[str]]:
    return [line.split("\t") for line in output.splitlines()]


def test_the_first_update_sets_the_device_up_and_prints_what_it_installed(
    site: Site, capsys: Capture
) -> None:
    assert main([*site.set_up, "--device-id", "press-7", "--task", "leaves"]) == 0
    output, errors = capsys.readouterr()
    assert [line[:2] for line in cells(output)] == [["installed", "the backbone"], ["installed", "leaves"]]
    assert errors == ""


def test_an_update_without_news_says_so(site: Site, capsys: Capture) -> None:
    main(site.set_up)
    capsys.readouterr()
    assert main(["update", *site.store]) == 0
    assert capsys.readouterr().out == "nothing new\n"


def test_an_update_as_json_is_one_object(site: Site, capsys: Capture) -> None:
    assert main([*site.set_up, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [change["action"] for change in said["changes"]] == ["installed", "installed"]
    assert said["errors"] == []


def test_a_network_that_is_down_has_its_own_exit_code(site: Site, capsys: Capture) -> None:
    main(site.set_up)
    capsys.readouterr()
    assert main(["update", *site.store, "--repository", "http://127.0.0.1:1/", "--json"]) == 4
    output, errors = capsys.readouterr()
    assert [error["error"] for error in json.loads(output)["errors"]] == ["TransferError"]
    assert errors.startswith("edgecl-device: ")


def test_a_root_that_is_not_the_repositorys_has_the_exit_code_of_signatures(
    site: Site, tmp_path: Path
) -> None:
    other = make_repository(tmp_path / "other", make_signers())
    assert main([*site.set_up[:-1], str(other / "metadata" / "1.root.json")]) == 5


def test_a_device_that_is_not_set_up_is_a_wrong_use(site: Site, capsys: Capture) -> None:
    assert main(["update", *site.store]) == 2
    assert "--repository URL --root ROOT.json" in capsys.readouterr().err


def test_a_copy_on_a_drive_is_installed(site: Site, tmp_path: Path, capsys: Capture) -> None:
    main(site.set_up)
    site.release_second()
    copy_for_usb(site.repository, tmp_path / "usb", keyring=keyring(site.signers), now=NOW)
    capsys.readouterr()
    assert main(["install", str(tmp_path / "usb"), *site.store]) == 0
    assert [line[:2] for line in cells(capsys.readouterr().out)] == [["installed", "leaves"]]


def test_a_rollback_brings_the_pack_before_back(site: Site, capsys: Capture) -> None:
    main(site.set_up)
    site.release_second()
    main(["update", *site.store])
    capsys.readouterr()
    assert main(["rollback", "leaves", *site.store]) == 0
    assert cells(capsys.readouterr().out)[0][:2] == ["reverted", "leaves"]
    main(["list", site.store[1]])
    assert cells(capsys.readouterr().out)[0][:2] == ["leaves", "version 1"]


def test_a_rollback_to_nothing_fails(site: Site, capsys: Capture) -> None:
    main(site.set_up)
    assert main(["rollback", "leaves", *site.store]) == 1
    assert main(["rollback", "--backbone", *site.store]) == 1
    assert "an earlier one to go back to" in capsys.readouterr().err


def test_the_status_shows_device_tasks_and_events(site: Site, capsys: Capture) -> None:
    main([*site.set_up, "--device-id", "press-7", "--device-class", "rpi5"])
    capsys.readouterr()
    assert main(["status", *site.store]) == 0
    lines = cells(capsys.readouterr().out)
    assert ["device", "press-7", "rpi5"] in lines
    assert ["task", "leaves", "release 1", "nothing to go back to"] in lines
    assert [line[2] for line in lines if line[0] == "event"] == ["installed", "installed"]


def test_the_status_as_json_names_what_is_in_use(site: Site, capsys: Capture) -> None:
    main(site.set_up)
    site.release_second()
    main(["update", *site.store])
    capsys.readouterr()
    assert main(["status", *site.store, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [(task["task"], task["release_counter"]) for task in said["tasks"]] == [("leaves", 2)]
    assert said["tasks"][0]["previous"]["release_counter"] == 1
    assert (said["trial"], said["quarantine"], said["withdrawn"]) == (None, {}, {})


def test_a_store_is_listed_run_and_verified_like_a_bundle(site: Site, capsys: Capture) -> None:
    main(site.set_up)
    capsys.readouterr()
    assert main(["list", site.store[1], "--json"]) == 0
    assert [pack["task"] for pack in json.loads(capsys.readouterr().out)["packs"]] == ["leaves"]
    assert main(["verify", site.store[1]]) == 0
    assert capsys.readouterr().out.startswith("leaves\tok")


def test_a_store_without_a_backbone_says_what_to_do(site: Site, capsys: Capture) -> None:
    main([*site.set_up, "--line", "other"])
    assert main(["list", site.store[1]]) == 1
    assert "edgecl-device update --store" in capsys.readouterr().err
