"""What identifies a frozen backbone: its shapes, its preprocessing, its fingerprint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from edgecl_runtime.manifest import Dimensions
from edgecl_runtime.preprocess import ImagePreprocessing, Preprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from edgecl.kinds import Modality, Pooling


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """Everything about a backbone but its weights.

    Attributes:
        source: Name under which it was asked for: embedded name, local folder or hub name.
        model_type: Its family, as `transformers` calls it.
        dimensions: Blocks, width, heads and width of a head.
        pooling: How tokens become one feature: `cls` or `mean`.
        preprocessing: How an image or a text becomes model inputs.
    """

    source: str
    model_type: str
    dimensions: Dimensions
    pooling: Pooling
    preprocessing: Preprocessing

    @property
    def modality(self) -> Modality:
        """What the backbone reads."""
        return "image" if isinstance(self.preprocessing, ImagePreprocessing) else "text"


def fingerprint(
    weights: Mapping[str, Tensor],
    spec: BackboneSpec,
    *,
    architecture: Mapping[str, object],
    tokenizer: bytes | None,
) -> str:
    """Return the sha256 that every pack names, as 64 hexadecimal digits.

    It covers the frozen weights in the order of their names (name, dtype, shape, bytes), the preprocessing, the
    pooling, the tokenizer, and the settings of the architecture that change a feature without changing a weight
    (activation, epsilon of the layer norms). Where the weights came from does not matter.
    """
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        head = [name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]
        digest.update(json.dumps(head).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    rest = {
        "model_type": spec.model_type,
        "architecture": dict(architecture),
        "pooling": spec.pooling,
        "preprocessing": spec.preprocessing.to_json(),
        "tokenizer": hashlib.sha256(tokenizer).hexdigest() if tokenizer is not None else None,
    }
    digest.update(json.dumps(rest, sort_keys=True).encode())
    return digest.hexdigest()
