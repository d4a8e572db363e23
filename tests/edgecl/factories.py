"""Tiny random backbones, tasks and data sets for the tests of the workstation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModel, PreTrainedModel

from edgecl.backbones.families import FAMILIES
from edgecl.backbones.injection import InjectedBackbone
from edgecl.config import BackboneConfig, EvaluationConfig, MethodConfig, RunConfig, TrainingConfig
from edgecl.kinds import Pooling
from edgecl.methods import Method, NewTask, TaskLearner
from edgecl.modules import FeatureScale
from edgecl.streams import TaskSpec
from edgecl.training.checkpoint import Progress
from edgecl.training.records import TaskRecord
from edgecl.training.schedule import Schedule
from edgecl_runtime import Dimensions
from edgecl_runtime.tensors import graph_shapes

DIMENSIONS = Dimensions(layers=2, width=64, heads=4, head_dim=16)
IMAGE_SIZE = 32
PATCH = 8
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "cat", "purrs", "dog", "barks", "the", "a", "loudly", "softly")
IMAGE_FAMILIES = ("vit", "deit", "dinov2")
FAMILY_NAMES = (*IMAGE_FAMILIES, "bert")

_BLOCKS = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
_IMAGE = {"image_size": IMAGE_SIZE, "patch_size": PATCH}
_SIZES: dict[str, dict[str, Any]] = {
    "vit": _BLOCKS | _IMAGE,
    "deit": _BLOCKS | _IMAGE,
    "dinov2": {**_BLOCKS, **_IMAGE, "mlp_ratio": 2},
    "bert": _BLOCKS | {"vocab_size": len(WORDS), "max_position_embeddings": 24, "type_vocab_size": 2},
}


def make_model(family: str, *, seed: int = 0, **changes: Any) -> PreTrainedModel:
    """Return an untouched model whose every weight is random and large enough to matter."""
    config = AutoConfig.for_model(family, **{**_SIZES[family], **changes})
    options = {"add_pooling_layer": False} if FAMILIES[family].has_pooler else {}
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModel.from_config(config, attn_implementation="sdpa", **options)
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    model.eval()
    return model


def make_injected(family: str, *, pooling: Pooling = "cls", **changes: Any) -> InjectedBackbone:
    """Return the same model as `make_model`, ready for tasks."""
    return InjectedBackbone(make_model(family, **changes), family=FAMILIES[family], pooling=pooling)


def make_inputs(family: str, *, rows: int = 3, size: int = IMAGE_SIZE, seed: int = 0) -> dict[str, Tensor]:
    """Return random inputs of a family; texts are of 6 tokens, none padded."""
    random = torch.Generator().manual_seed(seed)
    if family != "bert":
        return {"pixel_values": torch.randn(rows, 3, size, size, generator=random)}
    ids = torch.randint(4, len(WORDS), (rows, 6), generator=random)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def make_task(
    *,
    groups: int = 1,
    prefix_length: int = 3,
    rank: int = 2,
    seed: int = 0,
    dimensions: Dimensions = DIMENSIONS,
) -> dict[str, Tensor]:
    """Return the seven graph inputs of a random task, prefixes switched on."""
    free = {
        "prefix_k": (groups, prefix_length),
        "prefix_v": (groups, prefix_length),
        "prefix_bias": (groups, prefix_length),
        "adapter_down": (groups, rank),
        "adapter_down_bias": (groups, rank),
        "adapter_up": (groups, rank),
        "adapter_up_bias": (groups,),
    }
    random = torch.Generator().manual_seed(seed)
    task = {}
    for name, shape in graph_shapes(dimensions).items():
        sizes = iter(free[name])
        filled = [next(sizes) if size is None else size for size in shape]
        task[name] = 0.3 * torch.randn(filled, generator=random)
    task["prefix_bias"].zero_()
    return task


def make_scale(*, mean: float = 0.0, std: float = 1.0, width: int = DIMENSIONS.width) -> FeatureScale:
    """Return a scale with one mean for every feature; it leaves them as they are by default."""
    return FeatureScale(torch.full((width,), mean), torch.tensor(std))


def make_image_folder(folder: Path, family: str = "vit", **changes: Any) -> Path:
    """Write a local checkpoint of an image family."""
    make_model(family, **changes).save_pretrained(folder)
    preprocessing = {
        "do_center_crop": False,
        "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        "resample": 2,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing), encoding="utf-8")
    return folder


def make_text_folder(folder: Path, **changes: Any) -> Path:
    """Write a local checkpoint of a BERT with a tokenizer of a few words."""
    make_model("bert", **changes).save_pretrained(folder)
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def make_folder(folder: Path, family: str, **changes: Any) -> Path:
    """Write a local checkpoint of any family."""
    if family == "bert":
        return make_text_folder(folder, **changes)
    return make_image_folder(folder, family, **changes)


def edit_json(path: Path, **changes: Any) -> None:
    """Set keys of a JSON file; None removes a key."""
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in content.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")


def make_image_data(path: Path, *, items: int = 48, classes: int = 3, seed: int = 0) -> Path:
    """Write an `.npz` of noisy images, 8 x 8 pixels, whose class is how bright they are."""
    random = np.random.default_rng(seed)
    labels = np.arange(items) % classes
    noise = random.integers(0, 40, (items, 8, 8, 3))
    images = (noise + 200 * labels[:, None, None, None] // (classes - 1)).astype(np.uint8)
    np.savez(path, images=images, labels=labels)
    return path


def make_text_data(path: Path, *, items: int = 32) -> Path:
    """Write a JSONL file of short texts about cats and dogs."""
    subjects = (("cat", "purrs"), ("dog", "barks"))
    fillers = ("the", "a", "loudly", "softly")
    rows = []
    for number in range(items):
        noun, verb = subjects[number % 2]
        words = [fillers[number // 2 % 4], noun, verb, *fillers[: number // 8]]
        rows.append(json.dumps({"text": " ".join(words), "label": noun}))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def make_config(backbone: Path, *, seed: int = 0, **training: Any) -> RunConfig:
    """Return the settings of a short run on the CPU."""
    recipe = {"epochs": 2, "min_steps": 0, "batch_size": 16, "device": "cpu", "heldout_items": 4, **training}
    return RunConfig(
        seed=seed,
        backbone=BackboneConfig(source=str(backbone)),
        method=MethodConfig(rank=2, prefix_length=3),
        training=TrainingConfig(**recipe),
        evaluation=EvaluationConfig(floors=False),
    )


def make_settings(name: str = "adaprefix", **generator: Any) -> RunConfig:
    """Return the settings of a method in small, with changes to its generator."""
    method = {"name": name, "rank": 2, "prefix_length": 3}
    return changed(RunConfig(), method=method, generator=generator)


def changed(config: RunConfig, **tables: dict[str, Any]) -> RunConfig:
    """Return settings with keys of some tables changed."""
    replaced = {
        table: msgspec.structs.replace(getattr(config, table), **keys) for table, keys in tables.items()
    }
    return msgspec.structs.replace(config, **replaced)


def make_new_task(
    name: str = "shade", *, backbone: InjectedBackbone | None = None, classes: int = 2, **changes: Any
) -> NewTask:
    """Return what a method is told of a task; its random start depends on the name."""
    told: dict[str, Any] = {
        "scale": make_scale(mean=0.5, std=2.0),
        "generator": torch.Generator().manual_seed(sum(name.encode())),
        **changes,
    }
    return NewTask(name, backbone or make_injected("vit"), classes, **told)


def make_spec(data: Path, *, name: str = "shade") -> TaskSpec:
    """Return the specification of a task."""
    return TaskSpec(name=name, data=data)


def learn(method: Method, task: NewTask, *, steps: int = 4, rate: float = 1e-2) -> TaskLearner:
    """Let a method learn random inputs in two classes for some steps, and return what was trained."""
    learner = method.begin_task(task)
    inputs = make_inputs("vit", rows=4, seed=len(task.name))
    parameters = dict.fromkeys([*learner.module_parameters(), *learner.head.parameters()])
    optimizer = torch.optim.AdamW([each for each in parameters if each.requires_grad], lr=rate)
    for step in range(steps):
        optimizer.zero_grad()
        scores = learner.head(learner.features(task.backbone, inputs, step=step))
        cross_entropy(scores, torch.tensor([0, 1, 0, 1])).backward()
        penalty = learner.penalty(optimizer, step)
        if penalty is not None:
            penalty.backward()
        optimizer.step()
    method.end_task(task.name, learner)
    return learner


def trained(learner: TaskLearner) -> dict[str, Tensor]:
    """Return a copy of what is trained of a learner, by name."""
    module: Any = learner  # every learner is one
    return {name: each.detach().clone() for name, each in module.named_parameters() if each.requires_grad}


class Recorder:
    """A training report that keeps what it is told."""

    def __init__(self) -> None:
        self.checked: list[tuple[str, int, int]] = []
        self.epochs: list[tuple[str, int]] = []
        self.records: list[TaskRecord] = []
        self.tested: list[tuple[str, int, int]] = []

    def checking(self, task: str, done: int, total: int) -> None:
        self.checked.append((task, done, total))

    def epoch(self, task: str, progress: Progress, schedule: Schedule) -> None:
        self.epochs.append((task, progress.epochs))

    def finished(self, record: TaskRecord) -> None:
        self.records.append(record)

    def testing(self, after: str, done: int, total: int) -> None:
        self.tested.append((after, done, total))
