from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edgecl.generators import BoundedRows, IntervalConfig, adapter_plan
from edgecl.generators.interval import Box, through_linear, through_relu
from tests.edgecl.generators.factories import DEIT_T, SMALL, make_embeddings, make_interval, seeded

NESTED = IntervalConfig(nested=True)


def make_boxes(*, tasks: int, config: IntervalConfig) -> Box:
    network = make_interval(config)
    return network.box(make_embeddings(network, tasks=tasks))


def width(radius: float) -> Tensor:
    network = make_interval(dimensions=DEIT_T)
    centre, unit = network.box(make_embeddings(network, tasks=1))
    low, _, high = network.bounds(centre, radius * unit)
    return (high - low).detach()


def test_a_linear_layer_widens_a_box_by_its_absolute_weights() -> None:
    layer = nn.Linear(2, 1)
    nn.init.constant_(layer.bias, 3.0)
    layer.weight.data = torch.tensor([[2.0, -4.0]])
    centre, radius = through_linear(layer, torch.tensor([1.0, 1.0]), torch.tensor([0.5, 0.25]))
    assert (centre.item(), 2 * radius.item()) == (1.0, 2 * (2 * 0.5 + 4 * 0.25))


def test_relu_cuts_a_box_at_zero() -> None:
    centre, radius = through_relu(torch.tensor(0.0), torch.tensor(1.0))
    assert (centre.item(), radius.item()) == (0.5, 0.5)


@pytest.mark.parametrize("plan", [None, adapter_plan(SMALL, rank=1)])
@torch.no_grad()
def test_no_point_of_a_box_leaves_the_bounds(plan) -> None:
    network = make_interval(plan=plan)
    centre, radius = network.box(make_embeddings(network, tasks=1))
    low, _, high = network.bounds(centre, radius)
    rows = network.sample(centre.expand(10_000, -1), radius.expand(10_000, -1), generator=seeded())
    assert (rows >= low - 1e-6).all()
    assert (rows <= high + 1e-6).all()


@torch.no_grad()
def test_a_box_without_a_radius_is_a_point_all_the_way() -> None:
    network = make_interval()
    embeddings = make_embeddings(network, tasks=2)
    centre, radius = network.box(embeddings)
    bounds = network.bounds(centre, 0 * radius)
    assert all(torch.equal(rows, network(embeddings)) for rows in bounds)


def test_a_wider_box_has_wider_bounds() -> None:
    assert (width(0.1) > 0).all()
    assert (width(0.5) > width(0.1)).all()
    assert (width(1.0) > width(0.5)).all()


@torch.no_grad()
def test_the_middle_is_halfway_between_the_bounds() -> None:
    network = make_interval()
    low, middle, high = network.bounds(*network.box(make_embeddings(network, tasks=1)))
    torch.testing.assert_close(middle, (low + high) / 2, rtol=0.0, atol=1e-6)


def test_the_radii_of_a_box_add_up_to_epsilon() -> None:
    radius = make_boxes(tasks=3, config=IntervalConfig(epsilon=2.0)).radius
    torch.testing.assert_close(radius.sum(dim=-1), torch.full((3,), 2.0))


def test_a_nested_box_has_the_published_centre_and_radius() -> None:
    embedding = torch.tensor([0.0, torch.pi]).expand(1, 2, 2)
    centre, radius = make_interval(IntervalConfig(nested=True, task_size=2, epsilon=0.5)).box(embedding)
    torch.testing.assert_close(centre, torch.tensor([[0.125, -0.125]]))
    torch.testing.assert_close(radius, torch.tensor([[0.25, 0.25]]))


def test_nested_boxes_of_any_tasks_have_points_in_common() -> None:
    """At least ε / 2E to each side of a centre, and zero is one of them."""
    centre, radius = make_boxes(tasks=50, config=NESTED)
    low, high = (centre - radius).amax(dim=0), (centre + radius).amin(dim=0)
    assert ((high - low) / 2 >= 0.015625 - 1e-7).all()
    assert (low <= 0).all()
    assert (high >= 0).all()


def test_bounded_rows_are_lowest_middle_and_highest_of_every_block() -> None:
    network = make_interval()
    embeddings = make_embeddings(network, tasks=2)
    low, middle, high = BoundedRows(network)(embeddings).unflatten(1, (3, 3)).unbind(dim=1)
    expected = network.bounds(*network.box(embeddings))
    assert torch.equal(low, expected.low)
    assert torch.equal(middle, expected.middle)
    assert torch.equal(high, expected.high)


def test_place_and_radius_of_a_box_are_trained() -> None:
    network = make_interval()
    embeddings = make_embeddings(network, tasks=1).requires_grad_()
    low, _, high = network.bounds(*network.box(embeddings))
    (high.square().mean() + low.mean()).backward()
    assert embeddings.grad is not None
    assert (embeddings.grad != 0).all()


def test_a_random_point_comes_from_the_generator_alone() -> None:
    network = make_interval()
    box = network.box(make_embeddings(network, tasks=1))
    assert torch.equal(network.sample(*box, generator=seeded(1)), network.sample(*box, generator=seeded(1)))
    assert not torch.equal(
        network.sample(*box, generator=seeded(1)), network.sample(*box, generator=seeded(2))
    )


def test_layers_and_rows_are_frozen_after_the_first_task() -> None:
    network = make_interval()
    network.begin_task(1)
    assert {name for name, value in network.named_parameters() if not value.requires_grad} == {
        "rowwise.layer_embedding",
        "rowwise.row_embedding",
    }
