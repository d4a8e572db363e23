"""Measure what a training step costs: ratios between methods, and of one method at more and more known tasks.

    python scripts/measure_steps.py --backbone VIT_FOLDER --image-size 112 --out docs/results/steps-cpu.json
    python scripts/measure_steps.py --backbone MINILM_FOLDER --max-tokens 32 --out docs/results/steps-cpu-text.json
    python scripts/measure_steps.py --backbone VIT_FOLDER --batch 128 --device cuda:0 --precision bf16 --out FILE

Every round takes the same number of steps of each case, one case after the other, so that what else the machine does
meets all of them. A ratio is taken within a round; the file holds the median over the rounds with the quartiles.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from edgecl.backbones.huggingface import Backbone, load_backbone
from edgecl.cli.output import note
from edgecl.config import RunConfig, read_config, resolve
from edgecl.methods import Method, NewTask, TaskLearner, build_method
from edgecl.modules import FeatureScale
from edgecl.training.loop import (
    Batch,
    Lesson,
    TrainingItems,
    autocast,
    choose_device,
    model_inputs,
    training_step,
)
from edgecl.training.train import use_prefixes
from edgecl.training.versions import package_versions
from edgecl.training.workers import Workers
from edgecl_runtime.preprocess import ImagePreprocessing
from scripts.result_files import write_result

if TYPE_CHECKING:
    from edgecl_runtime.preprocess import TextPreprocessing

Step = Callable[[int], object]

PRODUCTS = (torch.ops.aten.mm, torch.ops.aten.addmm)

BARE = "bare forward"
FIRST_PREFIX = "method.first_prefix"
FIRST_TRAINED = "adaprefix++, first prefixes trained"
CLASSES = 10
RATE = 1e-4
"""So low that the one batch is not learned by heart while it is timed."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all cases share.

    Attributes:
        backbone: On the device.
        items: One batch of random items in `CLASSES` classes.
        settings: Overrides by dotted key.
    """

    backbone: Backbone
    items: TrainingItems
    settings: dict[str, Any]

    def config(self, arm: str, **own: Any) -> RunConfig:
        """Return the resolved settings of an arm on this bench, with settings of its own by dotted key."""
        config = read_config(None, overrides={**self.settings, **own}, arm=arm)
        return resolve(config, self.backbone.spec.modality)


def make_bench(options: argparse.Namespace) -> Bench:
    """Return the backbone with a batch of random items."""
    backbone = load_backbone(options.backbone, image_size=options.image_size, max_tokens=options.max_tokens)
    backbone.module.to(choose_device(options.device))
    prepared = backbone.preprocessor.prepare(random_items(backbone.spec.preprocessing, options.batch))
    settings = {"training.device": options.device, "training.precision": options.precision}
    return Bench(backbone, TrainingItems(prepared, np.arange(options.batch) % CLASSES), settings)


def random_items(preprocessing: ImagePreprocessing | TextPreprocessing, count: int) -> list[Any]:
    """Return items of the largest size that a backbone reads."""
    if not isinstance(preprocessing, ImagePreprocessing):
        return ["word " * preprocessing.max_tokens] * count
    shape = (count, preprocessing.size, preprocessing.size, 3)
    return list(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def bare_forward(bench: Bench) -> Step:
    """Return the forward pass of a batch through the backbone without a task."""
    device = next(bench.backbone.module.parameters()).device
    precision = bench.config("linear-head").training.precision

    @torch.inference_mode()
    def step(_: int) -> None:
        inputs = model_inputs(bench.backbone.preprocessor, bench.items.prepared, device)
        with autocast(precision, device):
            bench.backbone.module(inputs)

    return step


def training(bench: Bench, arm: str, *, known: int = 0, **own: Any) -> Step:
    """Return the training step of an arm, with settings of its own, whose method knows so many tasks already."""
    config = bench.config(arm, **own)
    method = build_method(config, bench.backbone.spec.dimensions)
    for number in range(known):
        name = f"task-{number}"
        method.end_task(name, begin(bench, method, name, known=number))
    learner = begin(bench, method, "new", known=known)
    lesson = Lesson(learner, bench.items, seed=0)
    optimizer = torch.optim.AdamW(trained(learner), lr=RATE)
    rows = np.arange(len(bench.items.targets))

    def take(step: int) -> float:
        use_prefixes(bench.backbone, config.method)
        batch = Batch(bench.backbone.module, lesson, rows, bench.backbone.preprocessor, len(rows), step)
        return training_step(batch, optimizer, config.training, workers=Workers())

    return take


def begin(bench: Bench, method: Method, name: str, *, known: int) -> TaskLearner:
    """Return a fresh learner on the device."""
    random = torch.Generator().manual_seed(known)
    scale = FeatureScale(torch.zeros(bench.backbone.spec.dimensions.width), torch.ones(()))
    learner: Any = method.begin_task(
        NewTask(name, bench.backbone.module, CLASSES, scale, random, seed=known, known=known)
    )
    moved: TaskLearner = learner.to(next(bench.backbone.module.parameters()).device)
    return moved


def trained(learner: TaskLearner) -> list[torch.nn.Parameter]:
    """Return what is trained, each parameter once."""
    parameters = chain(learner.module_parameters(), learner.head.parameters())
    return list(dict.fromkeys(each for each in parameters if each.requires_grad))


def cases(bench: Bench, known: Sequence[int]) -> Iterator[tuple[str, Step]]:
    """Yield what is measured, by name."""
    yield BARE, bare_forward(bench)
    for arm in ("linear-head", "adapter", "adaprefix", "lora"):
        yield arm, training(bench, arm)
    for count in known:
        yield at(count), training(bench, "adaprefix++", known=count)
    yield FIRST_TRAINED, training(bench, "adaprefix++", known=known[0], **{FIRST_PREFIX: "trained"})


def at(known: int) -> str:
    """Return the name of AdaPrefix++ with so many known tasks."""
    return f"adaprefix++ at {known}"


def milliseconds(step: Step, steps: int, device: torch.device) -> float:
    """Return the mean time of a step."""
    wait(device)
    started = time.perf_counter()
    for number in range(steps):
        step(number)
    wait(device)
    return 1e3 * (time.perf_counter() - started) / steps


def operations(step: Step) -> int:
    """Return the floating-point operations in the matrix products of a step; those within attention are not counted."""
    with FlopCounterMode(display=False) as counter:
        step(0)
    counts = counter.get_flop_counts()["Global"]
    return int(sum(counts.get(product, 0) for product in PRODUCTS))


def wait(device: torch.device) -> None:
    """Return when the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and quartiles."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return {"median": round(middle, 4), "low": round(low, 4), "high": round(high, 4)}


def ratios(took: dict[str, list[float]], known: Sequence[int]) -> dict[str, dict[str, float]]:
    """Return the ratios that are asked for, each taken within a round."""
    first = at(known[0])
    pairs = [(first, "adapter"), (first, "adaprefix"), (first, "lora"), (first, BARE), ("adapter", BARE)]
    pairs += [(FIRST_TRAINED, other) for other in ("adapter", "lora")]
    pairs += [(at(count), first) for count in known[1:]]
    return {
        f"{one} / {other}": spread([a / b for a, b in zip(took[one], took[other], strict=True)])
        for one, other in pairs
    }


def machine(device: torch.device) -> str:
    """Return what it was measured on."""
    cpu = f"{torch.get_num_threads()} threads of {os.cpu_count()} CPU cores, {platform.machine()}"
    gpu = f"{torch.cuda.get_device_name(device)}, " if device.type == "cuda" else ""
    return f"{gpu}{cpu}, Python {platform.python_version()}"


def main() -> int:
    """Measure, and write the result file after every round, so that a stopped command has written what it has."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="edgecl/vit-64")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--max-tokens", type=int)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=5, help="Steps of each case in a round.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--known", type=int, nargs="+", default=[2, 20, 100, 500], help="Tasks before the new one."
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="fp32", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    device = choose_device(options.device)
    bench = make_bench(options)
    steps = dict(cases(bench, options.known))
    for step in steps.values():
        milliseconds(step, 2, device)
    products = {name: operations(step) for name, step in steps.items()}
    took: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(options.rounds):
        note(f"round {number + 1} of {options.rounds}")
        for name, step in steps.items():
            took[name].append(milliseconds(step, options.steps, device))
        write_result(options.out, result(options, bench, products, took))
    print(json.dumps(ratios(took, options.known), indent=2))
    return 0


def result(
    options: argparse.Namespace, bench: Bench, products: dict[str, int], took: dict[str, list[float]]
) -> dict[str, Any]:
    """Return the content of the result file from the rounds so far."""
    asked = {key: value for key, value in vars(options).items() if key not in {"backbone", "out", "rounds"}}
    return {
        "backbone": {"source": Path(options.backbone).name, "fingerprint": bench.backbone.fingerprint},
        "settings": asked | {"rounds": len(took[BARE])},
        "ratios": ratios(took, options.known),
        "operations": {
            name: round(count / products["adapter"], 4) for name, count in products.items() if name != BARE
        },
        "milliseconds": {name: round(statistics.median(values), 3) for name, values in took.items()},
        "machine": machine(choose_device(options.device)),
        "versions": package_versions("edgecl", "torch", "transformers", "peft"),
    }


if __name__ == "__main__":
    sys.exit(main())
