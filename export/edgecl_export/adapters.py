"""Packs as onnxruntime's own adapter files, for apps in C, C++ and C#.

An `.onnx_adapter` holds the seven task inputs in float32 and nothing else: no digest, no fingerprint, no head and no
labels. onnxruntime loads one with a flipped bit, or one of another backbone of the same sizes, without a word, and
ignores it altogether where a session is run with IO binding. What checks a pack is the runtime; an app that takes
adapter files has to check them itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecl_runtime.engine.onnxruntime import import_onnxruntime

if TYPE_CHECKING:
    from pathlib import Path

    from edgecl_runtime.pack import TaskPack

ADAPTER_SUFFIX = ".onnx_adapter"
LOST = (
    "an .onnx_adapter has no digest and names no backbone, and onnxruntime ignores it where a session is run with "
    "IO binding; head and labels are in the pack"
)


def write_adapter(pack: TaskPack, out: Path) -> None:
    """Write the graph inputs of a pack as an adapter of onnxruntime."""
    library = import_onnxruntime()
    adapter = library.AdapterFormat()
    adapter.set_adapter_version(pack.manifest.version)
    adapter.set_model_version(1)  # never compared by onnxruntime
    inputs = pack.tensors.graph_inputs()
    adapter.set_parameters(
        {name: library.OrtValue.ortvalue_from_numpy(array) for name, array in inputs.items()}
    )
    adapter.export_adapter(str(out))
