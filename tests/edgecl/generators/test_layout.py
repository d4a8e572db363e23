from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgecl.errors import BackboneError, ConfigError
from edgecl.generators.layout import (
    Layout,
    adapter_from_rows,
    adapter_plan,
    prefix_from_rows,
    prefix_plan,
    rows_from_adapter,
    rows_from_prefix,
)
from edgecl.modules import Adapter, Prefix
from edgecl_runtime import Dimensions
from tests.edgecl.generators.factories import SMALL, VIT_B, seeded

SIZES = st.integers(1, 4)
LAYOUTS = st.sampled_from(["canonical", "flat"])


@given(layers=SIZES, heads=SIZES, length=SIZES, head_dim=SIZES, layout=LAYOUTS)
def test_rows_become_prefixes_and_back_without_loss(
    layers: int, heads: int, length: int, head_dim: int, layout: Layout
) -> None:
    dimensions = Dimensions(layers=layers, width=heads * head_dim, heads=heads, head_dim=head_dim)
    rows = torch.randn(5, layers, 2 * length, dimensions.width, generator=seeded())
    key, value = prefix_from_rows(rows, dimensions, layout=layout)
    assert key.shape == value.shape == (5, layers, heads, length, head_dim)
    assert torch.equal(rows_from_prefix(key, value, layout=layout), rows)


@given(layers=SIZES, rank=SIZES, spare=st.integers(0, 3))
def test_adapters_become_rows_and_back_without_loss(layers: int, rank: int, spare: int) -> None:
    dimensions = Dimensions(layers=layers, width=rank + spare, heads=1, head_dim=rank + spare)
    rows = torch.randn(5, layers, 2 * rank + 2, dimensions.width, generator=seeded())
    adapter = adapter_from_rows(rows)
    again = adapter_from_rows(rows_from_adapter(adapter))
    assert rows_from_adapter(adapter).shape == rows.shape
    assert all(torch.equal(found, given) for found, given in zip(again, adapter, strict=True))


def test_a_head_of_a_token_is_a_stretch_of_its_row() -> None:
    rows = torch.randn(3, 10, 16, generator=seeded())
    key, value = prefix_from_rows(rows, SMALL)
    assert torch.equal(key[1, 2, 3], rows[1, 3, 8:12])
    assert torch.equal(value[1, 2, 3], rows[1, 8, 8:12])


def test_the_flat_layout_fills_the_first_head_from_the_first_rows() -> None:
    rows = torch.randn(12, 30, 768, generator=seeded())
    key, value = prefix_from_rows(rows, VIT_B, layout="flat")
    assert torch.equal(key[4, 0], torch.cat((rows[4, 0], rows[4, 1, :192])).view(15, 64))
    assert torch.equal(value[4, 0], torch.cat((rows[4, 15], rows[4, 16, :192])).view(15, 64))


def test_a_prefix_has_the_shapes_of_a_free_one() -> None:
    free = Prefix(SMALL, length=5, generator=seeded())
    key, value = prefix_from_rows(torch.zeros(3, prefix_plan(SMALL, length=5).rows, 16), SMALL)
    assert (key.shape, value.shape) == (free.key.shape, free.value.shape)


def test_an_adapter_has_the_shapes_of_a_free_one() -> None:
    free = Adapter(SMALL, rank=5, generator=seeded())
    adapter = adapter_from_rows(torch.zeros(3, adapter_plan(SMALL, rank=5).rows, 16))
    assert [tensor.shape for tensor in adapter] == [
        parameter.shape for parameter in (free.down, free.down_bias, free.up, free.up_bias)
    ]


def test_the_biases_of_an_adapter_are_its_last_two_rows() -> None:
    rows = torch.randn(3, 12, 16, generator=seeded())
    adapter = adapter_from_rows(rows)
    assert torch.equal(adapter.up_bias, rows[:, 10])
    assert torch.equal(adapter.down_bias, rows[:, 11, :5])
    assert torch.equal(adapter.down, rows[:, :5].transpose(1, 2))
    assert torch.equal(adapter.up, rows[:, 5:10])


def test_entries_that_stand_for_nothing_are_zero_in_the_rows_of_an_adapter() -> None:
    adapter = adapter_from_rows(torch.ones(3, 12, 16))
    assert torch.count_nonzero(rows_from_adapter(adapter)[:, 11, 5:]) == 0


def test_prefixes_of_no_length_are_refused() -> None:
    with pytest.raises(ConfigError, match="prefix_length: found 0, expected 1 or more"):
        prefix_plan(SMALL, length=0)


def test_prefixes_for_heads_that_do_not_fill_the_width_are_refused() -> None:
    with pytest.raises(BackboneError, match="found 4 heads of size 8, expected heads that are 64 wide"):
        prefix_plan(Dimensions(layers=1, width=64, heads=4, head_dim=8), length=1)


@pytest.mark.parametrize("rank", [0, 17])
def test_adapters_whose_biases_do_not_fit_into_a_row_are_refused(rank: int) -> None:
    with pytest.raises(ConfigError, match=f"rank: found {rank}, expected 1 to 16"):
        adapter_plan(SMALL, rank=rank)
