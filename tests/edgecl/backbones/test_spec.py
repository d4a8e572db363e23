from __future__ import annotations

import pytest
import torch
from torch import Tensor

from edgecl.backbones.spec import BackboneSpec, fingerprint
from edgecl_runtime.preprocess import TextPreprocessing
from tests.edgecl.factories import DIMENSIONS


def make_mark(
    weights: dict[str, Tensor] | None = None,
    *,
    tokenizer: bytes | None = b"{}",
    epsilon: float = 1e-12,
    max_tokens: int = 8,
    **spec: str,
) -> str:
    preprocessing = TextPreprocessing(max_tokens=max_tokens, pad_id=0, vocab_size=12)
    fields = {"source": "here", "model_type": "bert", "pooling": "cls", **spec}
    return fingerprint(
        {"a": torch.zeros(2, 3), "b": torch.ones(4)} if weights is None else weights,
        BackboneSpec(dimensions=DIMENSIONS, preprocessing=preprocessing, **fields),  # type: ignore[arg-type]  # by name
        architecture={"layer_norm_eps": epsilon},
        tokenizer=tokenizer,
    )


def test_a_fingerprint_is_64_hexadecimal_digits() -> None:
    assert len(bytes.fromhex(make_mark())) == 32


@pytest.mark.parametrize(
    "weights",
    [
        {"b": torch.ones(4), "a": torch.zeros(2, 3)},
        {"a": torch.zeros(3, 2).T, "b": torch.ones(4, requires_grad=True)},
    ],
    ids=["order", "memory layout"],
)
def test_it_does_not_depend_on(weights: dict[str, Tensor]) -> None:
    assert make_mark(weights) == make_mark()


def test_it_does_not_depend_on_where_the_weights_came_from() -> None:
    assert make_mark(source="there") == make_mark()


@pytest.mark.parametrize(
    "weights",
    [
        {"a": torch.zeros(2, 3), "c": torch.ones(4)},
        {"a": torch.zeros(3, 2), "b": torch.ones(4)},
        {"a": torch.zeros(2, 3), "b": torch.ones(4).double()},
        {"a": torch.zeros(2, 3), "b": torch.ones(4).nextafter(torch.tensor(2.0))},
        {"a": -torch.zeros(2, 3), "b": torch.ones(4)},
        {"a": torch.zeros(2, 3)},
    ],
    ids=["name", "shape", "type", "lowest bit", "sign of zero", "number of tensors"],
)
def test_it_depends_on_the_weights_by(weights: dict[str, Tensor]) -> None:
    assert make_mark(weights) != make_mark()


@pytest.mark.parametrize(
    "changed",
    [
        {"pooling": "mean"},
        {"model_type": "vit"},
        {"max_tokens": 9},
        {"tokenizer": b"{ }"},
        {"tokenizer": None},
        {"epsilon": 1e-6},
    ],
)
def test_it_depends_on_what_changes_a_feature(changed: dict[str, object]) -> None:
    assert make_mark(**changed) != make_mark()  # type: ignore[arg-type]  # one keyword at a time


def test_its_value_is_that_of_the_first_release() -> None:
    """Packs in the field name it: a release that computes another value orphans them."""
    assert make_mark() == "a2bbd374953b16e17724062c2aca4265b3be8e1fe1367c3a589754f80a4a5509"
