"""Row 26: room is found before anything is fetched, and never by deleting what runs or what one can go back to."""

from __future__ import annotations

import pytest

from edgecl_runtime.errors import QuotaError
from edgecl_runtime.store import Blob, Store
from tests.ota.crash_states import MemoryFiles
from tests.ota.store_world import (
    BUNDLE_1,
    CHANGED,
    INSTALLED,
    LEAVES_1,
    LEAVES_2,
    LEAVES_3,
    LITTERED,
    MOVED,
    ON_TRIAL,
    ORPHAN,
    SET_1,
    SET_2,
    STEEL_1,
    UPDATED,
    Step,
    fetched,
    install,
    make_pack,
    with_store,
)
from tests.ota.survival import FOLDER, complaints

MB = 1_000_000
NEW = "f" * 64


def after(*steps: Step, free_bytes: int = 1 << 40) -> MemoryFiles:
    files = MemoryFiles()
    for step in steps:
        step(files, FOLDER)
    return MemoryFiles(files.now.image(), free_bytes=free_bytes)


def test_what_fits_the_quota_with_a_tenth_and_8_mb_is_let_in() -> None:
    with Store.open(FOLDER, files=after(*CHANGED), quota_bytes=19 * MB + 500) as store:
        store.reserve({NEW: 10 * MB})


def test_what_does_not_fit_the_quota_is_refused_with_both_figures() -> None:
    with (
        Store.open(FOLDER, files=after(*CHANGED), quota_bytes=19 * MB) as store,
        pytest.raises(QuotaError, match="left of the quota, expected 19000000 bytes"),
    ):
        store.reserve({NEW: 10 * MB})


def test_what_does_not_fit_the_disk_is_refused() -> None:
    with (
        Store.open(FOLDER, files=after(*CHANGED, free_bytes=9 * MB)) as store,
        pytest.raises(QuotaError, match="9000000 bytes free on the disk"),
    ):
        store.reserve({NEW: 10 * MB})


def test_what_is_there_already_needs_no_room() -> None:
    with Store.open(FOLDER, files=after(*CHANGED, free_bytes=0), quota_bytes=0) as store:
        store.reserve(UPDATED.blobs())


def test_what_is_half_fetched_needs_room_for_the_other_half() -> None:
    files = after(*CHANGED, free_bytes=8 * MB + 660)
    files.append(FOLDER / "partial" / NEW, bytes(400))
    with Store.open(FOLDER, files=files) as store:
        store.reserve({NEW: 1000})


def test_garbage_goes_before_anything_is_refused() -> None:
    with Store.open(FOLDER, files=after(*LITTERED)) as store:
        store.reserve({NEW: 1})
        assert not store.has(ORPHAN.sha256)


def test_half_fetched_content_that_is_not_wanted_goes() -> None:
    files = after(*LITTERED)
    with Store.open(FOLDER, files=files) as store:
        store.reserve({NEW: 1})
    assert not files.entries(FOLDER / "partial")


def test_half_fetched_content_that_is_wanted_stays() -> None:
    files = after(*LITTERED)
    with Store.open(FOLDER, files=files) as store:
        store.reserve({LEAVES_3.sha256: LEAVES_3.size_bytes})
    assert list(files.entries(FOLDER / "partial")) == [LEAVES_3.sha256]


def test_content_that_is_wanted_and_there_is_not_garbage() -> None:
    with Store.open(FOLDER, files=after(*CHANGED, fetched(LEAVES_3))) as store:
        store.reserve({LEAVES_3.sha256: LEAVES_3.size_bytes})
        assert store.has(LEAVES_3.sha256)


@pytest.mark.parametrize("kept", [LEAVES_1, LEAVES_2, STEEL_1], ids=["previous", "active", "other task"])
def test_what_runs_and_what_one_can_go_back_to_is_never_garbage(kept: Blob) -> None:
    with Store.open(FOLDER, files=after(*LITTERED)) as store:
        store.collect_garbage()
        assert store.has(kept.sha256)


def test_what_is_under_trial_is_never_garbage() -> None:
    with Store.open(FOLDER, files=after(*ON_TRIAL)) as store:
        store.collect_garbage()
        assert store.has(LEAVES_3.sha256)


def test_the_backbone_before_is_kept_with_its_packs_and_its_view() -> None:
    files = after(*MOVED)
    with Store.open(FOLDER, files=files) as store:
        store.collect_garbage()
        assert store.revert_set().active == UPDATED
    assert not complaints(files)


def test_what_the_copy_of_the_state_before_names_is_kept() -> None:
    files = after(*INSTALLED, install(SET_1.with_pack(LEAVES_2)), install(SET_1.with_pack(LEAVES_3)))
    files.append(FOLDER / "active.json", b"!")
    with Store.open(FOLDER, files=files) as store:
        store.collect_garbage()
    assert not complaints(files)


def test_the_pack_before_the_previous_one_is_garbage() -> None:
    fourth = make_pack("leaves", 4)
    files = after(*CHANGED, install(UPDATED.with_pack(LEAVES_3)), install(UPDATED.with_pack(fourth)))
    with Store.open(FOLDER, files=files) as store:
        assert [store.has(pack.sha256) for pack in (LEAVES_1, LEAVES_3, fourth)] == [False, True, True]


def test_a_backbone_that_was_left_goes_with_its_view() -> None:
    files = after(*MOVED, with_store(lambda store: store.revert_set()), install(SET_1), install(UPDATED))
    assert list(files.entries(FOLDER / "bundles")) == [BUNDLE_1.sha256]


def test_withdrawn_content_is_kept_unless_it_is_unsafe() -> None:
    with Store.open(FOLDER, files=after(*CHANGED)) as store:
        store.set_withdrawn({LEAVES_2.sha256: "normal"})
        store.collect_garbage()
        assert store.has(LEAVES_2.sha256)


def test_unsafe_content_goes_at_once() -> None:
    with Store.open(FOLDER, files=after(*CHANGED)) as store:
        store.set_withdrawn({LEAVES_2.sha256: "unsafe"})
        assert (store.has(LEAVES_2.sha256), store.state().active.packs["leaves"]) == (False, LEAVES_1)


def test_a_set_that_was_never_tried_leaves_nothing() -> None:
    blobs = [Blob(sha256, size) for sha256, size in SET_2.blobs().items()]
    with Store.open(FOLDER, files=after(*CHANGED, fetched(*blobs))) as store:
        freed = store.collect_garbage()
        assert freed == sum(SET_2.blobs().values())
