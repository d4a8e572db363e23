"""The budget of the tasks in use."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecl_runtime import TaskPack, parse_pack
from edgecl_runtime.active import ActiveTasks
from tests.runtime.engine.factories import make_engine
from tests.runtime.factories import DIMENSIONS, make_pack, make_tensors

NAMES = ("a", "b", "c", "d")


def make_packs() -> dict[str, TaskPack]:
    """Return packs whose ranks, and so whose sizes, differ."""
    return {
        name: parse_pack(make_pack(task=name, tensors=make_tensors(rank=rank)), name)
        for rank, name in enumerate(NAMES)
    }


PACKS = make_packs()
SIZES = {
    name: ActiveTasks(make_engine(), DIMENSIONS, budget_bytes=0).task(pack).size_bytes
    for name, pack in PACKS.items()
}


def make_active(budget_bytes: int) -> ActiveTasks:
    return ActiveTasks(make_engine(), DIMENSIONS, budget_bytes=budget_bytes)


def kept(active: ActiveTasks) -> set[str]:
    digests = {digest for key in active._entries for digest in key}
    return {name for name, pack in PACKS.items() if pack.manifest.header_sha256 in digests}


def test_the_most_recently_used_tasks_stay() -> None:
    active = make_active(SIZES["a"] + SIZES["c"])
    for name in ("a", "b", "a", "c"):
        active.task(PACKS[name])
    assert (kept(active), active.size_bytes) == ({"a", "c"}, SIZES["a"] + SIZES["c"])


def test_a_task_above_the_budget_works_and_pushes_all_others_out() -> None:
    active = make_active(SIZES["d"] - 1)
    active.task(PACKS["a"])
    assert active.task(PACKS["d"]).size_bytes == SIZES["d"]
    assert (len(active), active.size_bytes) == (0, 0)


def test_a_set_of_tasks_counts_like_any_other() -> None:
    active = make_active(10**6)
    rows = active.rows([PACKS["a"], None, PACKS["b"]])
    assert (len(active), active.size_bytes) == (1, rows.size_bytes)


def test_rows_of_one_task_are_that_task() -> None:
    active = make_active(10**6)
    assert active.rows([PACKS["a"]] * 3) is active.task(PACKS["a"])
    assert active.rows([None, None]).placed is active.bare


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, sum(SIZES.values())),
    st.lists(st.tuples(st.sampled_from(["use", "drop"]), st.sampled_from(NAMES)), max_size=30),
)
def test_the_bytes_are_exact_and_never_above_the_budget(budget: int, steps: list[tuple[str, str]]) -> None:
    active = make_active(budget)
    for step, name in steps:
        (active.task if step == "use" else active.drop)(PACKS[name])
        assert active.size_bytes == sum(SIZES[each] for each in kept(active)) <= budget


@pytest.mark.parametrize("budget", [0, SIZES["b"] + SIZES["c"], 10**6])
def test_threads_leave_the_bytes_exact(budget: int) -> None:
    active = make_active(budget)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: active.task(PACKS[NAMES[number % 4]]), range(400)))
    assert active.size_bytes == sum(SIZES[each] for each in kept(active)) <= budget
