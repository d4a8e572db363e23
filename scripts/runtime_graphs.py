"""The graphs that scripts/measure_runtime.py compares: a backbone exported with task inputs, and bare."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecl_runtime import Bundle, read_bundle
from edgecl_runtime.bench.device import PREFIX_LENGTH, RANK, TASKS
from edgecl_runtime.bench.inputs import make_items
from edgecl_runtime.bench.made import write_packs
from edgecl_runtime.engine.onnxruntime import FEATURES
from edgecl_runtime.preprocess import build_preprocessor
from scripts.runtime_tables import BARE

if TYPE_CHECKING:
    from edgecl_runtime.engine import ModelInputs


@dataclass(frozen=True, slots=True)
class Bench:
    """A backbone that was exported with and without task inputs.

    Attributes:
        folder: Holds `bundle`, the bare graphs, and `packs`.
        source: The folder of the weights.
        image_size: Of an image backbone.
        limit_s: CPU time of a comparison.
    """

    folder: Path
    source: Path
    image_size: int | None
    limit_s: float

    @property
    def bundle(self) -> Bundle:
        """The exported backbone."""
        return read_bundle(self.folder / "bundle")

    @property
    def packs(self) -> list[Path]:
        """Eight made packs of P 10 and R 16."""
        return sorted((self.folder / "packs").glob("*.ecpack"))

    def inputs(self, rows: int) -> ModelInputs:
        """Return graph inputs of the largest size."""
        spec = self.bundle.preprocessing
        preprocessor = build_preprocessor(spec, folder=self.folder / "bundle")
        return preprocessor.batch(preprocessor.prepare(make_items(spec, rows)))

    def bare(self, name: str) -> Path:
        """Return the graph without task inputs, exported from torch with this attention."""
        return self.folder / f"{name.partition(', ')[2]}.onnx"


def prepare(bench: Bench) -> None:
    """Export what is not there yet: the bundle, the backbone without task inputs, and packs."""
    if not (bench.folder / "bundle" / "bundle.json").is_file():
        export_bundle(bench)
    for name in BARE:
        if not bench.bare(name).is_file():
            export_bare(bench, name)
    if not bench.packs:
        (bench.folder / "packs").mkdir(exist_ok=True)
        write_packs(bench.folder / "packs", bench.bundle, TASKS, prefix_length=PREFIX_LENGTH, rank=RANK)


def export_bundle(bench: Bench) -> None:
    """Write the bundle of a backbone, without packs."""
    from edgecl.backbones.huggingface import load_backbone
    from edgecl_export.graph import export_graph
    from edgecl_runtime import write_bundle

    backbone, folder = load_backbone(str(bench.source), image_size=bench.image_size), bench.folder / "bundle"
    folder.mkdir(parents=True, exist_ok=True)
    export_graph(backbone, folder / "backbone.onnx")
    if backbone.tokenizer is not None:
        (folder / "tokenizer.json").write_bytes(backbone.tokenizer)
    write_bundle(
        folder,
        fingerprint=backbone.fingerprint,
        backbone=bench.source.resolve().name,
        dimensions=backbone.spec.dimensions,
        attention=backbone.module.attention,
        pooling=backbone.spec.pooling,
        preprocessing=backbone.spec.preprocessing,
    )


def export_bare(bench: Bench, name: str) -> None:
    """Write the graph of the backbone as `transformers` has it: no task inputs, nothing of ours in it."""
    import torch
    from torch.export import Dim

    from edgecl.backbones.huggingface import load_backbone
    from edgecl_export.graph import OPSET

    backbone = load_backbone(str(bench.source), image_size=bench.image_size)
    backbone.module.model.set_attn_implementation(name.partition(", ")[2])
    examples = {name: torch.from_numpy(array) for name, array in bench.inputs(3).items()}
    batch, tokens = Dim("batch", min=1), Dim("tokens", min=1, max=512)
    axes = [{0: batch} if tensor.ndim > 2 else {0: batch, 1: tokens} for tensor in examples.values()]

    class Bare(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone.module

        def forward(self, *tensors: torch.Tensor) -> Any:
            return self.backbone(dict(zip(examples, tensors, strict=True)))

    program: Any = torch.onnx.export(
        Bare().eval(),
        tuple(examples.values()),
        dynamo=True,
        dynamic_shapes=(tuple(axes),),
        input_names=list(examples),
        output_names=[FEATURES],
        opset_version=OPSET,
        verbose=False,
    )
    program.save(str(bench.bare(name)))
