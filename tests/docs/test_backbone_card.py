"""The card of the embedded backbone says what its result files and the weights themselves say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from statistics import fmean
from typing import Any

from edgecl.pretraining.config import read_pretraining_config
from edgecl.pretraining.record import read_record

ROOT = Path(__file__).resolve().parents[2]
DOCS, WEIGHTS = ROOT / "docs", ROOT / "edgecl" / "backbones" / "weights" / "vit-64"
CARD = DOCS / "backbones" / "vit-64.md"
RESULT: dict[str, Any] = json.loads((DOCS / "results" / "vit-64.json").read_text(encoding="utf-8"))
COMPARED: dict[str, Any] = json.loads(
    (DOCS / "results" / "vit-64-short-runs.json").read_text(encoding="utf-8")
)
RECORD = read_record(WEIGHTS)


def test_the_weights_are_those_that_were_measured() -> None:
    weights = WEIGHTS / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert digest == RESULT["weights_sha256"] == RECORD.weights_sha256
    assert digest in CARD.read_text(encoding="utf-8")
    assert weights.stat().st_size < 12_000_000


def test_the_recipe_is_the_one_that_ships() -> None:
    named = {"teacher.source": RECORD.settings.config.teacher.source}
    assert RECORD.settings.config == read_pretraining_config("vit-64-cpu", overrides=named)


def mean(encoder: str, *, of: dict[str, Any] = RESULT) -> float:
    """Return the mean over sets of what ridge reaches on an encoder's features, percent."""
    return fmean(found["accuracy"][encoder]["ridge"] for found in of["sets"].values())


def test_frozen_features_are_clearly_above_raw_pixels() -> None:
    assert len(RESULT["sets"]) >= 6
    assert mean("vit-64") > mean("raw pixels") + 10


def test_labels_and_features_together_were_better_than_either() -> None:
    both, labels, features = (mean(f"short-{name}", of=COMPARED) for name in ("both", "labels", "features"))
    assert both > max(labels, features)
    said = f"{both:.1f} with ridge, {labels:.1f} of labels alone and {features:.1f} of features alone"
    assert said in CARD.read_text(encoding="utf-8")


def test_the_compared_trainings_differ_in_their_losses_alone() -> None:
    trainings = COMPARED["training"].values()
    assert len(trainings) == 3
    for table in ("student", "augmentation", "training"):
        assert len({json.dumps(each["settings"]["config"][table]) for each in trainings}) == 1
    assert len({each["settings"]["data_sha256"] for each in trainings}) == 1
