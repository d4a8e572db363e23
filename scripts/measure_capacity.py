"""Measure accuracy against bytes: ranks and prefix lengths, in float16 and rounded to eight bits.

    python scripts/measure_capacity.py vision --sizes 0,10 4,0 8,0 16,0 16,10 32,0 48,15 --data DATA \
        --backbone VIT_FOLDER --set backbone.image_size=112 --runs RUNS --out docs/results/capacity-vision.json

A size is RANK,PREFIX_LENGTH. Eight bits are symmetric, with one scale for each row of a tensor's last axis; packs of
format 1 store float16 only, so these figures say what smaller packs would cost, not what ships.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
from measure_arms import STREAMS, spread, stream_tasks
from numpy.typing import NDArray

from edgecl.cli.output import TrainingConsole, note
from edgecl.config import read_config
from edgecl.evaluation.scores import Score
from edgecl.streams import TaskSpec, check_items, load_task
from edgecl.training.features import predictions
from edgecl.training.run import PACK_DTYPE, Run
from edgecl.training.train import load_run_backbone, train_stream
from edgecl.training.versions import package_versions
from edgecl_runtime.tensors import TaskTensors

KINDS = ("float16", "int8")


def to_eight_bits(array: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return an array as it is after rounding to 8 bits, with one scale per row of the last axis."""
    if array.size == 0:
        return array.astype(np.float32)
    scale = np.abs(array).max(axis=-1, keepdims=True).astype(np.float32) / 127.0
    scale[scale == 0] = 1.0
    return (np.round(array / scale) * scale).astype(np.float32)


def stored(tensors: TaskTensors, kind: str) -> tuple[TaskTensors, int]:
    """Return a task as it would be read back, and the bytes it would take: numbers, and scales in float16."""
    if kind == "float16":
        rounded = tensors.rounded(PACK_DTYPE)
        return rounded, rounded.size_bytes
    arrays = {name: to_eight_bits(array) for name, array in tensors.items()}
    rows = sum(array.size // array.shape[-1] for array in arrays.values() if array.size)
    return TaskTensors(**arrays), sum(array.size for array in arrays.values()) + 2 * rows


def measured(run: Run, tasks: list[TaskSpec]) -> dict[str, dict[str, float]]:
    """Return mean score and mean bytes of a run's tasks for each kind of rounding."""
    backbone = load_run_backbone(run)
    scores: dict[str, list[float]] = {kind: [] for kind in KINDS}
    sizes: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for spec in tasks:
        data = load_task(spec, seed=run.record.config.seed)
        prepared = check_items(data, backbone.preprocessor).test
        for kind in KINDS:
            tensors, size_bytes = stored(run.tensors(spec.name), kind)
            predicted = predictions(
                backbone.module, prepared, preprocessor=backbone.preprocessor, task=tensors
            )
            score = Score.of(predicted, data.test.targets)
            is_dominated = run.task(spec.name).dominated
            scores[kind].append(score.balanced_accuracy if is_dominated else score.accuracy)
            sizes[kind].append(size_bytes)
    return {
        kind: {"score": statistics.fmean(scores[kind]), "bytes": statistics.fmean(sizes[kind])}
        for kind in KINDS
    }


def main() -> int:
    """Measure every size over all seeds and write the result file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stream", choices=sorted(path.stem for path in STREAMS.glob("*.toml")))
    parser.add_argument("--sizes", nargs="+", required=True, metavar="RANK,LENGTH")
    parser.add_argument("--only", nargs="+", help="Tasks of the stream; all if absent.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--set", dest="settings", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    tasks = stream_tasks(options.stream, options.data, reverse=False)
    tasks = [spec for spec in tasks if options.only is None or spec.name in options.only]
    settings = dict(setting.split("=", maxsplit=1) for setting in options.settings)
    curve = []
    for size in options.sizes:
        rank, length = (int(part) for part in size.split(","))
        runs = []
        for seed in options.seeds:
            note(f"rank {rank}, {length} prefixes, seed {seed}")
            overrides = {
                "seed": seed,
                "backbone.source": options.backbone,
                "method.rank": rank,
                "method.prefix_length": length,
                "evaluation.matrix": "none",
                "evaluation.floors": False,
                **settings,
            }
            config = read_config(None, overrides=overrides)
            with TrainingConsole() as console:
                run = train_stream(config, tasks, options.runs / f"{rank}-{length}-{seed}", report=console)
            runs.append(measured(run, tasks))
        curve.append(
            {
                "rank": rank,
                "prefix_length": length,
                **{
                    kind: {
                        "score": spread([each[kind]["score"] for each in runs]),
                        "bytes_per_task": round(statistics.fmean(each[kind]["bytes"] for each in runs)),
                    }
                    for kind in KINDS
                },
            }
        )
        result = {
            "stream": options.stream,
            "tasks": [spec.name for spec in tasks],
            "seeds": options.seeds,
            "settings": settings,
            "curve": curve,
            "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, Python {platform.python_version()}",
            "versions": package_versions("edgecl", "torch", "transformers"),
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(curve, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
