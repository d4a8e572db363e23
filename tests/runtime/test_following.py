from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgecl_runtime import InputError, Runtime, StoreError, UnknownTaskError
from edgecl_runtime.following import FollowingRuntime
from edgecl_runtime.store import Store
from tests.ota.field import Field, make_field
from tests.runtime.factories import IMAGE_PACKS, TEXT_BUNDLE

ITEM = np.zeros((20, 30, 3), np.uint8)


@pytest.fixture
def field(tmp_path: Path) -> Field:
    """A device that has the task "leaves"."""
    field = make_field(tmp_path)
    field.release_pack(raw=(IMAGE_PACKS / "leaves-1.ecpack").read_bytes())
    field.update()
    return field


def install_steel(field: Field) -> None:
    field.release_pack(task="steel", version=2, raw=(IMAGE_PACKS / "steel-2.ecpack").read_bytes())
    assert field.update().errors == ()


def install_other_leaves(field: Field) -> None:
    field.release_pack(version=2, release_counter=2)
    assert field.update().errors == ()


def test_a_store_is_opened_like_a_bundle(field: Field) -> None:
    runtime = Runtime.open(field.store)
    assert runtime.tasks == ("leaves",)
    assert runtime.predict(ITEM, task="leaves").task == "leaves"


def test_a_task_that_is_installed_can_be_asked_at_once(field: Field) -> None:
    runtime = Runtime.open(field.store)
    install_steel(field)
    assert runtime.predict(ITEM, task="steel").task == "steel"
    assert runtime.tasks == ("leaves", "steel")


def test_a_new_pack_replaces_the_old_one_and_a_revert_brings_it_back(field: Field) -> None:
    runtime = Runtime.open(field.store)
    before = runtime.predict(ITEM, task="leaves")
    install_other_leaves(field)
    assert not np.array_equal(runtime.predict(ITEM, task="leaves").features, before.features)
    with Store.open(field.store) as store:
        store.revert("leaves")
    after = runtime.predict(ITEM, task="leaves")
    assert np.array_equal(after.features, before.features)
    assert after.classes == before.classes


def test_packs_that_stay_are_not_read_again(field: Field) -> None:
    runtime = Runtime.open(field.store)
    pack = runtime.pack("leaves")
    install_steel(field)
    assert runtime.pack("leaves") is pack


def test_calls_of_other_threads_get_one_pack_or_the_other_while_packs_change(field: Field) -> None:
    runtime = Runtime.open(field.store)
    old, first = field.active, runtime.predict(ITEM, task="leaves").features.tobytes()
    install_other_leaves(field)
    new, second = field.active, runtime.predict(ITEM, task="leaves").features.tobytes()
    with ThreadPoolExecutor(2) as pool, Store.open(field.store) as store:
        asked = [pool.submit(runtime.predict, ITEM, task="leaves") for _ in range(100)]
        for selection in (old, new) * 10:
            store.begin_trial(selection)
            store.commit_trial()
        said = [future.result().features.tobytes() for future in asked]
    assert set(said) <= {first, second}


def test_a_withdrawn_task_is_closed(field: Field) -> None:
    runtime = Runtime.open(field.store)
    field.roll_out(field.versions["leaves"], withdrawn=True)
    field.update()
    with pytest.raises(UnknownTaskError):
        runtime.predict(ITEM, task="leaves")


def test_a_pack_that_somebody_still_uses_stays_mapped_after_it_was_deleted(field: Field) -> None:
    runtime = Runtime.open(field.store)
    pack = runtime.pack("leaves")
    weight = pack.tensors.head_weight.copy()
    field.roll_out(field.versions["leaves"], withdrawn=True, severity="unsafe")
    field.update()
    assert runtime.tasks == ()
    assert not pack.path.exists()
    assert np.array_equal(pack.tensors.head_weight, weight)


def test_a_new_backbone_is_opened_with_its_packs(field: Field) -> None:
    runtime = Runtime.open(field.store)
    field.release_bundle(TEXT_BUNDLE, release_counter=2)
    field.release_pack(source=TEXT_BUNDLE)
    assert field.update().errors == ()
    assert runtime.bundle.modality == "text"
    assert runtime.tasks == ("leaves",)


def test_a_pack_that_cannot_be_read_leaves_the_one_before_in_use(field: Field) -> None:
    runtime = Runtime.open(field.store)
    before = runtime.predict(ITEM, task="leaves")
    release = field.release_pack(version=2, release_counter=2)
    field.update()
    damaged = field.store / "store" / release.sha256
    damaged.chmod(0o644)
    damaged.write_bytes(b"damaged")
    after = runtime.predict(ITEM, task="leaves")
    assert np.array_equal(after.features, before.features)
    assert release.sha256 in str(runtime.skipped_packs[0])


def test_a_state_that_is_lost_leaves_the_runtime_as_it_is(field: Field) -> None:
    runtime = Runtime.open(field.store)
    for name in ("active.json", "active.json.prev"):
        (field.store / name).unlink(missing_ok=True)
    assert runtime.predict(ITEM, task="leaves").task == "leaves"
    assert isinstance(runtime, FollowingRuntime)
    assert runtime.behind is not None


def test_a_store_without_a_backbone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="edgecl-device update"):
        Runtime.open(Field(tmp_path).store)


def test_packs_of_ones_own_are_refused(field: Field) -> None:
    runtime = Runtime.open(field.store)
    with pytest.raises(InputError, match="updater"):
        runtime.add(IMAGE_PACKS / "steel-2.ecpack")
    with pytest.raises(InputError, match="updater"):
        runtime.remove("leaves")
    with pytest.raises(InputError, match="leave `packs` out"):
        Runtime.open(field.store, packs=[])


def public_names(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind) if not name.startswith("_")}


def test_every_public_name_of_a_runtime_follows() -> None:
    assert public_names(Runtime) - {"open"} <= set(vars(FollowingRuntime))
