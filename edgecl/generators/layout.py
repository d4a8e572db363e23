"""How generated rows [L, rows, D] become prefixes or adapters in the shapes of a pack, and back.

prefixes of length P: 2P rows    P keys, then P values
adapters of rank R: 2R + 2 rows  R columns of `down`, R rows of `up`, `up_bias`, then `down_bias` in the first R
                                 entries of a row whose other entries stay zero
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from edgecl.errors import BackboneError, ConfigError
from edgecl.kinds import AttentionVariant
from edgecl_runtime.manifest import Dimensions

Layout = Literal["canonical", "flat"]

PREFIX_STD = 0.02


@dataclass(frozen=True, slots=True)
class RowPlan:
    """What a generator makes for one block, and how it starts.

    Attributes:
        rows: How many rows.
        zero_rows: How many of them, at the end, start at zero and have an output layer of their own.
        std: Standard deviation at which the entries of the other rows start.
        unused: How many entries, at the end of the last row, stand for nothing and stay zero.
    """

    rows: int
    zero_rows: int
    std: float
    unused: int = 0


class AdapterTensors(NamedTuple):
    """`down` [..., L, D, R], `down_bias` [..., L, R], `up` [..., L, R, D] and `up_bias` [..., L, D]."""

    down: Tensor
    down_bias: Tensor
    up: Tensor
    up_bias: Tensor


def prefix_plan(dimensions: Dimensions, *, length: int, attention: AttentionVariant = "concat") -> RowPlan:
    """Return the plan of prefixes: 2P rows that start as free prefixes do.

    For `concat` attention all of them are small; for `additive` attention keys start from deviation 1 and values at
    zero, so as the identity.

    Raises:
        ConfigError: The length is not positive: there is nothing to generate.
        BackboneError: The heads together are not as wide as the backbone, so a row is no key.
    """
    if length < 1:
        raise ConfigError.at(
            "method.prefix_length",
            found=str(length),
            expected="1 or more",
            fix="Generate prefixes of some length.",
        )
    if dimensions.heads * dimensions.head_dim != dimensions.width:
        raise BackboneError.at(
            "backbone",
            found=f"{dimensions.heads} heads of size {dimensions.head_dim}",
            expected=f"heads that are {dimensions.width} wide together",
            fix="Use a method with free prefixes, or another backbone.",
        )
    if attention == "additive":
        return RowPlan(rows=2 * length, zero_rows=length, std=1.0)
    return RowPlan(rows=2 * length, zero_rows=0, std=PREFIX_STD)


def adapter_plan(dimensions: Dimensions, *, rank: int) -> RowPlan:
    """Return the plan of adapters: `down` starts as wide as that of `Adapter`, the rest at zero, so as the identity.

    Raises:
        ConfigError: The rank is not positive, or the biases of so many units do not fit into a row.
    """
    if not 1 <= rank <= dimensions.width:
        raise ConfigError.at(
            "method.rank",
            found=str(rank),
            expected=f"1 to {dimensions.width}",
            fix="Generate adapters of such a rank.",
        )
    return RowPlan(
        rows=2 * rank + 2,
        zero_rows=rank + 2,
        std=(3 * dimensions.width) ** -0.5,
        unused=dimensions.width - rank,
    )


def prefix_from_rows(
    rows: Tensor, dimensions: Dimensions, *, layout: Layout = "canonical"
) -> tuple[Tensor, Tensor]:
    """Return key and value prefixes, each [..., L, H, P, Dh], of rows [..., L, 2P, D].

    `canonical` cuts every row into heads: head a of token p is entries a·Dh to (a+1)·Dh of row p. `flat` views the P
    rows of a block as [H, P, Dh] without a transposition, as the published code of AdaPrefix++ does: it fills a
    head from a few neighbouring rows only.
    """
    key, value = rows.chunk(2, dim=-2)
    return _heads(key, dimensions, layout), _heads(value, dimensions, layout)


def rows_from_prefix(key: Tensor, value: Tensor, *, layout: Layout = "canonical") -> Tensor:
    """Return the rows [..., L, 2P, D] of key and value prefixes, each [..., L, H, P, Dh]."""
    return torch.cat((_joined(key, layout), _joined(value, layout)), dim=-2)


def adapter_from_rows(rows: Tensor) -> AdapterTensors:
    """Return the adapters of rows [..., L, 2R + 2, D]."""
    rank = rows.shape[-2] // 2 - 1
    down, up, up_bias, down_bias = rows.split((rank, rank, 1, 1), dim=-2)
    return AdapterTensors(
        down=down.transpose(-1, -2), down_bias=down_bias[..., 0, :rank], up=up, up_bias=up_bias[..., 0, :]
    )


def rows_from_adapter(adapter: AdapterTensors) -> Tensor:
    """Return the rows [..., L, 2R + 2, D] of adapters, zero where they stand for nothing."""
    unused = adapter.up.shape[-1] - adapter.up.shape[-2]
    down_bias = torch.nn.functional.pad(adapter.down_bias, (0, unused))
    biases = torch.stack((adapter.up_bias, down_bias), dim=-2)
    return torch.cat((adapter.down.transpose(-1, -2), adapter.up, biases), dim=-2)


def _heads(rows: Tensor, dimensions: Dimensions, layout: Layout) -> Tensor:
    *before, length, _ = rows.shape
    heads, head_dim = dimensions.heads, dimensions.head_dim
    if layout == "flat":
        return rows.reshape(*before, heads, length, head_dim)
    return rows.reshape(*before, length, heads, head_dim).transpose(-2, -3)


def _joined(prefix: Tensor, layout: Layout) -> Tensor:
    *before, heads, length, head_dim = prefix.shape
    by_row = prefix if layout == "flat" else prefix.transpose(-2, -3)
    return by_row.reshape(*before, length, heads * head_dim)
