"""Write the golden bundles and packs: `python tests/data/make_golden.py FOLDER` (needs onnx).

Golden files of a released version are never written again: a newer format gets a folder of its own beside v1.
The graphs are real transformers, made by hand: two blocks, width 8, two heads of size 4, with the inputs that
the runtime asks for.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgecl_runtime import (
    Bundle,
    Dimensions,
    ImagePreprocessing,
    PackManifest,
    Probe,
    Provenance,
    Runtime,
    TaskTensors,
    TextPreprocessing,
    encode_pack,
    probe_inputs,
    write_bundle,
    write_pack,
)
from edgecl_runtime.engine.backends import open_engine
from edgecl_runtime.tensors import expected_shapes, graph_shapes

DIMENSIONS = Dimensions(layers=2, width=8, heads=2, head_dim=4)
IMAGE = ImagePreprocessing(
    size=8,
    resize="shortest_edge",
    resize_to=10,
    interpolation="bicubic",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
TEXT = TextPreprocessing(max_tokens=12, pad_id=0, vocab_size=32)
WORDS = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "a",
    "cat",
    "dog",
    "sits",
    "runs",
    "good",
    "bad",
    "very",
    "not",
)
VERSIONS = {"onnx": onnx.__version__, "onnxruntime": "1.31.1"}
PATCH = 4
TOKENS = (IMAGE.size // PATCH) ** 2


class Graph:
    """Collects nodes and weights; `node` returns the name of its output."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(seed)

    def constant(self, name: str, values: object, dtype: type[np.generic] = np.int64) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def weight(self, name: str, *shape: int) -> str:
        return self.constant(name, self._random.normal(0, shape[0] ** -0.5, shape), np.float32)

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        output = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def norm(self, x: str) -> str:
        return self.node("LayerNormalization", x, "norm_weight", "norm_bias", axis=-1)


def build_graph(modality: str) -> onnx.ModelProto:
    """Return the graph of a golden bundle."""
    graph = Graph(seed=1 if modality == "image" else 2)
    graph.constant("norm_weight", np.ones(DIMENSIONS.width), np.float32)
    graph.constant("norm_bias", np.zeros(DIMENSIONS.width), np.float32)
    graph.constant("heads", [0, 0, DIMENSIONS.heads, DIMENSIONS.head_dim])
    graph.constant("joined", [0, 0, DIMENSIONS.width])
    graph.constant("scale", DIMENSIONS.head_dim**-0.5, np.float32)
    for number in (0, 1, 2, 3):
        graph.constant(f"at_{number}", [number])
    graph.constant("end", [2**62])
    x, mask = _embed_image(graph) if modality == "image" else _embed_text(graph)
    for layer in range(DIMENSIONS.layers):
        x = _block(graph, x, mask, layer)
    _pool(graph, x, modality)
    return _finish(graph, modality)


def _embed_image(graph: Graph) -> tuple[str, str]:
    count = IMAGE.size // PATCH
    cut = graph.constant("cut", [0, 3, count, PATCH, count, PATCH])
    flat = graph.constant("flat", [0, TOKENS, 3 * PATCH * PATCH])
    patches = graph.node("Reshape", "pixel_values", cut)
    patches = graph.node("Transpose", patches, perm=[0, 2, 4, 1, 3, 5])
    patches = graph.node("Reshape", patches, flat)
    x = graph.node("MatMul", patches, graph.weight("embedding", 3 * PATCH * PATCH, DIMENSIONS.width))
    return graph.node("Add", x, graph.weight("positions", TOKENS, DIMENSIONS.width)), ""


def _embed_text(graph: Graph) -> tuple[str, str]:
    x = graph.node(
        "Gather", graph.weight("embedding", TEXT.vocab_size, DIMENSIONS.width), "input_ids", axis=0
    )
    mask = graph.node("Cast", "attention_mask", to=TensorProto.FLOAT, name="mask")
    graph.constant("one", 1.0, np.float32)
    graph.constant("off", -1e4, np.float32)
    graph.constant("mask_axes", [1, 2])
    hidden = graph.node("Mul", graph.node("Sub", "one", mask), "off")
    return x, graph.node("Unsqueeze", hidden, "mask_axes")


def _block(graph: Graph, x: str, mask: str, layer: int) -> str:
    width = DIMENSIONS.width
    index = graph.constant(f"layer_{layer}", layer)
    task = {
        name: graph.node("Gather", name, index, axis=0)
        for name in graph_shapes(DIMENSIONS)
        if name != "prefix_bias"
    }
    x = graph.node("Add", x, _attention(graph, graph.norm(x), mask, task, layer))
    inner = graph.node(
        "Relu", graph.node("MatMul", graph.norm(x), graph.weight(f"up_{layer}", width, 2 * width))
    )
    m = graph.node("MatMul", inner, graph.weight(f"down_{layer}", 2 * width, width))
    low = graph.node("Add", graph.node("MatMul", m, task["adapter_down"]), task["adapter_down_bias"])
    change = graph.node("MatMul", graph.node("Relu", low), task["adapter_up"])
    change = graph.node("Add", change, task["adapter_up_bias"])
    return graph.node("Add", x, graph.node("Add", m, change))


def _attention(graph: Graph, h: str, mask: str, task: dict[str, str], layer: int) -> str:
    width = DIMENSIONS.width
    parts = {}
    for name in ("q", "k", "v"):
        projected = graph.node("MatMul", h, graph.weight(f"{name}_{layer}", width, width))
        parts[name] = graph.node("Transpose", graph.node("Reshape", projected, "heads"), perm=[0, 2, 1, 3])
    q = graph.node("Mul", parts["q"], "scale")
    own = graph.node("MatMul", q, graph.node("Transpose", parts["k"], perm=[0, 1, 3, 2]))
    own = graph.node("Add", own, mask) if mask else own
    prefix = graph.node("MatMul", q, graph.node("Transpose", task["prefix_k"], perm=[0, 1, 3, 2]))
    prefix = graph.node("Add", prefix, "prefix_bias")
    weights = graph.node("Softmax", graph.node("Concat", prefix, own, axis=-1), axis=-1)
    length = graph.node("Shape", task["prefix_k"], start=2, end=3)
    on_prefix = graph.node("Slice", weights, "at_0", length, "at_3")
    on_own = graph.node("Slice", weights, length, "end", "at_3")
    mixed = graph.node("MatMul", on_prefix, task["prefix_v"])
    mixed = graph.node("Add", mixed, graph.node("MatMul", on_own, parts["v"]))
    mixed = graph.node("Reshape", graph.node("Transpose", mixed, perm=[0, 2, 1, 3]), "joined")
    return graph.node("MatMul", mixed, graph.weight(f"out_{layer}", width, width))


def _pool(graph: Graph, x: str, modality: str) -> None:
    if modality == "image":
        graph.node("ReduceMean", x, "at_1", keepdims=0, name="features")
        return
    mask = graph.node("Unsqueeze", "mask", "at_2")
    total = graph.node("ReduceSum", graph.node("Mul", x, mask), "at_1", keepdims=0)
    graph.node("Div", total, graph.node("ReduceSum", mask, "at_1", keepdims=0), name="features")


def _finish(graph: Graph, modality: str) -> onnx.ModelProto:
    if modality == "image":
        size = IMAGE.size
        inputs = [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["B", 3, size, size])]
    else:
        names = ("input_ids", "attention_mask")
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["B", "N"]) for name in names]
    for name, symbols in _symbols().items():
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, symbols))
        empty = [size if isinstance(size, int) else int(size == "G") for size in symbols]
        graph.constant(name, np.zeros(empty), np.float32)
    outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["B", DIMENSIONS.width])]
    described = helper.make_graph(graph.nodes, f"golden-{modality}", inputs, outputs, graph.initializers)
    model = helper.make_model(described, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def _symbols() -> dict[str, list[int | str]]:
    layers, width, heads, head_dim = 2, DIMENSIONS.width, DIMENSIONS.heads, DIMENSIONS.head_dim
    return {
        "prefix_k": [layers, "G", heads, "P", head_dim],
        "prefix_v": [layers, "G", heads, "P", head_dim],
        "prefix_bias": ["G", 1, 1, "P"],
        "adapter_down": [layers, "G", width, "R"],
        "adapter_down_bias": [layers, "G", 1, "R"],
        "adapter_up": [layers, "G", "R", width],
        "adapter_up_bias": [layers, "G", 1, width],
    }


def write_golden_bundle(folder: Path, modality: str) -> Bundle:
    """Write one bundle; its fingerprint covers graph, preprocessing and pooling."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = build_graph(modality).SerializeToString(deterministic=True)
    (folder / "backbone.onnx").write_bytes(raw)
    preprocessing = IMAGE if modality == "image" else TEXT
    if modality == "text":
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer(), indent=1) + "\n", encoding="utf-8")
    said = json.dumps([preprocessing.to_json(), "mean"]).encode()
    return write_bundle(
        folder,
        fingerprint=hashlib.sha256(raw + said).hexdigest(),
        backbone=f"golden-{modality}",
        dimensions=DIMENSIONS,
        attention="concat",
        pooling="mean",
        preprocessing=preprocessing,
        versions=VERSIONS,
    )


def tokenizer() -> dict[str, object]:
    """Return a word-level tokenizer with [CLS] and [SEP]."""
    special = [
        {"id": index, "content": word, "single_word": False, "lstrip": False, "rstrip": False}
        | {"normalized": False, "special": True}
        for index, word in enumerate(WORDS[:4])
    ]
    tokens = {word: {"id": word, "ids": [WORDS.index(word)], "tokens": [word]} for word in ("[CLS]", "[SEP]")}
    single = [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
    ]
    pair = [*single, {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": pair,
            "special_tokens": tokens,
        },
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {word: index for index, word in enumerate(WORDS)},
            "unk_token": "[UNK]",
        },
    }


def write_golden_pack(path: Path, bundle: Bundle, *, seed: int, labels: tuple[str, ...], dtype: str) -> None:
    """Write one pack with random tensors; prefix length and rank come from the seed and may be 0."""
    random = np.random.default_rng(seed)
    shapes = expected_shapes(DIMENSIONS, prefix_length=seed % 4, rank=(seed * 2) % 6, classes=len(labels))
    arrays = {name: random.normal(0, 0.7, shape).astype(np.float32) for name, shape in shapes.items()}
    tensors = TaskTensors(**arrays).rounded(dtype)
    task, version = path.stem.rsplit("-", 1)
    manifest = PackManifest(
        task=task,
        version=int(version),
        fingerprint=bundle.fingerprint,
        labels=labels,
        attention=bundle.attention,
        metrics={"accuracy_percent": 87.5},
        probe=Probe(seeds=(0, 1, 2), tolerance={"fp32": 1e-4, "fp16": 2e-2}),
        provenance=Provenance("golden", {"seed": seed}, "none", {"numpy": np.__version__}),
    )
    preprocessing = bundle.preprocessing
    probe = probe_inputs(preprocessing, manifest.probe.seeds)
    features = open_engine(bundle).place(tensors.graph_inputs()).run(probe)
    int8 = dtype == "I8"
    write_pack(path, manifest, tensors, features, int8=int8)
    if path.read_bytes() != encode_pack(manifest, tensors, features, int8=int8):
        raise SystemExit(f"{path}: two encodings differ")


def main(folder: Path) -> None:
    """Write everything."""
    image = write_golden_bundle(folder / "bundles" / "image", "image")
    text = write_golden_bundle(folder / "bundles" / "text", "text")
    packs, int8_packs = folder / "packs" / "v1", folder / "packs" / "v2"
    for modality in ("image", "text"):
        (packs / modality).mkdir(parents=True, exist_ok=True)
        (int8_packs / modality).mkdir(parents=True, exist_ok=True)
    write_golden_pack(
        packs / "image" / "leaves-1.ecpack", image, seed=3, labels=("healthy", "rust", "spot"), dtype="F16"
    )
    write_golden_pack(
        packs / "image" / "steel-2.ecpack", image, seed=2, labels=("good", "scratched"), dtype="F32"
    )
    write_golden_pack(
        packs / "image" / "plain-1.ecpack", image, seed=12, labels=("größer", "kleiner"), dtype="F16"
    )
    write_golden_pack(packs / "text" / "mood-1.ecpack", text, seed=7, labels=("bad", "good"), dtype="F16")
    write_golden_pack(
        int8_packs / "image" / "rust-1.ecpack", image, seed=7, labels=("clean", "rust"), dtype="I8"
    )
    write_golden_pack(int8_packs / "text" / "tone-3.ecpack", text, seed=6, labels=("down", "up"), dtype="I8")
    for modality in ("image", "text"):
        for version in (packs, int8_packs):
            runtime = Runtime.open(folder / "bundles" / modality, version / modality)
            for task in runtime.tasks:
                print(modality, task, runtime.verify(task))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
