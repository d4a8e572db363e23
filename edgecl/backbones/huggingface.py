"""Load a frozen backbone: an embedded name, a local `transformers` folder, or a hub name."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModel
from transformers.utils import logging as transformers_logging

from edgecl.backbones import contained as _contained  # noqa: F401  # before the modules that it guards
from edgecl.backbones import embedded
from edgecl.backbones.families import Family, family_of
from edgecl.backbones.injection import InjectedBackbone
from edgecl.backbones.preprocessing import first_line, image_preprocessing, text_pooling, text_preprocessing
from edgecl.backbones.spec import BackboneSpec, fingerprint
from edgecl.errors import BackboneError, NetworkError
from edgecl.kinds import Pooling
from edgecl_runtime.manifest import Dimensions
from edgecl_runtime.preprocess import ImagePreprocessing, Preprocessing, Preprocessor, build_preprocessor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedConfig, PreTrainedModel

_SHAPES_A_FEATURE = ("hidden_act", "layer_norm_eps", "num_attention_heads", "patch_size", "layerscale_value")


@dataclass(frozen=True, slots=True)
class Backbone:
    """A frozen encoder ready to train tasks on, and to be exported.

    Attributes:
        spec: Its shapes and its preprocessing.
        module: The encoder, frozen, float32.
        fingerprint: What every pack made for it names.
        tokenizer: Bytes of `tokenizer.json`; None for images.
        preprocessor: Turns items into model inputs; the runtime's, so that training and device read alike.
    """

    spec: BackboneSpec
    module: InjectedBackbone
    fingerprint: str
    tokenizer: bytes | None
    preprocessor: Preprocessor


def load_backbone(
    source: str,
    *,
    image_size: int | None = None,
    max_tokens: int | None = None,
    pooling: Pooling | None = None,
) -> Backbone:
    """Load and freeze a backbone.

    Args:
        source: `edgecl/NAME`, a local folder, or a hub name.
        image_size: Side of the square input in pixels; the checkpoint's own if None. Position embeddings are
            interpolated once, in the way of `transformers` (bicubic, without antialiasing).
        max_tokens: Longest text in tokens; longer ones are cut. At most 128 if None.
        pooling: `cls` or `mean`; what the checkpoint declares if None.

    Raises:
        BackboneError: No such checkpoint, an unsupported family, or a size that does not fit.
        NetworkError: The hub cannot be reached.
    """
    is_embedded = source.startswith(embedded.PREFIX) and not Path(source).exists()
    with embedded.folder_of(source) if is_embedded else nullcontext(source) as place:
        return _load(str(place), source, image_size=image_size, max_tokens=max_tokens, pooling=pooling)


def _load(
    place: str, source: str, *, image_size: int | None, max_tokens: int | None, pooling: Pooling | None
) -> Backbone:
    config = _read_config(place, source)
    family = family_of(config.model_type, source=source)
    model = _read_model(place, source, family)
    tokenizer, tokenizer_folder = None, Path(place)
    if family.modality == "image":
        size = _square(config.image_size, source) if image_size is None else image_size
        preprocessing: Preprocessing = image_preprocessing(place, size=size)
        if pooling == "mean":
            raise BackboneError(f"{source}: pooling 'mean' is for texts; images are pooled by 'cls'")
    else:
        preprocessing, tokenizer_path = text_preprocessing(place, config=config, max_tokens=max_tokens)
        tokenizer, tokenizer_folder = tokenizer_path.read_bytes(), tokenizer_path.parent
        pooling = pooling or text_pooling(place, default=family.pooling)
    spec = BackboneSpec(
        source=source,
        model_type=config.model_type,
        dimensions=_dimensions(config),
        pooling=pooling or family.pooling,
        preprocessing=preprocessing,
    )
    architecture = {name: getattr(config, name) for name in _SHAPES_A_FEATURE if hasattr(config, name)}
    mark = fingerprint(model.state_dict(), spec, architecture=architecture, tokenizer=tokenizer)
    if isinstance(preprocessing, ImagePreprocessing):
        # After the fingerprint: interpolation may differ in its last bit between machines.
        resize_position_embeddings(model, size=preprocessing.size, source=source)
    module = InjectedBackbone(model, family=family, pooling=spec.pooling)
    preprocessor = build_preprocessor(preprocessing, folder=tokenizer_folder)
    return Backbone(spec, module, mark, tokenizer, preprocessor)


def _read_config(place: str, source: str) -> PreTrainedConfig:
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(place)
    except (OSError, ValueError) as error:
        if _reaches_network(error):
            raise NetworkError(
                f"{source}: is no local folder, and the hub cannot be reached ({first_line(error)}). Try again, or "
                "name a folder"
            ) from error
        raise BackboneError(
            f"{source}: cannot be read as a transformers checkpoint ({first_line(error)}). Expected one of "
            f"{', '.join(embedded.names())}, a folder with config.json and model.safetensors, or a hub name"
        ) from error
    return config


def _read_model(place: str, source: str, family: Family) -> PreTrainedModel:
    options: dict[str, Any] = {"add_pooling_layer": False} if family.has_pooler else {}
    try:
        with quiet_transformers():
            model, report = AutoModel.from_pretrained(
                place, dtype=torch.float32, attn_implementation="sdpa", output_loading_info=True, **options
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        if _reaches_network(error):
            raise NetworkError(
                f"{source}: weights cannot be fetched ({first_line(error)}). Try again"
            ) from error
        raise BackboneError(f"{source}: its weights cannot be loaded ({first_line(error)})") from error
    if missing := sorted(report["missing_keys"]):
        raise BackboneError(
            f"{source}: {len(missing)} weights are missing, {missing[0]!r} first; expected a complete checkpoint"
        )
    return model  # type: ignore[no-any-return]  # AutoModel is not annotated


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence progress bars and load reports: what matters of them becomes an error of ours."""
    level, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def _reaches_network(error: BaseException | None) -> bool:
    """Say whether an error of `transformers` comes from a hub that could not be reached."""
    while error is not None:
        names = {kind.__name__ for kind in type(error).__mro__}
        if names & {"TransportError", "ConnectionError", "TimeoutException"}:
            return True
        error = error.__cause__ or error.__context__
    return False


def _square(size: int | list[int] | tuple[int, int], source: str) -> int:
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1:
        raise BackboneError(f"{source}: image size {size} is not square; pass --image-size")
    return int(sides.pop())


def _dimensions(config: PreTrainedConfig) -> Dimensions:
    heads, width = config.num_attention_heads, config.hidden_size
    head_dim = getattr(config, "head_dim", None) or width // heads
    return Dimensions(layers=config.num_hidden_layers, width=width, heads=heads, head_dim=head_dim)


def resize_position_embeddings(model: PreTrainedModel, *, size: int, source: str) -> None:
    """Give a vision model position embeddings for `size` x `size` pixels, interpolated once and for all.

    The model's own interpolation is used, so its features equal those of `interpolate_pos_encoding=True`.

    Raises:
        BackboneError: `size` is not a multiple of the patch size.
    """
    embeddings: Any = model.embeddings  # each family has a class of its own
    patch = _square(model.config.patch_size, source)
    if size < patch or size % patch:
        raise BackboneError(f"{source}: image size {size} is not a multiple of the patch size {patch}")
    if size == _square(model.config.image_size, source):
        return
    extra = embeddings.position_embeddings.shape[1] - embeddings.patch_embeddings.num_patches
    tokens = torch.zeros(1, extra + (size // patch) ** 2, model.config.hidden_size)
    with torch.no_grad():
        resized = embeddings.interpolate_pos_encoding(tokens, size, size)
    embeddings.position_embeddings = nn.Parameter(resized.clone())
    embeddings.patch_embeddings.num_patches = (size // patch) ** 2
    embeddings.patch_embeddings.image_size = embeddings.image_size = (size, size)
    model.config.image_size = size
