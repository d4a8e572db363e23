from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgecl.generators import choose_tasks, drift
from edgecl.generators.drift import DriftForm
from tests.edgecl.generators.factories import seeded

FORMS: tuple[DriftForm, ...] = ("frob", "ms", "sq", "rel")
STORED = torch.randn(4, 3, 6, 16, generator=seeded(1))
NOW = STORED + torch.randn(4, 3, 6, 16, generator=seeded(2))


@pytest.mark.parametrize("form", FORMS)
def test_what_has_not_moved_has_no_drift_and_no_gradient(form: DriftForm) -> None:
    now = STORED.clone().requires_grad_()
    loss = drift(now, STORED, form=form)
    loss.backward()
    assert loss.item() == 0
    assert now.grad is not None
    assert torch.count_nonzero(now.grad) == 0


def test_the_forms_of_a_shift_by_a_half() -> None:
    """96 entries per block and 288 per task, each moved by 0.5; the stored ones are all 2."""
    stored = torch.full((4, 3, 6, 16), 2.0)
    found = [drift(stored + 0.5, stored, form=form).item() for form in FORMS]
    assert found == pytest.approx([0.5 * 96**0.5, 0.25, 288 * 0.25, 0.0625])


def test_a_relative_drift_of_each_task_is_measured_by_its_own_size() -> None:
    stored = torch.stack((torch.full((3, 6, 16), 0.1), torch.full((3, 6, 16), 10.0)))
    assert drift(1.5 * stored, stored, form="rel").item() == pytest.approx(0.25)


@pytest.mark.parametrize("form", FORMS)
def test_the_drift_of_tasks_is_the_mean_of_each(form: DriftForm) -> None:
    alone = [drift(NOW[task : task + 1], STORED[task : task + 1], form=form) for task in range(4)]
    torch.testing.assert_close(drift(NOW, STORED, form=form), torch.stack(alone).mean())


def test_a_linear_network_drifts_by_what_its_change_makes_of_the_embedding() -> None:
    """|dW e|² / (D v) for h(e) = W e."""
    weight, change = torch.randn(16, 8, generator=seeded(1)), torch.randn(16, 8, generator=seeded(2))
    embedding = torch.randn(8, generator=seeded(3))
    stored, now = (weight @ embedding)[None, None, None], ((weight + change) @ embedding)[None, None, None]
    expected = (change @ embedding).square().sum() / (16 * stored.square().mean())
    torch.testing.assert_close(drift(now, stored, form="rel"), expected)


def test_a_change_that_no_earlier_embedding_sees_is_no_drift() -> None:
    embeddings = torch.eye(8)[:3]
    change = torch.randn(16, 8, generator=seeded()) * torch.tensor([0.0] * 3 + [1.0] * 5)
    weight = torch.randn(16, 8, generator=seeded(1))
    now, stored = embeddings @ (weight + change).T, embeddings @ weight.T
    assert drift(now[:, None, None], stored[:, None, None], form="ms").item() == 0


@pytest.mark.parametrize("form", FORMS)
def test_without_earlier_tasks_there_is_no_drift(form: DriftForm) -> None:
    assert drift(NOW[:0], STORED[:0], form=form).item() == 0


def test_rows_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="drift: rows"):
        drift(NOW[:1], STORED, form="ms")


@pytest.mark.parametrize("form", FORMS)
def test_the_drift_of_rows_that_were_stored_as_zeros_is_finite(form: DriftForm) -> None:
    assert torch.isfinite(drift(torch.ones(1, 1, 1, 4), torch.zeros(1, 1, 1, 4), form=form))


@given(count=st.integers(0, 600), at_most=st.integers(1, 20), seed=st.integers(0, 100))
def test_a_step_looks_at_a_bounded_number_of_different_tasks(count: int, at_most: int, seed: int) -> None:
    chosen = choose_tasks(count, at_most, np.random.default_rng(seed)).tolist()
    assert len(chosen) == min(count, at_most)
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(range(count))


def test_few_tasks_are_all_looked_at() -> None:
    assert choose_tasks(5, 16, np.random.default_rng(0)).tolist() == [0, 1, 2, 3, 4]


def test_every_task_is_looked_at_some_time() -> None:
    rng = np.random.default_rng(0)
    assert set(torch.cat([choose_tasks(20, 4, rng) for _ in range(100)]).tolist()) == set(range(20))
