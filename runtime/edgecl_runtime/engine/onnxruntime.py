"""The one place that imports onnxruntime: quiet, offline, and with the providers that were asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgecl_runtime.errors import BundleFormatError, InputError, ProviderError
from edgecl_runtime.extras import import_extra
from edgecl_runtime.manifest import Dimensions
from edgecl_runtime.tensors import GRAPH_INPUTS, graph_shapes

__all__ = [
    "FEATURES",
    "Device",
    "check_graph",
    "device_of",
    "import_onnxruntime",
    "open_session",
    "place_array",
    "refusal",
    "run_session",
]

MODEL_INPUTS: Mapping[str, Mapping[str, str]] = {
    "image": {"pixel_values": "tensor(float)"},
    "text": {"input_ids": "tensor(int64)", "attention_mask": "tensor(int64)"},
}
FEATURES = "features"

_ERRORS_ONLY = 3
_NO_FALLBACK = "session.disable_cpu_ep_fallback"
_GPU_PROVIDERS = ("CUDAExecutionProvider", "TensorrtExecutionProvider")


@dataclass(frozen=True, slots=True)
class Device:
    """Where tensors lie: "cpu" or "cuda", and the number of the GPU."""

    kind: str = "cpu"
    number: int = 0

    @property
    def is_gpu(self) -> bool:
        """Whether this is the memory of a GPU."""
        return self.kind == "cuda"


class Value(Protocol):
    """What is used of `onnxruntime.OrtValue`."""

    def data_ptr(self) -> int: ...
    def numpy(self) -> npt.NDArray[Any]: ...
    def update_inplace(self, array: npt.NDArray[Any]) -> None: ...


class Binding(Protocol):
    """What is used of `onnxruntime.IOBinding`."""

    def bind_cpu_input(self, name: str, array: npt.NDArray[Any]) -> None: ...
    def bind_input(
        self,
        name: str,
        device_type: str,
        device_id: int,
        *,
        element_type: object,
        shape: Sequence[int],
        buffer_ptr: int,
    ) -> None: ...
    def bind_ortvalue_input(self, name: str, value: Value) -> None: ...
    def bind_output(self, name: str) -> None: ...
    def bind_ortvalue_output(self, name: str, value: Value) -> None: ...
    def copy_outputs_to_cpu(self) -> Sequence[npt.NDArray[Any]]: ...


class Node(Protocol):
    """What onnxruntime says about an input or output."""

    name: str
    type: str
    shape: Sequence[int | str | None]


class Session(Protocol):
    """What is used of `onnxruntime.InferenceSession`."""

    def get_inputs(self) -> Sequence[Node]: ...
    def get_overridable_initializers(self) -> Sequence[Node]: ...
    def get_outputs(self) -> Sequence[Node]: ...
    def get_providers(self) -> Sequence[str]: ...
    def run(
        self, output_names: Sequence[str], input_feed: Mapping[str, npt.NDArray[Any]]
    ) -> Sequence[npt.NDArray[Any]]: ...
    def io_binding(self) -> Binding: ...
    def run_with_iobinding(self, iobinding: Binding) -> None: ...


def import_onnxruntime() -> Any:
    """Return the onnxruntime module, imported with its telemetry switched off.

    Raises:
        MissingExtraError: it is not installed.
    """
    # It opens files and looks up names already while it is imported (1.29 to 1.31), so this has to come
    # before.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    return import_extra("onnxruntime", extras=("cpu", "gpu"))


def open_session(
    path: Path,
    providers: Sequence[str],
    *,
    threads: int | None = None,
    options: Mapping[str, Mapping[str, str]] | None = None,
    processor_too: bool = True,
) -> Session:
    """Return an onnxruntime session of a graph, with every wanted provider active.

    Args:
        path: The graph.
        providers: onnxruntime's execution providers, the preferred one first.
        threads: How many threads a call uses; None leaves it to onnxruntime: one per core.
        options: What a provider is told, by its name.
        processor_too: Whether the processor may run what the providers do not.

    Raises:
        BundleFormatError: the file is no graph that onnxruntime can run.
        MissingExtraError: onnxruntime is not installed.
        ProviderError: a provider is not active, or does not run all of the graph where it must; onnxruntime
            alone would go on silently without it.
    """
    library = import_onnxruntime()
    _check_providers(path, providers, library.get_available_providers())
    settings = library.SessionOptions()
    settings.log_severity_level = _ERRORS_ONLY
    if threads is not None:
        settings.intra_op_num_threads = threads
    if not processor_too:
        settings.add_session_config_entry(_NO_FALLBACK, "1")
    chosen = [(name, dict((options or {}).get(name, {}))) for name in providers]
    try:
        session: Session = library.InferenceSession(str(path), settings, providers=chosen)
    except Exception as error:  # its errors share no base class below Exception
        if "fallback to CPU" in str(error):
            raise ProviderError(str(path), wanted=providers[0], active=("a part of this graph",)) from error
        raise BundleFormatError(
            str(path), found=f"{error}", expected="a graph that onnxruntime can run"
        ) from error
    _check_providers(path, providers, session.get_providers())
    return session


def run_session(session: Session, feeds: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the features of one call.

    Raises:
        InputError: the graph refuses the feeds.
    """
    try:
        return session.run([FEATURES], feeds)[0]
    except Exception as error:  # its errors share no base class below Exception
        raise refusal(feeds, error) from error


def refusal(feeds: Mapping[str, npt.NDArray[Any]], error: Exception) -> InputError:
    """Return the error of a call that failed, with the shapes that it was given."""
    shapes = ", ".join(f"{name} {array.dtype} {list(array.shape)}" for name, array in feeds.items())
    return InputError(f"the graph refuses {shapes}: {error}")


def device_of(providers: Sequence[str]) -> Device:
    """Return where the tensors of the preferred provider lie."""
    return Device("cuda") if providers[0] in _GPU_PROVIDERS else Device()


def place_array(array: npt.NDArray[Any], device: Device) -> Value:
    """Return a copy of an array in the memory of a device."""
    # On the CPU onnxruntime takes the memory of the array itself.
    own = np.array(array, order="C")
    value: Value = import_onnxruntime().OrtValue.ortvalue_from_numpy(own, device.kind, device.number)
    return value


def check_graph(
    session: Session, *, modality: str, dimensions: Dimensions, path: Path, is_twin: bool = False
) -> None:
    """Do nothing if the graph keeps the contract: its own inputs, those of a task with defaults, the output.

    Those of a twin have no defaults.

    Raises:
        BundleFormatError: the first name, type or size that differs.
    """
    where = str(path)
    inputs = {node.name: node for node in session.get_inputs()}
    defaults = {node.name: node for node in session.get_overridable_initializers()}
    outputs = {node.name: node for node in session.get_outputs()}
    wanted = MODEL_INPUTS[modality]
    required = [*wanted, *GRAPH_INPUTS] if is_twin else list(wanted)
    # Releases of onnxruntime differ in whether inputs with a default are among the inputs.
    _check_names(f"{where}: inputs", [name for name in inputs if name not in defaults], required)
    _check_names(f"{where}: inputs with a default", defaults, () if is_twin else GRAPH_INPUTS)
    _check_names(f"{where}: outputs", outputs, (FEATURES,))
    for name, kind in wanted.items():
        _check_node(where, inputs[name], kind=kind, shape=None)
    for name, shape in graph_shapes(dimensions).items():
        _check_node(where, (inputs | defaults)[name], kind="tensor(float)", shape=shape)
    _check_node(where, outputs[FEATURES], kind="tensor(float)", shape=(None, dimensions.width))


def _check_providers(path: Path, wanted: Sequence[str], active: Sequence[str]) -> None:
    for provider in wanted:
        if provider not in active:
            raise ProviderError(str(path), wanted=provider, active=active)


def _check_names(
    where: str, found: Sequence[str] | Mapping[str, Any], expected: Sequence[str] | Mapping[str, Any]
) -> None:
    if sorted(found) != sorted(expected):
        raise BundleFormatError(
            where, found=", ".join(sorted(found)) or "none", expected=", ".join(sorted(expected)) or "none"
        )


def _check_node(where: str, node: Node, *, kind: str, shape: Sequence[int | None] | None) -> None:
    if node.type != kind:
        raise BundleFormatError(f"{where}: {node.name}", found=node.type, expected=kind)
    if shape is None:
        return
    fits = len(node.shape) == len(shape) and all(
        not isinstance(found, int) if wanted is None else found == wanted
        for found, wanted in zip(node.shape, shape, strict=True)
    )
    if not fits:
        free = ["any" if size is None else size for size in shape]
        raise BundleFormatError(
            f"{where}: {node.name}", found=f"shape {node.shape}", expected=f"shape {free}"
        )
