from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl.config import TrainingConfig
from edgecl.training.schedule import Schedule

recipes = st.builds(
    TrainingConfig,
    epochs=st.integers(1, 20),
    min_steps=st.integers(0, 200),
    batch_size=st.integers(1, 64),
    warmup_fraction=st.floats(0, 1),
    final_fraction=st.floats(0, 1),
)
schedules = st.builds(Schedule.plan, st.lists(st.integers(1, 500), min_size=1, max_size=3), recipes)


def make_schedule(*, steps: int = 10, warmup: int = 4, final_fraction: float = 0.1) -> Schedule:
    return Schedule(steps_per_epoch=steps, epochs=1, warmup_steps=warmup, final_fraction=final_fraction)


def curve(schedule: Schedule) -> list[float]:
    return [schedule.factor(step) for step in range(schedule.steps)]


@given(st.integers(1, 500), recipes)
def test_every_item_is_seen_often_enough(items: int, config: TrainingConfig) -> None:
    schedule = Schedule.plan([items], config)
    assert schedule.steps_per_epoch == math.ceil(items / config.batch_size)
    assert schedule.epochs >= config.epochs
    assert schedule.steps >= config.min_steps


@given(st.integers(1, 500), recipes)
def test_no_more_epochs_are_planned_than_asked_for(items: int, config: TrainingConfig) -> None:
    schedule = Schedule.plan([items], config)
    fewer = schedule.epochs - 1
    assert fewer < config.epochs or fewer * schedule.steps_per_epoch < config.min_steps


@given(schedules)
def test_the_factor_is_never_above_one_nor_below_where_it_ends(schedule: Schedule) -> None:
    after = curve(schedule)[schedule.warmup_steps :]
    assert max(curve(schedule)) <= 1.0
    assert min(after, default=1.0) >= schedule.final_fraction - 1e-12


@given(schedules)
def test_the_factor_rises_to_one_and_then_falls(schedule: Schedule) -> None:
    rising, falling = curve(schedule)[: schedule.warmup_steps], curve(schedule)[schedule.warmup_steps :]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert 1.0 in rising or falling[0] == 1.0


def test_the_warm_up_is_a_line() -> None:
    assert curve(make_schedule(warmup=4))[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]


@pytest.mark.parametrize("final_fraction", [0.0, 0.1, 1.0])
def test_the_cosine_ends_at_the_final_fraction(final_fraction: float) -> None:
    schedule = make_schedule(final_fraction=final_fraction)
    assert schedule.factor(schedule.steps) == pytest.approx(final_fraction)


def test_the_cosine_is_half_way_in_the_middle() -> None:
    assert make_schedule(warmup=0, final_fraction=0.2).factor(5) == pytest.approx(0.6)
