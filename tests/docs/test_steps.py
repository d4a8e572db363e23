"""What docs/methods.md says of the cost of a step holds in the result files."""

from __future__ import annotations

from typing import Any

import pytest

from tests.docs.figures import page, result, row_of

FILES = {"112 px": "steps-cpu", "224 px": "steps-cpu-224", "texts": "steps-cpu-text"}
GENERATED, TRAINED = "adaprefix++ at 2", "adaprefix++, first prefixes trained"
LIMITS = {
    f"{GENERATED} / lora": 1.10,
    f"{GENERATED} / adapter": 1.05,
    f"adaprefix++ at 100 / {GENERATED}": 1.10,
}


def ratios(name: str) -> dict[str, Any]:
    """Return the ratios between steps of training, with their quartiles."""
    found: dict[str, Any] = result(name)["ratios"]
    return found


@pytest.mark.parametrize(
    ("row", "pair"),
    [
        ("LoRA through `peft` |", f"{GENERATED} / lora"),
        ("adapters only |", f"{GENERATED} / adapter"),
        ("AdaPrefix |", f"{GENERATED} / adaprefix"),
        ("its own at 2 known tasks, with 100", f"adaprefix++ at 100 / {GENERATED}"),
        ("its own at 2 known tasks, with 500", f"adaprefix++ at 500 / {GENERATED}"),
        ("with all prefixes trained, against adapters only", f"{TRAINED} / adapter"),
        ("with all prefixes trained, against LoRA", f"{TRAINED} / lora"),
    ],
)
def test_the_cost_of_a_step_is_the_one_that_was_measured(row: str, pair: str) -> None:
    aim, *cells = row_of("docs/methods.md", row)
    assert aim == (f"{LIMITS[pair]:.2f}" if pair in LIMITS else "")
    measured = [ratios(name).get(pair) for name in FILES.values()]
    assert cells == [
        "{median:.2f} ({low:.2f} to {high:.2f})".format(**each) if each else "" for each in measured
    ]


def test_the_page_says_where_an_upper_quartile_lies_above_the_aim() -> None:
    above = [
        place
        for place, name in FILES.items()
        if any(ratios(name)[pair]["high"] > limit for pair, limit in LIMITS.items())
    ]
    assert above == ["112 px", "texts"]
    assert round(ratios(FILES["texts"])[f"{GENERATED} / adapter"]["high"], 2) == 1.05
    said = "The upper quartile against adapters lies above the aim at 112 px, and at it on texts:"
    assert said in page("docs/methods.md")


@pytest.mark.parametrize("name", FILES.values(), ids=FILES)
def test_a_step_of_generated_prefixes_costs_what_one_of_adapters_does(name: str) -> None:
    found = ratios(name)
    assert all(found[pair]["median"] <= limit for pair, limit in LIMITS.items())


def test_the_rounds_are_those_that_were_taken() -> None:
    rounds = [result(name)["settings"]["rounds"] for name in FILES.values()]
    steps = {result(name)["settings"]["steps"] for name in FILES.values()}
    assert steps == {1}
    assert "({}, {} and {} rounds of one step)".format(*rounds) in page("docs/methods.md")
