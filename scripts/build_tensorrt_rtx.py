"""Show, without a GPU, that TensorRT takes the explicit twin: `make tensorrt-rtx` runs both commands.

    python scripts/build_tensorrt_rtx.py twins FOLDER             the twins, with edgecl
    python scripts/build_tensorrt_rtx.py build FOLDER --out JSON  parser and builder, with tensorrt-rtx and numpy alone

The parser must make a network input of every task tensor, as it does not from backbone.onnx, whose defaults it
freezes. The builder must make an engine for a named compute capability with a profile from no task to the largest
prefix and rank. Nothing is run: that takes a GPU.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from edgecl_runtime.bundle import EXPLICIT_GRAPH_FILE, GRAPH_FILE, Bundle, read_bundle, write_bundle
from edgecl_runtime.tensorrt.limits import Limits
from edgecl_runtime.tensorrt.shapes import shape_profile
from edgecl_runtime.tensors import GRAPH_INPUTS

GOLDEN = Path(__file__).parents[1] / "tests" / "data" / "bundles"
CAPABILITY = "SM86"  # Ampere, as Jetson Orin is; its own 8.7 is not among those that TensorRT for RTX knows
LIMITS = Limits(batch=8, prefixes=32, rank=64)


def write_twins(folder: Path) -> None:
    """Write a bundle with its twin for the embedded backbone, and for a small one of texts."""
    from edgecl.backbones.huggingface import load_backbone
    from edgecl_export.graph import export_graph
    from edgecl_export.twin import write_twin

    shutil.rmtree(folder, ignore_errors=True)
    backbone, small = load_backbone("edgecl/vit-64"), read_bundle(GOLDEN / "text")
    (folder / "vit-64").mkdir(parents=True)
    export_graph(backbone, folder / "vit-64" / GRAPH_FILE)
    shutil.copytree(GOLDEN / "text", folder / "text")
    spec = backbone.spec
    described = {
        "vit-64": (backbone.fingerprint, spec.dimensions, spec.pooling, spec.preprocessing),
        "text": (small.fingerprint, small.dimensions, small.pooling, small.preprocessing),
    }
    for name, (fingerprint, dimensions, pooling, preprocessing) in described.items():
        write_twin(folder / name / GRAPH_FILE, folder / name / EXPLICIT_GRAPH_FILE)
        write_bundle(
            folder / name,
            fingerprint=fingerprint,
            backbone=name,
            dimensions=dimensions,
            attention="concat",
            pooling=pooling,
            preprocessing=preprocessing,
        )


def build_all(folder: Path) -> dict[str, Any]:
    """Return what parser and builder make of every bundle in a folder."""
    import_module("tensorrt_rtx_libs")  # loads what the bindings are linked with
    trt: Any = import_module("tensorrt_rtx_bindings")
    return {
        "tensorrt_rtx": trt.__version__,
        "machine": f"{platform.machine()}, {platform.system()}, no GPU",
        "compute_capability": CAPABILITY,
        "limits": asdict(LIMITS),
        "backbones": {path.name: build(trt, read_bundle(path)) for path in sorted(folder.iterdir())},
    }


def build(trt: Any, bundle: Bundle) -> dict[str, Any]:
    """Return what parser and builder make of one bundle; whatever does not hold ends the program."""
    twin = bundle.twin_path
    if twin is None:
        raise SystemExit(f"{bundle.path}: has no twin")
    builder, network = parse(trt, twin)
    found = input_names(network)
    missing = [name for name in GRAPH_INPUTS if name not in found]
    if missing:
        raise SystemExit(f"{twin}: no network inputs: {', '.join(missing)}")
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    shapes = shape_profile(bundle.preprocessing, bundle.dimensions, LIMITS)
    for name, each in shapes.items():
        profile.set_shape(name, each.smallest, each.usual, each.largest)
    config.add_optimization_profile(profile)
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(trt.ComputeCapability, CAPABILITY), 0)
    started = time.perf_counter()
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise SystemExit(f"{twin}: no engine could be built")
    return {
        "network_inputs": found,
        "frozen_in_backbone_onnx": sorted(
            set(GRAPH_INPUTS) - set(input_names(parse(trt, bundle.graph_path)[1]))
        ),
        "profile": {name: asdict(each) for name, each in shapes.items()},
        "engine_bytes": engine.nbytes,
        "build_seconds": round(time.perf_counter() - started, 1),
    }


def parse(trt: Any, graph: Path) -> tuple[Any, Any]:
    """Return the builder and the network that TensorRT's parser makes of a graph."""
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, builder.logger)
    if not parser.parse(graph.read_bytes()):
        errors = "; ".join(str(parser.get_error(number)) for number in range(parser.num_errors))
        raise SystemExit(f"{graph}: TensorRT cannot parse it: {errors}")
    return builder, network


def input_names(network: Any) -> list[str]:
    """Return the names of the inputs of a network."""
    return [network.get_input(number).name for number in range(network.num_inputs)]


def main() -> None:
    """Run one of the two commands."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("command", choices=("twins", "build"))
    options.add_argument("folder", type=Path)
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    if chosen.command == "twins":
        write_twins(chosen.folder)
        return
    result = build_all(chosen.folder)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name, backbone in result["backbones"].items():
        print(
            f"{name}: engine for {CAPABILITY}, {backbone['engine_bytes']:,} bytes, every task tensor is an input"
        )


if __name__ == "__main__":
    main()
