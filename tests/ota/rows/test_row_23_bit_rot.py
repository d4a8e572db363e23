"""Row 23: content rots on the disk; it is found, what is whole runs, and the damaged content can be fetched again."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecl_runtime.errors import IntegrityError, StateLostError
from edgecl_runtime.store import Blob, Store
from tests.ota.crash_states import MemoryFiles
from tests.ota.store_world import (
    BUNDLE_1,
    BUNDLE_2,
    CHANGED,
    INSTALLED,
    LEAVES_1,
    LEAVES_2,
    LEAVES_3,
    MOVED,
    UPDATED,
    Step,
    fetch,
    fetched,
    lose,
    rot,
)
from tests.ota.survival import FOLDER, complaints


def after(*steps: Step) -> MemoryFiles:
    files = MemoryFiles()
    for step in steps:
        step(files, FOLDER)
    return files


def test_a_rotten_pack_gives_way_to_the_previous_one() -> None:
    with Store.open(FOLDER, files=after(*CHANGED, rot(LEAVES_2))) as store:
        assert store.repair() == (LEAVES_2.sha256,)
        assert (store.state().active.packs["leaves"], store.has(LEAVES_2.sha256)) == (LEAVES_1, False)


def test_a_rotten_pack_is_not_in_quarantine_and_can_be_installed_again() -> None:
    files = after(*CHANGED, rot(LEAVES_2))
    with Store.open(FOLDER, files=files) as store:
        store.repair()
        assert not store.state().is_quarantined(LEAVES_2.sha256, LEAVES_2.release_counter)
        fetch(files, store, Blob(LEAVES_2.sha256, LEAVES_2.size_bytes))
        store.begin_trial(UPDATED)
        assert store.commit_trial().active == UPDATED


def test_a_task_whose_only_pack_rots_has_none_and_the_others_stay() -> None:
    with Store.open(FOLDER, files=after(*INSTALLED, rot(LEAVES_1))) as store:
        store.repair()
        assert list(store.state().active.packs) == ["steel"]


def test_a_rotten_backbone_gives_way_to_the_previous_set() -> None:
    with Store.open(FOLDER, files=after(*MOVED, rot(BUNDLE_2.files["backbone.onnx"]))) as store:
        store.repair()
        assert store.state().active == UPDATED


def test_a_rotten_only_backbone_is_fetched_again_and_its_view_shows_the_new_file() -> None:
    graph = BUNDLE_1.files["backbone.onnx"]
    files = after(*INSTALLED, rot(graph))
    with Store.open(FOLDER, files=files) as store:
        store.repair()
        assert store.missing() == {graph.sha256: graph.size_bytes}
        fetch(files, store, graph)
        store.restore_view()
    assert not complaints(files)


def test_a_rotten_previous_pack_is_not_gone_back_to() -> None:
    with Store.open(FOLDER, files=after(*CHANGED, rot(LEAVES_1))) as store:
        with pytest.raises(IntegrityError):
            store.revert("leaves")
        assert (store.state().active, store.state().previous) == (UPDATED, {})


def test_content_that_rots_before_its_trial_is_removed_and_not_tried() -> None:
    with Store.open(FOLDER, files=after(*CHANGED, fetched(LEAVES_3), rot(LEAVES_3))) as store:
        with pytest.raises(IntegrityError) as caught:
            store.begin_trial(UPDATED.with_pack(LEAVES_3))
        assert (caught.value.reason, store.has(LEAVES_3.sha256)) == ("damaged", False)


@pytest.mark.parametrize("name", ["active.json", "highwater.json"])
def test_a_rotten_record_gives_way_to_the_copy_of_the_one_before(name: str) -> None:
    files = after(*CHANGED)
    with Store.open(FOLDER, files=files) as store:
        store.high_water.raise_to(store.high_water.load())
        files.append(FOLDER / name, b"!")
        assert store.state().active.packs["steel"] == UPDATED.packs["steel"]


def test_when_both_copies_of_the_state_are_gone_that_is_said_and_contents_are_kept() -> None:
    with Store.open(FOLDER, files=after(*CHANGED, lose("active.json", "active.json.prev"))) as store:
        with pytest.raises(StateLostError):
            store.state()
        with pytest.raises(StateLostError):
            store.collect_garbage()
        store.start_over()
        assert store.has(LEAVES_2.sha256)


def test_a_lost_high_water_record_is_taken_from_the_state() -> None:
    with Store.open(FOLDER, files=after(*CHANGED, lose("highwater.json", "highwater.json.prev"))) as store:
        with pytest.raises(StateLostError):
            store.high_water.load()
        assert store.restore_high_water() == store.state().high_water == store.high_water.load()


class BadSector(MemoryFiles):
    """A disk that cannot read one file."""

    bad = Path()

    def read(self, path: Path) -> Iterator[bytes]:
        if path == self.bad:
            raise OSError(errno.EIO, "Input/output error", str(path))
        yield from super().read(path)


def test_content_on_a_bad_sector_is_damaged() -> None:
    files = BadSector(after(*CHANGED).now.image())
    files.bad = FOLDER / "store" / LEAVES_2.sha256
    with Store.open(FOLDER, files=files) as store:
        assert store.repair() == (LEAVES_2.sha256,)


def test_a_state_on_a_bad_sector_gives_way_to_the_copy_and_is_replaced() -> None:
    files = BadSector(after(*CHANGED).now.image())
    files.bad = FOLDER / "active.json"
    with Store.open(FOLDER, files=files) as store:
        store.reject_trial()
    files.bad = Path()
    with Store.open(FOLDER, files=files) as store:
        assert store.state().trial is None
