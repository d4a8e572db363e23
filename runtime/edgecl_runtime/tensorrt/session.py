"""A session on the twin of a bundle, run by TensorRT and by nothing that took its place."""

from __future__ import annotations

import logging
from pathlib import Path

from edgecl_runtime.bundle import EXPLICIT_GRAPH_FILE, Bundle
from edgecl_runtime.engine.onnxruntime import Session, open_session
from edgecl_runtime.tensorrt.machine import find_machine
from edgecl_runtime.tensorrt.options import TENSORRT_PROVIDER, engine_options

__all__ = ["engine_cache", "open_tensorrt_session"]

_LOG = logging.getLogger(__name__)


def engine_cache(bundle: Bundle) -> Path:
    """Return the folder that keeps the engine of a backbone on this machine."""
    return Path.home() / ".cache" / "edgecl" / "engines" / bundle.fingerprint[:16]


def open_tensorrt_session(bundle: Bundle, *, threads: int | None = None) -> Session:
    """Return a session on the twin of a bundle; building its engine takes minutes, the first time.

    Raises:
        BundleFormatError: the bundle was not exported for TensorRT.
        OSError: the cache cannot be written.
        ProviderError: TensorRT is not active, or a part of the graph would run on the processor.
        TensorRtError: TensorRT or a GPU is missing, or they do not fit together.
    """
    machine = find_machine()
    options = engine_options(bundle, machine=machine, cache=engine_cache(bundle), say=_LOG.warning)
    return open_session(
        bundle.path / EXPLICIT_GRAPH_FILE,
        bundle.profile.providers,
        threads=threads,
        options={TENSORRT_PROVIDER: options},
        processor_too=False,
    )
