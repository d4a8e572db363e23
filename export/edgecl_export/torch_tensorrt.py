"""An engine made by torch_tensorrt, whose task tensors are inputs, for programs that load engines themselves.

An engine runs on the kind of GPU and with the TensorRT it was built on, and nowhere else: it is no part of the bundle,
and a file beside it says what it is for. Every row of a call has a task of its own there, as in the traced model.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch

from edgecl_export.errors import ExportError, MissingLibraryError
from edgecl_export.graph import make_traceable
from edgecl_export.plan import FULL_PRECISION
from edgecl_runtime.durable import write_durably
from edgecl_runtime.engine.onnxruntime import FEATURES
from edgecl_runtime.tensorrt import InputShapes, shape_profile

if TYPE_CHECKING:
    from pathlib import Path

    from edgecl.backbones.huggingface import Backbone
    from edgecl_export.graph import Traceable
    from edgecl_runtime.tensorrt import Limits

__all__ = ["ENGINE_FILE", "build_engine", "import_torch_tensorrt"]

ENGINE_FILE = "backbone.engine"
_INSTALL = (
    'pip install "torch-tensorrt==2.14.*" "torch==2.14.*", on a machine with an NVIDIA GPU and its driver'
)


def build_engine(backbone: Backbone, out: Path, *, limits: Limits, precision: str) -> None:
    """Write an engine for the GPU of this machine, and beside it what it was built on.

    Args:
        backbone: What is built.
        out: File of the engine; the description is OUT.json.
        limits: The largest call that it serves.
        precision: Of the bundle; the engine has the types of the traced model, so only `fp32` can be built.

    Raises:
        MissingLibraryError: torch_tensorrt or a GPU is missing, or they do not fit together.
        ExportError: It cannot build an engine of this precision.
    """
    library = import_torch_tensorrt()
    if precision != FULL_PRECISION:
        raise ExportError(
            f"torch_tensorrt: found precision {precision}, expected {FULL_PRECISION}. Use --target tensorrt for others"
        )
    traceable = make_traceable(backbone)
    shapes = shape_profile(backbone.spec.preprocessing, backbone.spec.dimensions, limits)
    program = torch.export.export(
        traceable.module, tuple(traceable.inputs.values()), dynamic_shapes=(traceable.axes,)
    )
    engine = library.dynamo.convert_exported_program_to_serialized_trt_engine(
        program,
        arg_inputs=[
            _describe(library, name, shapes[name], tensor) for name, tensor in traceable.inputs.items()
        ],
        arg_input_binding_names=list(traceable.inputs),
        output_binding_names=[FEATURES],
    )
    write_durably(out, bytes(engine))
    write_durably(out.with_name(f"{out.name}.json"), _built_on(library, traceable, shapes))


def import_torch_tensorrt() -> Any:
    """Return torch_tensorrt.

    Raises:
        MissingLibraryError: It or a GPU is missing, or a library of TensorRT is missing or of another version.
    """
    try:
        library = import_module("torch_tensorrt")
    except (ImportError, OSError) as error:
        raise MissingLibraryError(
            f"torch_tensorrt cannot be imported ({error}). Install it with: {_INSTALL}"
        ) from error
    if not torch.cuda.is_available():
        raise MissingLibraryError(
            f"torch_tensorrt: found no GPU, expected one to build the engine for. Install it with: {_INSTALL}"
        )
    return library


def _describe(library: Any, name: str, shapes: InputShapes, tensor: torch.Tensor) -> Any:
    """Return an input for torch_tensorrt; a task tensor has a row for each of the batch, in every shape."""
    return library.Input(
        name=name,
        min_shape=shapes.smallest,
        opt_shape=shapes.largest,
        max_shape=shapes.largest,
        dtype=tensor.dtype,
    )


def _built_on(library: Any, traceable: Traceable, shapes: dict[str, InputShapes]) -> bytes:
    described = {
        "gpu": torch.cuda.get_device_name(),
        "compute_capability": list(torch.cuda.get_device_capability()),
        "versions": {"torch": torch.__version__, "torch_tensorrt": library.__version__},
        "inputs": {
            name: {"smallest": shapes[name].smallest, "largest": shapes[name].largest}
            for name in traceable.inputs
        },
    }
    return (json.dumps(described, indent=2) + "\n").encode()
