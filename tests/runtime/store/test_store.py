from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl_runtime.errors import IntegrityError, RollbackError, StateLostError, StoreError
from edgecl_runtime.store import DiskFiles, HighWater, Journal, State, Store, StoreReader
from edgecl_runtime.store.journal import MAX_JOURNAL_BYTES
from edgecl_runtime.store.state import parse_state
from edgecl_runtime.store.transitions import begin, commit, reject
from tests.runtime.store.records import make_blob, make_bundle, make_pack, make_selection, make_store, put

MAY = datetime(2026, 5, 1, tzinfo=timezone.utc)
JUNE = datetime(2026, 6, 1, tzinfo=timezone.utc)


def test_a_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        Store.open(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        Store.open(tmp_path / "nowhere")


def test_making_a_store_again_keeps_what_is_in_it(tmp_path: Path) -> None:
    folder = make_store(tmp_path)
    with Store.open(folder) as store:
        put(store, b"content")
    Store.create(folder)
    with Store.open(folder) as store:
        assert store.has(make_blob(b"content").sha256)


def test_making_a_store_again_does_not_hide_that_its_state_is_lost(tmp_path: Path) -> None:
    folder = make_store(tmp_path)
    with Store.open(folder) as store:
        put(store, b"content")
    (folder / "active.json").unlink()
    (folder / "highwater.json").unlink()
    Store.create(folder)
    with Store.open(folder) as store, pytest.raises(StateLostError):
        store.state()


def test_content_cannot_be_written_to_any_more(tmp_path: Path) -> None:
    with Store.open(make_store(tmp_path)) as store:
        blob = put(store, b"content")
        assert store.content_path(blob.sha256).stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("content", [b"cOntent", b"conten", b"content!", b""])
def test_other_bytes_are_refused_and_removed(tmp_path: Path, content: bytes) -> None:
    blob = make_blob(b"content")
    with Store.open(make_store(tmp_path)) as store:
        store.partial_path(blob.sha256).write_bytes(content)
        with pytest.raises(IntegrityError):
            store.adopt(blob.sha256, blob.size_bytes)
        assert not store.partial_path(blob.sha256).exists()
        assert not store.has(blob.sha256)


def test_a_wrong_size_is_refused_although_the_bytes_are_right(tmp_path: Path) -> None:
    blob = make_blob(b"content")
    with Store.open(make_store(tmp_path)) as store:
        store.partial_path(blob.sha256).write_bytes(b"content")
        with pytest.raises(IntegrityError):
            store.adopt(blob.sha256, blob.size_bytes + 1)


def test_content_that_is_there_is_not_taken_twice(tmp_path: Path) -> None:
    with Store.open(make_store(tmp_path)) as store:
        blob = put(store, b"content")
        store.partial_path(blob.sha256).write_bytes(b"half")
        store.adopt(blob.sha256, blob.size_bytes)
        assert not store.partial_path(blob.sha256).exists()


def test_a_selection_with_missing_content_is_not_tried(tmp_path: Path) -> None:
    with Store.open(make_store(tmp_path)) as store:
        with pytest.raises(StoreError, match="every content of the selection"):
            store.begin_trial(make_selection(make_pack()))
        assert store.state() == State()


def test_a_bundle_is_shown_as_a_folder_of_its_files(tmp_path: Path) -> None:
    bundle = make_bundle()
    with Store.open(make_store(tmp_path)) as store:
        for name in bundle.files:
            put(store, f"{name} 1".encode())
        store.begin_trial(make_selection())
        shown = {path.name: path.read_bytes() for path in store.view_path(bundle).iterdir()}
    assert shown == {"backbone.onnx": b"backbone.onnx 1", "bundle.json": b"bundle.json 1"}


def test_a_trial_that_was_cut_off_twice_is_ended_at_the_next_start(tmp_path: Path) -> None:
    pack = make_pack(content=b"a pack")
    with Store.open(make_store(tmp_path)) as store:
        put(store, b"a pack")
        chosen = State().active.with_pack(pack)
        store.begin_trial(chosen)
        assert store.recover() == ()
        store.begin_trial(chosen)
        assert store.recover() == (pack.sha256,)
        assert store.state().trial is None


def test_every_change_counts_the_generation_up_and_no_change_does_not(tmp_path: Path) -> None:
    with Store.open(make_store(tmp_path)) as store:
        put(store, b"a pack")
        begun = store.begin_trial(State().active.with_pack(make_pack(content=b"a pack")))
        assert (begun.generation, store.commit_trial().generation) == (1, 2)
        assert store.set_withdrawn({}).generation == 2


def test_a_reader_sees_what_was_committed(tmp_path: Path) -> None:
    folder, pack = make_store(tmp_path), make_pack(content=b"a pack")
    with Store.open(folder) as store:
        put(store, b"a pack")
        store.begin_trial(State().active.with_pack(pack))
        store.commit_trial()
    reader = StoreReader(folder)
    assert reader.content_path(reader.state().active.packs["leaves"].sha256).read_bytes() == b"a pack"


def test_a_reader_of_nothing_says_that_the_state_is_gone(tmp_path: Path) -> None:
    assert StoreReader(tmp_path).stamp() == (0, 0, 0)
    with pytest.raises(StateLostError):
        StoreReader(tmp_path).state()


def test_a_commit_remembers_what_metadata_was_accepted(tmp_path: Path) -> None:
    with Store.open(make_store(tmp_path)) as store:
        accepted = store.high_water.raise_to(HighWater({"root": 1}, MAY, "keys"))
        store.begin_trial(State().active)
        assert store.commit_trial().high_water == accepted


def test_versions_and_floor_never_fall(tmp_path: Path) -> None:
    with Store.open(make_store(tmp_path)) as store:
        store.high_water.raise_to(HighWater({"root": 1, "snapshot": 7}, JUNE, "keys"))
        store.high_water.raise_to(HighWater({"root": 1, "snapshot": 6, "targets": 2}, MAY, "keys"))
        assert store.high_water.load() == HighWater({"root": 1, "snapshot": 7, "targets": 2}, JUNE, "keys")


def test_a_lower_version_does_not_lower_a_record() -> None:
    assert HighWater({"snapshot": 7}).raised_to(HighWater({"snapshot": 6})) == HighWater({"snapshot": 7})


def test_other_keys_that_a_newer_root_names_start_anew(tmp_path: Path) -> None:
    with Store.open(make_store(tmp_path)) as store:
        store.high_water.raise_to(HighWater({"root": 1, "snapshot": 2**31}, JUNE, "stolen"))
        store.high_water.raise_to(HighWater({"root": 2, "snapshot": 8}, MAY, "new"))
        assert store.high_water.load() == HighWater({"root": 2, "snapshot": 8}, MAY, "new")


def test_other_keys_without_a_newer_root_are_refused(tmp_path: Path) -> None:
    with Store.open(make_store(tmp_path)) as store:
        store.high_water.raise_to(HighWater({"root": 2, "snapshot": 8}, MAY, "new"))
        with pytest.raises(RollbackError):
            store.high_water.raise_to(HighWater({"root": 2, "snapshot": 1}, MAY, "old"))


def test_a_state_with_one_other_digit_is_damaged(tmp_path: Path) -> None:
    folder = make_store(tmp_path)
    path = folder / "active.json"
    path.write_text(path.read_text().replace('"generation": 0', '"generation": 7'))
    with pytest.raises(StateLostError):
        StoreReader(folder).state()


def test_a_state_of_a_newer_format_is_kept_and_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="format_version.*newer edgecl-runtime"):
        parse_state({**State().to_json(), "format_version": 2}, "active.json")


@given(st.integers(0, 2**40), st.booleans(), st.booleans())
def test_a_state_is_read_as_it_was_written(generation: int, tried: bool, refused: bool) -> None:
    state = commit(begin(State(generation=generation), make_selection(make_pack(), make_pack("steel"))))
    state = begin(state, make_selection(make_pack("leaves", 2))) if tried or refused else state
    state = reject(state) if refused else state
    assert parse_state(json.loads(json.dumps(state.to_json())), "here") == state


@pytest.mark.parametrize("name", ["../up", "/etc", ".hidden", "a b", "", "x" * 129])
def test_a_bundle_with_a_file_of_a_strange_name_is_refused(name: str) -> None:
    data = State(active=make_selection()).to_json()
    data["active"]["bundle"]["files"][name] = {"sha256": "0" * 64, "size_bytes": 1}
    with pytest.raises(StoreError):
        parse_state(data, "here")


def test_the_journal_tells_in_order_what_happened(tmp_path: Path) -> None:
    journal = Journal(DiskFiles(), tmp_path / "journal.jsonl", now=lambda: MAY)
    journal.append("committed", task="leaves")
    journal.append("reverted")
    assert journal.read() == [
        {"time": "2026-05-01T00:00:00Z", "event": "committed", "task": "leaves"},
        {"time": "2026-05-01T00:00:00Z", "event": "reverted"},
    ]


def test_a_torn_line_of_the_journal_costs_that_line_only(tmp_path: Path) -> None:
    journal = Journal(DiskFiles(), tmp_path / "journal.jsonl")
    journal.append("first")
    with (tmp_path / "journal.jsonl").open("a") as stream:
        stream.write('\n{"event": "to')
    journal.append("last")
    assert [event["event"] for event in journal.read()] == ["first", "last"]


def test_the_journal_keeps_the_newest_within_two_files(tmp_path: Path) -> None:
    journal = Journal(DiskFiles(), tmp_path / "journal.jsonl")
    for number in range(9):
        journal.append("event", number=number, filler="x" * (MAX_JOURNAL_BYTES // 3))
    assert [event["number"] for event in journal.read()] == [6, 7, 8]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * MAX_JOURNAL_BYTES


def test_a_journal_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    Journal(DiskFiles(), tmp_path / "nowhere" / "journal.jsonl").append("event")
