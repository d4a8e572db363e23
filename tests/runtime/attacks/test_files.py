"""Files that are no files, and names that lead elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgecl_runtime import BundleFormatError, PackError, PackFormatError, read_bundle, read_pack
from edgecl_runtime.pack_folder import read_pack_folder
from tests.runtime.attacks.mutations import KINDS, mutations
from tests.runtime.factories import copy_bundle, edit_json, write_pack_file

WATCH = """
import sys
from pathlib import Path
from edgecl_runtime import read_bundle
from edgecl_runtime.pack_folder import read_pack_folder
bundle, packs = sys.argv[1:]
read_pack_folder(read_bundle(bundle), packs, skip_bad_packs=True)
touched = set()
watched = ("open", "os.listdir", "os.scandir", "os.rename", "os.remove", "os.mkdir")
watched += ("subprocess.Popen", "socket.connect")
def note(event, arguments):
    if event in watched:
        touched.add((event, str(arguments[0])))
sys.addaudithook(note)
folder = read_pack_folder(read_bundle(bundle), packs, skip_bad_packs=True)
for event, path in sorted(touched): print(event, path)
print(len(folder.skipped), file=sys.stderr)
"""


def test_reading_hostile_packs_touches_nothing_outside_the_two_folders(tmp_path: Path) -> None:
    bundle, packs = copy_bundle(tmp_path).path, tmp_path / "packs"
    packs.mkdir()
    damaged = [raw for kind, _ in KINDS for raw in mutations(kind, 8)]
    for number, raw in enumerate(damaged):
        (packs / f"{number}.ecpack").write_bytes(raw)
    command = [sys.executable, "-c", WATCH, str(bundle), str(packs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    touched = [line.partition(" ")[2] for line in done.stdout.splitlines()]
    assert len(touched) > len(damaged)
    assert all(path.startswith((str(bundle), str(packs))) for path in touched)
    assert int(done.stderr) >= len(damaged) - 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ecpack")
    with pytest.raises(PackFormatError, match="no regular file"):
        read_pack(tmp_path / "pipe.ecpack")


def test_a_device_is_refused() -> None:
    with pytest.raises(PackFormatError, match="no regular file"):
        read_pack("/dev/zero")


def test_a_link_to_nowhere_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "link.ecpack").symlink_to(tmp_path / "gone")
    with pytest.raises(PackFormatError, match=r"link.ecpack"):
        read_pack(tmp_path / "link.ecpack")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.ecpack").touch()
    with pytest.raises(PackFormatError, match="found a header of 0 bytes in a file of 0"):
        read_pack(tmp_path / "empty.ecpack")


def test_a_name_with_a_null_byte_is_refused() -> None:
    with pytest.raises(PackError):
        read_pack("a\x00b.ecpack")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "sub/file", "..", ".", "a\\b", "", "a\nb"])
def test_a_bundle_cannot_name_files_outside_its_folder(tmp_path: Path, name: str) -> None:
    bundle = copy_bundle(tmp_path)
    (tmp_path / "secret").write_bytes(b"x")
    entry = {"sha256": "0" * 64, "size_bytes": 1}
    edit_json(bundle.path / "bundle.json", lambda value: value["files"].update({name: entry}))
    with pytest.raises(BundleFormatError, match=r"bundle.json: a key of files"):
        read_bundle(bundle.path)


def test_a_folder_named_like_a_pack_is_refused(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path)
    bundle.packs_path.mkdir()
    write_pack_file(bundle.packs_path)
    (bundle.packs_path / "folder.ecpack").mkdir()
    with pytest.raises(PackFormatError, match=r"folder.ecpack: found no regular file"):
        read_pack_folder(bundle)
