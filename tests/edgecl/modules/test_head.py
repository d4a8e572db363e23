from __future__ import annotations

import torch
from torch.testing import assert_close

from edgecl.modules import FeatureScale, Head
from tests.edgecl.factories import make_scale

FEATURES = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * 3 + 7


def test_an_untrained_head_scores_every_class_alike() -> None:
    assert torch.count_nonzero(Head(make_scale(width=4), classes=3)(FEATURES)) == 0


def test_a_scale_is_the_mean_and_the_spread_of_the_features() -> None:
    scale = FeatureScale.measure(FEATURES)
    assert_close((FEATURES - scale.mean).mean(dim=0), torch.zeros(4), rtol=0.0, atol=1e-5)
    assert_close(((FEATURES - scale.mean) / scale.std).square().mean(), torch.tensor(1.0))


def test_features_keep_their_proportions() -> None:
    wide = FEATURES * torch.tensor([1.0, 1.0, 1.0, 10.0])
    scale = FeatureScale.measure(wide)
    spread = ((wide - scale.mean) / scale.std).std(dim=0)
    assert_close(spread[3] / spread[0], wide[:, 3].std() / wide[:, 0].std())


def test_features_that_never_change_at_all_have_a_finite_scale() -> None:
    scale = FeatureScale.measure(torch.ones(50, 4))
    assert torch.isfinite(1 / scale.std).all()


def test_the_scores_are_linear_in_centred_and_scaled_features() -> None:
    head = Head(make_scale(mean=7.0, std=3.0, width=4), classes=1)
    torch.nn.init.ones_(head.weight)
    expected = ((FEATURES - 7) / 3).sum(dim=1, keepdim=True)
    assert_close(head(FEATURES), expected, rtol=0.0, atol=1e-5)


def test_weight_and_bias_are_all_that_is_trained() -> None:
    trained = {name for name, _ in Head(make_scale(), classes=2).named_parameters()}
    assert trained == {"weight", "bias"}


def test_a_head_that_starts_as_a_layer_sees_features_as_they_are() -> None:
    head = Head(make_scale(mean=7.0, std=3.0, width=4), classes=30)
    head.start_as_a_layer(torch.Generator().manual_seed(0))
    assert_close(head(FEATURES), FEATURES @ head.weight.T + head.bias)
    for parameter in (head.weight, head.bias):
        assert 0.4 < float(parameter.detach().abs().max()) <= 0.5
