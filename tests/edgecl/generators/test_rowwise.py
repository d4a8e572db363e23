from __future__ import annotations

from math import prod

import pytest
import torch
from torch import nn

from edgecl.config import GeneratorConfig, read_config
from edgecl.errors import ConfigError
from edgecl.generators import RowwiseConfig, RowwiseGenerator, prefix_plan
from edgecl.methods.networks import build_network
from edgecl.modules import Adapter, FeatureScale, Head, Prefix, PrefixNet
from edgecl_runtime import Dimensions
from edgecl_runtime.tensors import expected_shapes
from tests.edgecl.generators.factories import (
    BERT,
    DEIT_S,
    DEIT_T,
    GUIDED,
    MINILM_L6,
    MINILM_L12,
    VECTOR,
    VIT_B,
    VIT_L,
    count,
    make_embeddings,
    make_rowwise,
    seeded,
)

BACKBONES = pytest.mark.parametrize(
    ("dimensions", "length", "network", "layers", "task", "explicit"),
    [
        (VIT_L, 15, 296_192, 46_080, 1_920, 737_280),
        (VIT_B, 15, 172_992, 23_040, 1_920, 276_480),
        (DEIT_S, 15, 49_632, 23_040, 1_920, 138_240),
        (DEIT_T, 15, 15_600, 23_040, 1_920, 69_120),
        (BERT, 4, 172_992, 6_144, 512, 73_728),
        (MINILM_L12, 4, 49_632, 6_144, 512, 36_864),
        (MINILM_L6, 4, 49_632, 3_072, 512, 18_432),
    ],
)


@BACKBONES
def test_the_published_network_has_as_many_parameters_as_published(  # noqa: PLR0917 - the columns of the table
    dimensions: Dimensions, length: int, network: int, layers: int, task: int, explicit: int
) -> None:
    built = make_rowwise(dimensions=dimensions, plan=prefix_plan(dimensions, length=length))
    assert count(built.input) + count(built.output) == network
    assert built.layer_embedding.numel() == layers
    assert count(built) == network + layers
    assert built.new_embedding(seeded()).numel() == task
    assert count(Prefix(dimensions, length=length, generator=seeded())) == explicit


def test_the_published_arm_builds_the_published_network() -> None:
    config = read_config(None, overrides={}, arm="adaprefix++-published")
    assert config.method.prefix_length == 15
    plan = prefix_plan(DEIT_T, length=15)
    built = build_network(config.generator, DEIT_T, plan, random=seeded())
    assert count(built) == 15_600 + 23_040  # network and layers of DeiT-Tiny, as in the table above


@pytest.mark.parametrize(
    ("dimensions", "length", "parameters"),
    [
        (VIT_L, 15, 1_068_052),
        (VIT_B, 15, 413_972),
        (DEIT_S, 15, 206_996),
        (DEIT_T, 15, 103_508),
        (BERT, 4, 405_524),
        (MINILM_L12, 4, 202_772),
        (MINILM_L6, 4, 106_004),
    ],
)
def test_the_published_net_of_prefixes_has_as_many_parameters_as_published(
    dimensions: Dimensions, length: int, parameters: int
) -> None:
    assert count(PrefixNet(dimensions, length=length, hidden=20, generator=seeded())) == parameters


@pytest.mark.parametrize(
    ("dimensions", "length", "rank", "adapter", "prefix", "head"),
    [
        (VIT_L, 15, 128, 6_319_104, 737_280, 10_250),
        (VIT_B, 15, 96, 1_779_840, 276_480, 7_690),
        (DEIT_S, 15, 48, 447_552, 138_240, 3_850),
        (DEIT_T, 15, 48, 224_064, 69_120, 1_930),
        (BERT, 4, 96, 1_779_840, 73_728, 7_690),
        (MINILM_L12, 4, 48, 447_552, 36_864, 3_850),
        (MINILM_L6, 4, 48, 223_776, 18_432, 3_850),
    ],
)
def test_the_published_adapters_heads_and_packs_have_as_many_parameters_as_published(  # noqa: PLR0917 - the columns
    dimensions: Dimensions, length: int, rank: int, adapter: int, prefix: int, head: int
) -> None:
    """A head of 10 classes is 10 D + 10; a pack holds adapter, prefix and head, and nothing more."""
    assert count(Adapter(dimensions, rank=rank, generator=seeded())) == adapter
    scale = FeatureScale(torch.zeros(dimensions.width), torch.ones(()))
    assert count(Head(scale, classes=10)) == head
    shapes = expected_shapes(dimensions, prefix_length=length, rank=rank, classes=10)
    assert sum(prod(shape) for shape in shapes.values()) == adapter + prefix + head


def test_a_network_with_task_vectors_has_as_many_parameters_as_the_formula_says() -> None:
    network = make_rowwise(VECTOR, dimensions=VIT_B, plan=prefix_plan(VIT_B, length=15))
    assert count(network.input) + count(network.output) == 179_136
    assert network.layer_embedding.numel() == 768
    assert network.get_parameter("row_embedding").numel() == 1_920
    assert network.new_embedding(seeded()).numel() == 32


def test_a_guided_network_has_as_many_parameters_as_the_formula_says() -> None:
    network = make_rowwise(GUIDED, dimensions=VIT_B, plan=prefix_plan(VIT_B, length=15))
    assert count(network.encoder) == 20_736 + 256
    assert count(network.input) + count(network.output) == 246_784
    assert network.layer_embedding.numel() + network.get_parameter("row_embedding").numel() == 1_344


def test_the_guided_network_that_settings_build_has_as_many_parameters_as_its_layers_say() -> None:
    """An encoder of 32 to 128 and 128 to 128 with a norm; 64 + 64 + 128 to 192 to 768; 12 blocks and 30 rows of 64."""
    settings = GeneratorConfig(task_embedding="vector", guidance="decoder")
    network = build_network(settings, VIT_B, prefix_plan(VIT_B, length=15), random=seeded())
    assert isinstance(network, RowwiseGenerator)
    assert count(network.encoder) == 33 * 128 + 129 * 128 + 2 * 128
    assert count(network.input) + count(network.output) == 257 * 192 + 193 * 768
    assert network.layer_embedding.numel() + network.get_parameter("row_embedding").numel() == (12 + 30) * 64


def test_a_row_is_made_from_its_layer_and_its_task_alone() -> None:
    """The row's own embeddings, through two layers, written out."""
    network = make_rowwise()
    embeddings = make_embeddings(network, tasks=2)
    joined = torch.cat((network.layer_embedding[2, 3], embeddings[1, 3]))
    expected = network.output.main(torch.relu(network.input(joined)))
    torch.testing.assert_close(network(embeddings)[1, 2, 3], expected, rtol=0.0, atol=1e-6)


def test_a_row_of_a_task_vector_is_made_from_layer_row_and_task() -> None:
    network = make_rowwise(VECTOR)
    embeddings = make_embeddings(network, tasks=2)
    row = network.get_parameter("row_embedding")[3]
    joined = torch.cat((network.layer_embedding[2, 0], row, embeddings[1]))
    expected = network.output.main(torch.relu(network.input(joined)))
    torch.testing.assert_close(network(embeddings)[1, 2, 3], expected, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "position", "is_trained"),
    [("first_task", 0, True), ("first_task", 1, False), ("always", 0, True), ("always", 7, True)],
)
@pytest.mark.parametrize("embedding", ["row", "vector"])
def test_the_layer_embedding_is_trained_when_its_kind_says_so(
    embedding: str, kind: str, position: int, is_trained: bool
) -> None:
    config = RowwiseConfig(task_embedding=embedding, layer_embedding=kind)  # type: ignore[arg-type]  # plain words
    network = make_rowwise(config)
    network.begin_task(position)
    assert network.layer_embedding.requires_grad == is_trained


def test_the_row_embedding_is_frozen_with_the_layers() -> None:
    network = make_rowwise(VECTOR)
    network.begin_task(1)
    assert {name for name, value in network.named_parameters() if not value.requires_grad} == {
        "layer_embedding",
        "row_embedding",
    }


def test_one_hot_layers_are_no_parameters_but_are_stored() -> None:
    network = make_rowwise(RowwiseConfig(layer_embedding="onehot"))
    assert "layer_embedding" not in dict(network.named_parameters())
    assert torch.equal(network.state_dict()["layer_embedding"][:, 0], torch.eye(64)[:3])


def test_random_layers_are_no_parameters_but_are_stored() -> None:
    network = make_rowwise(RowwiseConfig(layer_embedding="random"))
    assert "layer_embedding" not in dict(network.named_parameters())
    trained = make_rowwise(RowwiseConfig(layer_embedding="always"))
    assert torch.equal(network.state_dict()["layer_embedding"], trained.state_dict()["layer_embedding"])


def test_rows_of_one_layer_differ_by_the_task_alone_where_layers_are_one_hot() -> None:
    network = make_rowwise(RowwiseConfig(layer_embedding="onehot"))
    rows = network(torch.ones(1, 4, 64))
    assert torch.equal(rows[0, :, 0], rows[0, :, 3])
    assert not torch.equal(rows[0, 0], rows[0, 1])


def test_encoded_tasks_are_normalised() -> None:
    network = make_rowwise(GUIDED)
    encoded = network.encode(make_embeddings(network, tasks=3))
    assert encoded.shape == (3, 128)
    torch.testing.assert_close(encoded.mean(dim=-1), torch.zeros(3), rtol=0.0, atol=1e-5)
    torch.testing.assert_close(encoded.square().mean(dim=-1), torch.ones(3), rtol=0.0, atol=1e-2)


def test_without_an_encoder_a_task_is_its_embedding() -> None:
    network = make_rowwise(VECTOR)
    embeddings = make_embeddings(network, tasks=3)
    assert network.encode(embeddings) is embeddings


def test_the_encoder_brings_its_own_activation() -> None:
    assert isinstance(make_rowwise(GUIDED).activation, nn.GELU)
    assert isinstance(make_rowwise(VECTOR).activation, nn.ReLU)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            RowwiseConfig(layer_embedding="onehot", layer_size=2),
            "generator.layer_embedding: found onehot, with 2 places, expected 3 or more",
        ),
        (RowwiseConfig(factor=17), "factor: found 17, expected 1 to 16"),
        (RowwiseConfig(encoder=True), "encoder: found task_embedding 'row', expected 'vector'"),
    ],
)
def test_what_cannot_be_built_is_refused(config: RowwiseConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_rowwise(config)
