"""Read from a checkpoint how its inputs are prepared, as a declaration that the device carries out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import is_offline_mode
from tokenizers import Tokenizer
from transformers import PreTrainedConfig
from transformers.utils import cached_file

from edgecl.errors import BackboneError, NetworkError
from edgecl.kinds import Pooling
from edgecl_runtime.errors import FieldError
from edgecl_runtime.preprocess import ImagePreprocessing, TextPreprocessing

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]

_RESAMPLE: dict[int, Interpolation] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
DEFAULT_MAX_TOKENS = 128


def checkpoint_file(source: str, name: str) -> Path | None:
    """Return a file of a local folder or hub repository, or None where it has none of this name.

    Raises:
        NetworkError: The hub cannot be asked.
    """
    try:
        found = cached_file(
            source,
            name,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=not is_offline_mode(),
            _raise_exceptions_for_gated_repo=False,
        )
    except OSError as error:
        # Taking a file that could not be asked for as absent would change preprocessing or pooling in silence.
        raise NetworkError(f"{source}: {name} cannot be fetched ({first_line(error)}). Try again") from error
    return None if found is None else Path(found)


def _read_json(source: str, name: str) -> dict[str, Any] | None:
    path = checkpoint_file(source, name)
    if path is None:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BackboneError(
            f"{path}: not valid JSON ({error}); repair or download the checkpoint again"
        ) from error
    if not isinstance(content, dict):
        raise BackboneError(f"{path}: found {type(content).__name__}, expected a JSON object")
    return content


def image_preprocessing(source: str, *, size: int) -> ImagePreprocessing:
    """Return what `preprocessor_config.json` declares, at `size` pixels.

    A checkpoint that crops (DeiT, DINOv2: resize 256, crop 224) keeps the proportion of crop to resize at other sizes.

    Raises:
        BackboneError: The checkpoint does not say how its images are normalised, or a value is out of range.
    """
    config = _read_json(source, "preprocessor_config.json")
    if config is None or "image_mean" not in config or "image_std" not in config:
        raise BackboneError(
            f"{source}: preprocessor_config.json with image_mean and image_std is missing, so images cannot be "
            "prepared as the weights expect. Add the file that belongs to the checkpoint"
        )
    _refuse_other_arithmetic(config, source)
    mean = tuple(float(v) for v in config["image_mean"])
    std = tuple(float(v) for v in config["image_std"])
    if len(mean) != 3 or len(std) != 3:
        raise BackboneError(
            f"{source}: image_mean {mean} and image_std {std}, expected three values each (RGB)"
        )
    crop = bool(config.get("do_center_crop", False))
    try:
        return ImagePreprocessing(
            size=size,
            resize="shortest_edge" if crop else "exact",
            resize_to=_resize_to(config, size) if crop else size,
            interpolation=_RESAMPLE.get(int(config.get("resample", 2)), "bilinear"),
            mean=(mean[0], mean[1], mean[2]),
            std=(std[0], std[1], std[2]),
        )
    except FieldError as error:
        raise BackboneError(f"{source}: {error}") from error


def _refuse_other_arithmetic(config: dict[str, Any], source: str) -> None:
    """Refuse what `(x / 255 - mean) / std` does not express, instead of computing other features than the weights'."""
    factor = float(config.get("rescale_factor", 1 / 255))
    scaled = config.get("do_rescale", True) and abs(factor * 255 - 1) < 1e-3
    if not (scaled and config.get("do_normalize", True)):
        raise BackboneError(
            f"{source}: preprocessor_config.json says do_rescale {config.get('do_rescale', True)} by {factor:.6g} and "
            f"do_normalize {config.get('do_normalize', True)}, expected both with 1/255. "
            "Write the equivalent image_mean and image_std into the file"
        )


def _edge(value: Any, default: int) -> int:
    if isinstance(value, dict):
        return int(value.get("shortest_edge") or value.get("height") or default)
    return int(value or default)


def _resize_to(config: dict[str, Any], size: int) -> int:
    crop = _edge(config.get("crop_size"), size)
    return max(size, round(size * _edge(config.get("size"), crop) / crop))


def text_preprocessing(
    source: str, *, config: PreTrainedConfig, max_tokens: int | None
) -> tuple[TextPreprocessing, Path]:
    """Return the declaration for texts and where `tokenizer.json` lies.

    Raises:
        BackboneError: The checkpoint has no fast tokenizer, a damaged one or another model's, says nowhere how
            texts are padded, or `max_tokens` is not what the model can read.
    """
    path = checkpoint_file(source, "tokenizer.json")
    if path is None:
        raise BackboneError(
            f"{source}: tokenizer.json is missing. Save the fast tokenizer beside the weights: "
            "AutoTokenizer.from_pretrained(...).save_pretrained(folder)"
        )
    tokenizer = _read_tokenizer(path, vocab_size=config.vocab_size)
    least, most = tokenizer.num_special_tokens_to_add(False) + 1, config.max_position_embeddings
    limit = min(DEFAULT_MAX_TOKENS, most) if max_tokens is None else max_tokens
    if not least <= limit <= most:
        raise BackboneError(f"{source}: max_tokens is {limit}, expected {least} to {most} for this model")
    pad_id = _pad_id(source, tokenizer, config)
    if not 0 <= pad_id < config.vocab_size:
        raise BackboneError(f"{source}: the padding token is {pad_id}, expected 0 to {config.vocab_size - 1}")
    return TextPreprocessing(max_tokens=limit, pad_id=pad_id, vocab_size=config.vocab_size), path


def _pad_id(source: str, tokenizer: Tokenizer, config: PreTrainedConfig) -> int:
    """Return the padding token that the checkpoint names, in the first of the places where it may do so."""
    declared = _read_json(source, "tokenizer_config.json") or {}
    token = _token(declared.get("pad_token", "[PAD]"), source)
    if token is not None:
        return tokenizer.token_to_id(token) or 0
    special = _read_json(source, "special_tokens_map.json") or {}
    token = _token(special.get("pad_token"), source)
    padding = tokenizer.padding or {}
    for found in (token and tokenizer.token_to_id(token), padding.get("pad_id"), config.pad_token_id):
        if isinstance(found, int):
            return found
    raise BackboneError(
        f"{source}: found pad_token null in tokenizer_config.json and no other padding token. "
        'Name a token of the vocabulary there, such as "pad_token": "[PAD]"'
    )


def _token(value: Any, source: str) -> str | None:
    """Return the text of a special token, which is stored as it is or as an object with its content."""
    text = value.get("content") if isinstance(value, dict) else value
    if text is None or isinstance(text, str):
        return text
    raise BackboneError(f"{source}: found pad_token {value!r}, expected the text of a token or null")


def _read_tokenizer(path: Path, *, vocab_size: int) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_str(path.read_bytes().decode("utf-8"))
    except Exception as error:  # the library raises bare Exception on what it cannot read
        raise BackboneError(f"{path}: not a tokenizer ({error}); download the checkpoint again") from error
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
    if largest >= vocab_size:
        raise BackboneError(
            f"{path}: found the token id {largest}, expected ids below the model's {vocab_size}. "
            "Use the tokenizer that belongs to the weights"
        )
    return tokenizer


def text_pooling(source: str, *, default: Pooling) -> Pooling:
    """Return the pooling that a sentence-transformers checkpoint declares, else the default of its family."""
    declared = _read_json(source, "1_Pooling/config.json")
    if declared is None:
        return default
    if declared.get("pooling_mode_mean_tokens"):
        return "mean"
    if declared.get("pooling_mode_cls_token"):
        return "cls"
    raise BackboneError(
        f"{source}: 1_Pooling/config.json declares neither mean nor cls pooling. "
        "Choose one with --set backbone.pooling=mean"
    )


def first_line(error: Exception) -> str:
    """Return the first line of what a library says, or the kind of its error."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
