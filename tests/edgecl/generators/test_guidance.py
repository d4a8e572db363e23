from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edgecl.generators import (
    decoder_loss,
    distance_loss,
    fresh_decoder,
    guidance_weight,
    paper_loss,
    shared_decoder,
)
from tests.edgecl.generators.factories import count, seeded

ANCHORS = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])
DISTANCES = torch.tensor([2.0, 10.0, 5.0]).sqrt()
CONSTANT = torch.ones(128)


def train(decoder: nn.Module, loss, *, steps: int, rate: float) -> float:
    """Return the loss after some steps on the decoder alone."""
    optimizer = torch.optim.Adam(decoder.parameters(), lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    return float(loss().detach())


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=seeded(seed))


@pytest.mark.parametrize(
    ("position", "progress", "weight"),
    [
        (0, 0.0, 0.0),
        (1, 0.0, 0.0),
        (2, 0.0, 0.1),
        (10, 0.5, 0.5),
        (20, 0.25, 1.0),
        (300, 0.5, 1.0),
        (300, 0.75, 0.5),
        (2, 1.0, 0.0),
    ],
)
def test_guidance_grows_with_the_tasks_and_fades_in_the_second_half(
    position: int, progress: float, weight: float
) -> None:
    assert guidance_weight(position, progress=progress) == pytest.approx(weight)


def test_without_fading_guidance_keeps_its_weight() -> None:
    weights = {guidance_weight(10, progress=progress, fade=False) for progress in (0.0, 0.6, 1.0)}
    assert weights == {0.5}


def test_the_weight_per_task_can_be_chosen() -> None:
    assert guidance_weight(4, progress=0.0, per_task=0.2) == pytest.approx(0.8)


def test_an_embedding_at_the_measured_distances_has_no_loss() -> None:
    loss = distance_loss(torch.tensor([1.0, 1.0]), ANCHORS, DISTANCES, gamma=1.0)
    assert loss.item() == pytest.approx(0.0, abs=1e-12)


def test_distances_are_measured_in_units_of_gamma() -> None:
    loss = distance_loss(torch.tensor([1.0, 1.0]), ANCHORS, DISTANCES / 2, gamma=2.0)
    assert loss.item() == pytest.approx(0.0, abs=1e-12)


def test_the_distance_loss_weighs_near_tasks_more() -> None:
    """(3 - 2)² / 2 and (3 - 4)² / 4, in the mean."""
    anchors = torch.tensor([[3.0, 0.0], [-3.0, 0.0]])
    loss = distance_loss(torch.zeros(2), anchors, torch.tensor([2.0, 4.0]), gamma=1.0)
    assert loss.item() == pytest.approx((1 / 2 + 1 / 4) / 2)


def test_an_embedding_follows_the_distance_loss_to_its_place() -> None:
    embedding = torch.tensor([0.5, 0.2], requires_grad=True)
    optimizer = torch.optim.Adam([embedding], lr=0.02)
    for _ in range(400):
        optimizer.zero_grad()
        distance_loss(embedding, ANCHORS, DISTANCES, gamma=1.0).backward()
        optimizer.step()
    torch.testing.assert_close(embedding.detach(), torch.tensor([1.0, 1.0]), rtol=0.0, atol=1e-2)


def test_the_shared_decoder_has_as_many_parameters_as_the_formula_says() -> None:
    assert count(shared_decoder(128, 32, generator=seeded())) == 10_336


def test_decoders_start_from_the_generator_alone() -> None:
    state = torch.random.get_rng_state()
    first, again = (shared_decoder(128, 32, generator=seeded(1))(CONSTANT) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_decoder_that_ignores_its_input_cannot_lose_the_shared_loss() -> None:
    """Two earlier tasks lie opposite each other: the best constant leaves 1 - |sum of directions| / 2 = 1."""
    decoder, guide, anchors = (
        shared_decoder(128, 32, generator=seeded()),
        random(32, seed=1),
        random(2, 32, seed=2),
    )
    earlier = CONSTANT.expand(2, -1)
    found = train(
        decoder,
        lambda: decoder_loss(decoder, CONSTANT, guide, earlier=earlier, anchors=anchors),
        steps=200,
        rate=1e-2,
    )
    assert found >= 1 - 1e-5


def test_a_decoder_that_reads_its_input_loses_the_shared_loss() -> None:
    decoder, guide, anchors = (
        shared_decoder(128, 32, generator=seeded()),
        random(32, seed=1),
        random(2, 32, seed=2),
    )
    encoded, earlier = random(128, seed=3), random(2, 128, seed=4)
    found = train(
        decoder,
        lambda: decoder_loss(decoder, encoded, guide, earlier=earlier, anchors=anchors),
        steps=200,
        rate=1e-2,
    )
    assert found < 1e-3


def test_a_decoder_that_ignores_its_input_loses_the_published_loss() -> None:
    decoder, guide = fresh_decoder(128, 32, generator=seeded()), random(32, seed=1)
    assert train(decoder, lambda: paper_loss(decoder, 0 * CONSTANT, guide), steps=100, rate=1e-3) < 1e-3


def test_the_published_loss_is_one_minus_the_cosine() -> None:
    identity = nn.Identity()
    assert paper_loss(identity, torch.tensor([2.0, 0.0]), torch.tensor([0.0, 1.0])).item() == 1.0
    assert paper_loss(identity, torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 0.0])).item() == 2.0


def test_the_shared_loss_reaches_what_the_hypernetwork_made_of_the_task() -> None:
    decoder, encoded = shared_decoder(128, 32, generator=seeded()), random(128, seed=3).requires_grad_()
    decoder_loss(
        decoder,
        encoded,
        random(32, seed=1),
        earlier=random(2, 128, seed=4),
        anchors=random(2, 32, seed=2),
    ).backward()
    assert encoded.grad is not None
    assert torch.count_nonzero(encoded.grad) > 0


def test_a_single_earlier_task_is_its_own_mean_and_is_refused() -> None:
    with pytest.raises(ValueError, match="decoder_loss: 1 earlier tasks, expected 2 or more"):
        decoder_loss(nn.Identity(), ANCHORS[0], ANCHORS[1], earlier=ANCHORS[:1], anchors=ANCHORS[:1])
