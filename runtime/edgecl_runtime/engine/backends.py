"""Which engine a bundle is run by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgecl_runtime.bundle import Bundle
from edgecl_runtime.engine import Backend, Engine
from edgecl_runtime.engine.binding import BindingEngine
from edgecl_runtime.engine.feeds import FeedsEngine
from edgecl_runtime.engine.flat import FlatEngine
from edgecl_runtime.engine.onnxruntime import Session, check_graph, device_of, open_session
from edgecl_runtime.engine.switching import check_switching
from edgecl_runtime.engine.twin import TwinEngine
from edgecl_runtime.probe import probe_inputs
from edgecl_runtime.profile import Profile
from edgecl_runtime.tensorrt.options import TENSORRT_PROVIDER
from edgecl_runtime.tensorrt.session import open_tensorrt_session

__all__ = ["choose_backend", "open_engine"]


def open_engine(
    bundle: Bundle, *, providers: Sequence[str] | None = None, threads: int | None = None
) -> Engine:
    """Return the engine of a bundle's profile, checked: the graph keeps the contract, and a switch has an effect.

    Args:
        bundle: The backbone.
        providers: onnxruntime's execution providers, the preferred one first; None takes the profile's.
        threads: How many threads a call uses; None takes the profile's number.

    Raises:
        BundleFormatError: the file is no graph, or does not keep the contract.
        MissingExtraError: onnxruntime is not installed.
        ProviderError: a wanted provider is not active.
        TensorRtError: the profile asks for TensorRT, and it or a GPU is missing, or they do not fit together.
        SwitchingError: another task does not change the output.
    """
    profile = bundle.profile if providers is None else replace(bundle.profile, providers=tuple(providers))
    threads = threads or profile.threads
    is_twin = profile.providers[0] == TENSORRT_PROVIDER
    if is_twin:
        path, session = bundle.twin_path or bundle.path, open_tensorrt_session(bundle, threads=threads)
    else:
        path, session = bundle.graph_path, open_session(bundle.graph_path, profile.providers, threads=threads)
    check_graph(session, modality=bundle.modality, dimensions=bundle.dimensions, path=path, is_twin=is_twin)
    engine = build_engine(session, profile, width=bundle.dimensions.width)
    if is_twin:
        engine = TwinEngine(engine, bundle.dimensions)
    inputs = probe_inputs(bundle.preprocessing, seeds=(0,))
    check_switching(engine, inputs, dimensions=bundle.dimensions, where=str(path))
    return engine


def choose_backend(profile: Profile) -> Backend:
    """Return the backend that a profile names; without one feeds on the CPU, bindings on a GPU."""
    if profile.backend is not None:
        return profile.backend
    return "binding" if device_of(profile.providers).is_gpu else "feeds"


def build_engine(session: Session, profile: Profile, *, width: int) -> Engine:
    """Return the engine of a profile over a session of a graph whose features are `width` wide."""
    device = device_of(profile.providers)
    backend = choose_backend(profile)
    if backend == "binding":
        return BindingEngine(session, device)
    if backend == "flat":
        return FlatEngine(session, device, width=width)
    return FeedsEngine(session)
