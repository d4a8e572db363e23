"""What a method keeps between tasks has the names and shapes that stored runs have: without them they do not load.

A new tensor, or one of another name or shape, makes runs of before unreadable. Where that is meant, read the old
state as well, and only then write `tests/data/states.json` anew: `python -m tests.edgecl.methods.test_states`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgecl.config import RunConfig
from edgecl.methods import build_method
from tests.edgecl.factories import DIMENSIONS, changed, learn, make_new_task, make_settings

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "states.json"
VECTOR = {"task_embedding": "vector"}
VARIANTS: dict[str, dict[str, Any]] = {
    "row": {},
    "vector": VECTOR,
    "adapters": VECTOR | {"generates": "adapter"},
    "onehot": {"layer_embedding": "onehot"},
    "random": {"layer_embedding": "random"},
    "regenerated": {"drift_targets": "regenerated"},
    "decoder": VECTOR | {"guidance": "decoder"},
    "paper": VECTOR | {"guidance": "paper"},
    "recurrent": {"architecture": "recurrent"},
    "learned state": {"architecture": "recurrent", "recurrent_learned_state": True},
    "grow": {"architecture": "recurrent", "recurrent_mode": "grow"},
    "interval": {"architecture": "interval"},
    "nested": {"architecture": "interval", "interval_nested": True},
    "bounds": {"architecture": "interval", "interval_drift": "bounds"},
}
OTHERS: dict[str, RunConfig] = {
    "additive": changed(make_settings("adaprefix++"), method={"attention": "additive"}),
    "shared": make_settings("shared"),
    "shared net": changed(make_settings("shared"), method={"prefix_hidden": 20}),
}


def state_of(config: RunConfig) -> dict[str, list[int]]:
    """Return the shapes of all that a method keeps after two tasks."""
    method = build_method(config, DIMENSIONS)
    for name in ("first", "second"):
        learn(method, make_new_task(name), steps=1)
    return {name: list(tensor.shape) for name, tensor in sorted(method.state().items())}


def states() -> dict[str, RunConfig]:
    """Return the settings of all variants that keep something."""
    return {name: make_settings("adaprefix++", **generator) for name, generator in VARIANTS.items()} | OTHERS


@pytest.mark.parametrize("variant", states())
def test_a_state_has_the_tensors_that_stored_runs_have(variant: str) -> None:
    assert state_of(states()[variant]) == json.loads(GOLDEN.read_text(encoding="utf-8"))[variant]


if __name__ == "__main__":
    found = {variant: state_of(config) for variant, config in states().items()}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(state)}" for name, state in found.items())
    GOLDEN.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
