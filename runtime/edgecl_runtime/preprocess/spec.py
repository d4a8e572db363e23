"""The description of a backbone's preprocessing; it is part of the backbone's fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, TypeAlias

from edgecl_runtime import fields as read
from edgecl_runtime.errors import FieldError

__all__ = ["ImagePreprocessing", "Preprocessing", "TextPreprocessing", "parse_preprocessing"]

RESIZES: Final = ("exact", "shortest_edge")
INTERPOLATIONS: Final = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")

_MAX_EDGE = 4_096
_MAX_TOKENS = 65_536
_MAX_VOCABULARY = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ImagePreprocessing:
    """How an image becomes `pixel_values`: resize, cut, `(x / 255 - mean) / std` per channel.

    Attributes:
        size: S, the edge of the square that the graph takes, in pixels.
        resize: "exact" resizes to [S, S]; "shortest_edge" resizes the shorter edge to `resize_to` and cuts
            the centre.
        resize_to: Equal to `size` for "exact"; not below it for "shortest_edge".
        interpolation: A filter of Pillow by its lower-case name; Pillow antialiases.
        mean: Per channel, RGB.
        std: Per channel, RGB; above 0.

    Raises:
        FieldError: a value is out of range.
    """

    modality: ClassVar[str] = "image"

    size: int
    resize: str
    resize_to: int
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        where = "preprocessing"
        read.integer(self.size, f"{where}.size", minimum=1, maximum=_MAX_EDGE)
        read.choice(self.resize, f"{where}.resize", among=RESIZES)
        largest = self.size if self.resize == "exact" else _MAX_EDGE
        read.integer(self.resize_to, f"{where}.resize_to", minimum=self.size, maximum=largest)
        read.choice(self.interpolation, f"{where}.interpolation", among=INTERPOLATIONS)
        object.__setattr__(self, "mean", _channels(self.mean, f"{where}.mean", positive=False))
        object.__setattr__(self, "std", _channels(self.std, f"{where}.std", positive=True))

    def to_json(self) -> dict[str, Any]:
        """Return what `parse_preprocessing` reads."""
        return {
            "modality": "image",
            "size": self.size,
            "resize": self.resize,
            "resize_to": self.resize_to,
            "interpolation": self.interpolation,
            "mean": list(self.mean),
            "std": list(self.std),
        }


@dataclass(frozen=True, slots=True)
class TextPreprocessing:
    """How a text becomes `input_ids` and `attention_mask`: tokenizer.json, cut, padded.

    Attributes:
        max_tokens: The longest text in tokens, special tokens included; the rest is cut off.
        pad_id: The token that fills shorter texts; masked out.
        vocab_size: The number of token ids the backbone knows.

    Raises:
        FieldError: a value is out of range.
    """

    modality: ClassVar[str] = "text"

    max_tokens: int
    pad_id: int
    vocab_size: int

    def __post_init__(self) -> None:
        where = "preprocessing"
        read.integer(self.max_tokens, f"{where}.max_tokens", minimum=1, maximum=_MAX_TOKENS)
        read.integer(self.vocab_size, f"{where}.vocab_size", minimum=1, maximum=_MAX_VOCABULARY)
        read.integer(self.pad_id, f"{where}.pad_id", minimum=0, maximum=self.vocab_size - 1)

    def to_json(self) -> dict[str, Any]:
        """Return what `parse_preprocessing` reads."""
        return {
            "modality": "text",
            "max_tokens": self.max_tokens,
            "pad_id": self.pad_id,
            "vocab_size": self.vocab_size,
        }


Preprocessing: TypeAlias = ImagePreprocessing | TextPreprocessing


def parse_preprocessing(value: Mapping[str, Any], where: str = "preprocessing") -> Preprocessing:
    """Return the spec in a parsed JSON object; its "modality" is "image" or "text".

    Raises:
        FieldError: a key is missing, unknown or wrong; the message names it.
    """
    kinds: dict[str, type[ImagePreprocessing] | type[TextPreprocessing]]
    kinds = {"image": ImagePreprocessing, "text": TextPreprocessing}
    modality = value.get("modality") if isinstance(value, dict) else None
    kind = kinds[read.choice(modality, f"{where}.modality", among=tuple(kinds))]
    names = [entry.name for entry in fields(kind)]
    data = read.record(value, where, required=("modality", *names))
    return kind(**{name: data[name] for name in names})


def _channels(values: object, where: str, *, positive: bool) -> tuple[float, ...]:
    if not isinstance(values, (list, tuple)) or len(values) != 3:
        raise FieldError(where, found=str(values)[:64], expected="three numbers, one per channel")
    return tuple(read.number(value, where, positive=positive) for value in values)
