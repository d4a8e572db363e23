"""The one place that imports onnxruntime: quiet, offline, and with the providers that were asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from edgecl_runtime.errors import BundleFormatError, InputError, ProviderError
from edgecl_runtime.extras import import_extra
from edgecl_runtime.manifest import Dimensions
from edgecl_runtime.tensors import GRAPH_INPUTS, graph_shapes

__all__ = ["check_graph", "import_onnxruntime", "open_session", "run_session"]

MODEL_INPUTS: Mapping[str, Mapping[str, str]] = {
    "image": {"pixel_values": "tensor(float)"},
    "text": {"input_ids": "tensor(int64)", "attention_mask": "tensor(int64)"},
}
FEATURES = "features"

_ERRORS_ONLY = 3


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


def import_onnxruntime() -> Any:
    """Return the onnxruntime module, imported with its telemetry switched off.

    Raises:
        MissingExtraError: it is not installed.
    """
    # It opens files and looks up names already while it is imported (1.29 to 1.31), so this has to come
    # before.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    return import_extra("onnxruntime", extras=("cpu", "gpu"))


def open_session(path: Path, providers: Sequence[str]) -> Session:
    """Return an onnxruntime session of a graph, with every wanted provider active.

    Raises:
        BundleFormatError: the file is no graph that onnxruntime can run.
        MissingExtraError: onnxruntime is not installed.
        ProviderError: a provider is not active; onnxruntime alone would go on silently without it.
    """
    library = import_onnxruntime()
    _check_providers(path, providers, library.get_available_providers())
    options = library.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    try:
        session: Session = library.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:  # its errors share no base class below Exception
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
        return session.run([FEATURES], dict(feeds))[0]
    except Exception as error:  # its errors share no base class below Exception
        shapes = ", ".join(f"{name} {array.dtype} {list(array.shape)}" for name, array in feeds.items())
        raise InputError(f"the graph refuses {shapes}: {error}") from error


def check_graph(session: Session, *, modality: str, dimensions: Dimensions, path: Path) -> None:
    """Do nothing if the graph keeps the contract: its own inputs, those of a task with defaults, the output.

    Raises:
        BundleFormatError: the first name, type or size that differs.
    """
    where = str(path)
    inputs = {node.name: node for node in session.get_inputs()}
    defaults = {node.name: node for node in session.get_overridable_initializers()}
    outputs = {node.name: node for node in session.get_outputs()}
    wanted = MODEL_INPUTS[modality]
    # Releases of onnxruntime differ in whether inputs with a default are among the inputs.
    _check_names(f"{where}: inputs", [name for name in inputs if name not in defaults], wanted)
    _check_names(f"{where}: inputs with a default", defaults, GRAPH_INPUTS)
    _check_names(f"{where}: outputs", outputs, (FEATURES,))
    for name, kind in wanted.items():
        _check_node(where, inputs[name], kind=kind, shape=None)
    for name, shape in graph_shapes(dimensions).items():
        _check_node(where, defaults[name], kind="tensor(float)", shape=shape)
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
