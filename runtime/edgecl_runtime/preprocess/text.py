"""Texts to `input_ids` and `attention_mask`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgecl_runtime.errors import BundleFormatError, InputError
from edgecl_runtime.extras import import_extra
from edgecl_runtime.preprocess.spec import TextPreprocessing

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["TextPreprocessor", "pad"]

Tokens = npt.NDArray[np.int32]


class TextPreprocessor:
    """The `Preprocessor` of text backbones, from the tokenizer.json of the `tokenizers` library."""

    def __init__(self, spec: TextPreprocessing, *, tokenizer_path: Path) -> None:
        self._spec = spec
        self._tokenizer = _load_tokenizer(tokenizer_path, spec)

    def prepare(self, items: Sequence[object]) -> list[Tokens]:
        """Return int32 [N] token ids per text: special tokens included, at most `max_tokens`, at least one.

        Raises:
            InputError: an item is not a str, or holds half of a surrogate pair.
        """
        # One by one: encode_batch starts threads of its own, which do not survive a fork of the caller.
        return [self._prepare(item) for item in items]

    def batch(self, prepared: Sequence[Tokens]) -> dict[str, npt.NDArray[Any]]:
        """Return {"input_ids", "attention_mask"}, both int64 [B, N], padded to the longest of B texts."""
        return pad(prepared, pad_id=self._spec.pad_id)

    def _prepare(self, item: object) -> Tokens:
        if not isinstance(item, str):
            raise InputError(f"a text cannot be a {type(item).__name__}; pass a str")
        try:
            item.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                f"text cannot be encoded as UTF-8 ({error}); decode it with errors='replace'"
            ) from error
        ids = self._tokenizer.encode(item).ids
        # A model has no feature of nothing: a tokenizer without special tokens makes no token of an empty
        # text.
        return np.array(ids or [self._spec.pad_id], dtype=np.int32)


def pad(prepared: Sequence[Tokens], *, pad_id: int) -> dict[str, npt.NDArray[np.int64]]:
    """Return {"input_ids", "attention_mask"}, both int64 [B, N], of B token lists; mask 0 where padded."""
    longest = max((len(tokens) for tokens in prepared), default=0)
    input_ids = np.full((len(prepared), longest), pad_id, np.int64)
    attention_mask = np.zeros((len(prepared), longest), np.int64)
    for row, tokens in enumerate(prepared):
        input_ids[row, : len(tokens)] = tokens
        attention_mask[row, : len(tokens)] = 1
    return {"input_ids": input_ids, "attention_mask": attention_mask}


def _load_tokenizer(path: Path, spec: TextPreprocessing) -> Tokenizer:
    library = import_extra("tokenizers", extras=("text",))
    if not path.is_file():
        raise BundleFormatError(str(path), found="no file", expected="the backbone's tokenizer.json")
    try:
        tokenizer: Tokenizer = library.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception on a file it cannot read
        raise BundleFormatError(
            str(path), found=f"no tokenizer ({error})", expected="a tokenizer.json"
        ) from error
    _check_tokenizer(path, tokenizer, spec)
    tokenizer.no_padding()
    tokenizer.enable_truncation(spec.max_tokens)
    return tokenizer


def _check_tokenizer(path: Path, tokenizer: Tokenizer, spec: TextPreprocessing) -> None:
    ids = tokenizer.get_vocab(with_added_tokens=True).values()
    largest = max(ids, default=0)
    if largest >= spec.vocab_size:
        raise BundleFormatError(
            str(path), found=f"the token id {largest}", expected=f"ids below the backbone's {spec.vocab_size}"
        )
    special = tokenizer.num_special_tokens_to_add(False)
    if special >= spec.max_tokens:
        raise BundleFormatError(
            str(path), found=f"{special} special tokens", expected=f"fewer than max_tokens, {spec.max_tokens}"
        )
