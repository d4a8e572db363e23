from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecl.pretraining.config import OptimisationConfig
from edgecl.pretraining.schedule import Budget, Order, rate_factor


@pytest.mark.parametrize(
    ("done", "factor"), [(0.0, 0.01), (0.05, 0.5), (0.1, 1.0), (0.55, 0.5), (1.0, 0.0), (1.5, 0.0)]
)
def test_the_rate_rises_and_falls_as_a_cosine(done: float, factor: float) -> None:
    assert rate_factor(done, 0.1) == pytest.approx(factor)


def test_without_warm_up_the_first_step_has_the_full_rate() -> None:
    assert rate_factor(0.0, 0.0) == 1.0


@pytest.mark.parametrize("warmup", [0.0, 0.5, 1.0])
def test_the_rate_ends_at_zero(warmup: float) -> None:
    assert rate_factor(1.0, warmup) == 0.0


def test_epochs_are_steps() -> None:
    budget = Budget.plan(Order.of(1000, 100, 0), OptimisationConfig(epochs=2.5))
    assert (budget.total, budget.by_clock) == (25, False)
    assert budget.done(5, seconds=1e9) == 0.2


def test_minutes_are_the_clock() -> None:
    budget = Budget.plan(Order.of(1000, 100, 0), OptimisationConfig(minutes=2))
    assert budget.done(10**9, seconds=60) == 0.5


def test_a_budget_has_at_least_one_step() -> None:
    assert Budget.plan(Order.of(8, 8, 0), OptimisationConfig(epochs=0.01)).total == 1


def test_a_batch_is_no_larger_than_the_set() -> None:
    assert sorted(Order.of(5, 8, 0).rows(3).tolist()) == [0, 1, 2, 3, 4]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 5))
def test_a_pass_takes_each_image_once_at_most(images: int, batch: int, seed: int) -> None:
    order = Order.of(images, batch, seed)
    steps = images // order.batch_size
    seen = [row for step in range(steps, 2 * steps) for row in order.rows(step).tolist()]
    assert len(seen) == len(set(seen)) == steps * order.batch_size


def test_passes_and_seeds_have_orders_of_their_own() -> None:
    one, other = Order(40, 40, 0), Order(40, 40, 1)
    assert len({tuple(rows.tolist()) for rows in (one.rows(0), one.rows(1), other.rows(0))}) == 3
    assert one.rows(0).tolist() == Order(40, 40, 0).rows(0).tolist()
