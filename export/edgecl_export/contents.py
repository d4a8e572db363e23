"""The files of a bundle: its graph in the precision of the device, and what else the device needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecl.training.versions import package_versions
from edgecl_export.errors import ExportError
from edgecl_export.loss import calibration_rows
from edgecl_export.plan import FULL_PRECISION, ExportPlan
from edgecl_export.precision import Feeds, lower_graph
from edgecl_export.torch_tensorrt import ENGINE_FILE, build_engine
from edgecl_export.twin import write_twin
from edgecl_runtime.bundle import (
    EXPLICIT_GRAPH_FILE,
    GRAPH_FILE,
    TENSORRT_FILE,
    Bundle,
    Profile,
    write_bundle,
)
from edgecl_runtime.engine.onnxruntime import import_onnxruntime
from edgecl_runtime.tensorrt import TENSORRT_PROVIDER

if TYPE_CHECKING:
    from edgecl.backbones.huggingface import Backbone
    from edgecl.training.run import Run
    from edgecl_devices import DeviceProfile

__all__ = ["choose_profile", "write_contents"]

_TENSORRT_PROVIDERS = (TENSORRT_PROVIDER, "CUDAExecutionProvider")  # and never the processor, silently


def choose_profile(device: DeviceProfile, plan: ExportPlan) -> Profile:
    """Return the profile of a bundle: the device's, with the precision and providers of the plan."""
    profile = Profile.from_json(device.for_bundle())
    if plan.tensorrt is not None:
        profile = replace(profile, providers=_TENSORRT_PROVIDERS)
    return replace(profile, precision=plan.precision or profile.precision)


def write_contents(
    folder: Path, backbone: Backbone, *, run: Run, profile: Profile, plan: ExportPlan
) -> Bundle:
    """Complete a folder that holds the graph in float32, and return it as a bundle.

    Raises:
        ExportError: TensorRT does not run the graph in this precision, or its libraries are not there.
    """
    spec, graph = backbone.spec, folder / GRAPH_FILE
    if profile.precision != FULL_PRECISION:
        _lower(graph, backbone, run=run, profile=profile, for_tensorrt=plan.tensorrt is not None)
    if plan.twin or plan.tensorrt is not None:
        write_twin(graph, folder / EXPLICIT_GRAPH_FILE)
    if plan.tensorrt is not None:
        (folder / TENSORRT_FILE).write_text(plan.tensorrt.to_text(), encoding="utf-8")
        if plan.engine:
            build_engine(backbone, folder / ENGINE_FILE, limits=plan.tensorrt, precision=profile.precision)
    if backbone.tokenizer is not None:
        (folder / "tokenizer.json").write_bytes(backbone.tokenizer)
    return write_bundle(
        folder,
        fingerprint=backbone.fingerprint,
        backbone=Path(spec.source).resolve().name,
        dimensions=spec.dimensions,
        attention=backbone.module.attention,
        pooling=spec.pooling,
        preprocessing=spec.preprocessing,
        profile=profile,
        versions=package_versions("edgecl", "torch", "transformers", "onnx")
        | {"onnxruntime": import_onnxruntime().__version__},
    )


def _lower(graph: Path, backbone: Backbone, *, run: Run, profile: Profile, for_tensorrt: bool) -> None:
    is_text = backbone.spec.preprocessing.modality == "text"
    if profile.precision == "int8" and is_text and for_tensorrt:
        raise ExportError(
            f"{backbone.spec.source}: TensorRT has no operator for int8 whose ranges are taken in every call, as texts "
            "need it. Export with --precision fp16"
        )
    lower_graph(
        graph,
        precision=profile.precision,
        calibration=None if is_text else _calibration(run, backbone),
        symmetric=for_tensorrt,
    )


def _calibration(run: Run, backbone: Backbone) -> Iterator[Feeds]:
    """Yield what the graph is fed with to find the ranges of its activations: real inputs, without and with tasks."""
    for record in run.tasks:
        heldout = run.heldout(record.name)
        chosen = calibration_rows(len(heldout.targets))
        rows = [item for item, taken in zip(heldout.prepared, chosen, strict=True) if taken]
        inputs = backbone.preprocessor.batch(rows)
        yield inputs
        yield {**inputs, **run.tensors(record.name).graph_inputs()}
