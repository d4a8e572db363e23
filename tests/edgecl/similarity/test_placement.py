from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecl.errors import DataError
from edgecl.similarity import Placement, place, random_distance

CORNERS = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])
TO_1_1 = np.sqrt([2.0, 10.0, 5.0])

several_seeds = pytest.mark.parametrize("seed", range(4))


def placed(anchors: np.ndarray, distances: np.ndarray, **options: Any) -> Placement:
    """Place a task by distances that mean something."""
    return place(anchors, distances, **{"reliable": True, "seed": 0, **options})


def make_anchors(count: int, width: int = 32) -> np.ndarray:
    """Return standard normal embeddings [count, width]."""
    return np.random.default_rng(0).standard_normal((count, width))


def objective(point: np.ndarray, gamma: float, anchors: np.ndarray, distances: np.ndarray) -> float:
    """Return what a placement minimises, with rho = 1e-3."""
    near = np.exp(-distances) / np.exp(-distances).sum()
    lengths = np.linalg.norm(point - anchors, axis=1)
    pull = np.square(point - near @ anchors).sum()
    return float((np.square(lengths - gamma * distances) / distances).sum() + 1e-3 * pull)


@several_seeds
def test_known_distances_in_the_plane_give_the_point(seed: int) -> None:
    placement = placed(CORNERS, TO_1_1, rho=0.0, gamma=1.0, seed=seed)
    assert placement.embedding == pytest.approx([1.0, 1.0], abs=1e-6)
    assert placement.gamma == 1.0


@several_seeds
def test_halved_distances_give_the_same_point_and_a_gamma_of_2(seed: int) -> None:
    placement = placed(CORNERS, TO_1_1 / 2.0, rho=0.0, seed=seed)
    assert placement.embedding == pytest.approx([1.0, 1.0], abs=1e-5)
    assert placement.gamma == pytest.approx(2.0, abs=1e-5)


def test_unreliable_distances_count_as_1() -> None:
    unreliable = place(CORNERS, TO_1_1, reliable=False, seed=0)
    equal = placed(CORNERS, np.ones(3))
    assert (unreliable.embedding == equal.embedding).all()


def test_equal_distances_give_the_centre_of_the_circle_through_the_tasks() -> None:
    placement = placed(CORNERS, np.ones(3), rho=0.0)
    assert placement.embedding == pytest.approx([2.0, 1.5], abs=1e-5)
    assert placement.gamma == pytest.approx(2.5, abs=1e-5)


def test_the_same_seed_gives_the_same_embedding_to_the_bit() -> None:
    anchors, distances = make_anchors(5), np.linspace(0.5, 2.0, 5)
    first, second = placed(anchors, distances, seed=7), placed(anchors, distances, seed=7)
    assert first.embedding.tobytes() == second.embedding.tobytes()
    assert first.embedding.tobytes() != placed(anchors, distances, seed=8).embedding.tobytes()


@pytest.mark.parametrize("count", [2, 3, 5, 20, 60])
def test_no_point_nearby_is_better(count: int) -> None:
    anchors, distances = make_anchors(count), np.linspace(0.25, 4.0, count)
    placement = placed(anchors, distances)
    best = objective(placement.embedding, placement.gamma, anchors, distances)
    moves = 0.01 * np.random.default_rng(1).standard_normal((50, 33))
    around = [
        objective(placement.embedding + move[:32], placement.gamma * np.exp(move[32]), anchors, distances)
        for move in moves
    ]
    assert best <= min(around)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(2, 8))
def test_distances_that_can_be_kept_are_kept_up_to_gamma(seed: int, count: int) -> None:
    anchors = np.random.default_rng(seed).standard_normal((count, 32))
    distances = np.linalg.norm(anchors - np.linspace(-1.0, 1.0, 32), axis=1) / 8.0
    placement = placed(anchors, distances, seed=seed, rho=0.0)
    lengths = np.linalg.norm(placement.embedding - anchors, axis=1)
    assert lengths == pytest.approx(placement.gamma * distances, rel=1e-4)


def test_the_first_task_is_standard_normal() -> None:
    placements = [placed(np.empty((0, 32)), np.empty(0), seed=seed) for seed in range(200)]
    embeddings = np.array([each.embedding for each in placements])
    assert embeddings.mean() == pytest.approx(0.0, abs=0.05)
    assert embeddings.std() == pytest.approx(1.0, abs=0.05)
    assert placements[0].gamma == 8.0


@pytest.mark.parametrize(("distance", "length"), [(1.0, 8.0), (0.5, 4.0)])
def test_the_second_task_lies_at_its_distance_from_the_first(distance: float, length: float) -> None:
    anchors = make_anchors(1)
    placement = placed(anchors, np.array([distance]))
    assert placement.gamma == math.sqrt(2 * 32)
    assert np.linalg.norm(placement.embedding - anchors[0]) == pytest.approx(length)


def test_tasks_at_one_place_still_give_an_embedding() -> None:
    placement = placed(np.ones((3, 4)), np.ones(3))
    assert np.isfinite([*placement.embedding, placement.gamma]).all()


@pytest.mark.parametrize(
    ("anchors", "distances", "said"),
    [
        (np.ones((2, 3)), np.ones(3), r"embeddings \[2, 3\] and distances \[3\]"),
        (np.ones(3), np.ones(3), "Give one distance for each known task"),
        (np.ones((2, 0)), np.ones(2), "Give one distance for each known task"),
        (np.ones((2, 3)), np.array([1.0, 0.0]), "positive distances"),
        (np.ones((2, 3)), np.array([1.0, np.inf]), "positive distances"),
        (np.full((2, 3), np.nan), np.ones(2), "positive distances"),
    ],
)
def test_distances_that_cannot_be_kept_are_refused(
    anchors: np.ndarray, distances: np.ndarray, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        placed(anchors, distances)


def test_tasks_that_are_placed_one_after_another_keep_their_distance() -> None:
    random = np.random.default_rng(0)
    length = random_distance(32)
    known = random.standard_normal((2, 32))
    for seed in range(20):
        distances = np.exp(0.3 * random.standard_normal(len(known)))
        found = place(known, distances, reliable=True, seed=seed, gamma=length)
        known = np.vstack([known, found.embedding])
    pairs = np.linalg.norm(known[:, None] - known, axis=2)[np.triu_indices(len(known), 1)]
    assert 0.5 * length < np.median(pairs) < 1.5 * length
