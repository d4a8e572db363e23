"""The table of aims in docs/results.md holds in the result files, and says so where an aim is missed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.docs.figures import result, row_of, transfer, transferred

FILES = "arms-vision", "arms-text"
ARMS = [result(name)["summary"]["arms"] for name in FILES]


def cells(start: str) -> list[str]:
    """Return the cells of the row of the table that starts so, without the first one."""
    return row_of("docs/results.md", start)


def gains(arms: dict[str, Any]) -> list[float]:
    """Return what the three arms that have aims are above the best floor, points."""
    return [arms[arm]["gain_over_best_floor"]["mean"] for arm in ("adapter", "adaprefix", "adaprefix++")]


def changes(name: str, arm: str) -> list[float]:
    """Return of each task and seed how far what would be regenerated at the end is from what shipped, points."""
    return [
        abs(row["at_the_end"] - row["score"]) for run in result(name)["runs"][arm] for row in run["tasks"]
    ]


def test_arms_are_above_the_floor_by_what_was_aimed_for() -> None:
    said = cells("over the best floor, images by 8, texts by 3")
    for cell, arms, aim in zip(said, ARMS, (8, 3), strict=True):
        assert cell == " / ".join(f"{gain:.1f}" for gain in gains(arms))
        assert min(gains(arms)) >= aim


def test_generated_prefixes_cost_no_accuracy_beside_adapters_alone() -> None:
    over = [gains(arms)[2] - gains(arms)[0] for arms in ARMS]
    assert cells("`adaprefix++` at most 1 below `adapter`") == [f"{points:.1f} above" for points in over]
    assert min(over) >= 0


def test_nothing_that_shipped_changed() -> None:
    tested = [
        found["shipped_unchanged"] for arms in ARMS for found in arms.values() if "shipped_unchanged" in found
    ]
    assert all(tested)
    assert cells("what shipped predicts the same") == ["all of it", "all of it"]


@pytest.mark.parametrize(
    ("start", "arm", "missed"),
    [
        ("what would be regenerated after the last task within 0.5", "adaprefix++", 0),
        ("the same, generated prefixes alone (`prefix++`)", "prefix++", 1),
    ],
)
def test_the_page_counts_what_is_regenerated_as_it_shipped(start: str, arm: str, missed: int) -> None:
    within = 0
    for cell, name in zip(cells(start), FILES, strict=True):
        found = changes(name, arm)
        right = sum(change <= 0.5 for change in found)
        within += len(found) - right
        assert cell == f"{right} of {len(found)}, at most {max(found):.1f}"
    assert within == missed


def test_without_drift_loss_generated_prefixes_alone_are_visibly_worse() -> None:
    lost = [arms["prefix++-no-drift"] for arms in ARMS]
    assert cells("and visibly worse without drift loss") == [
        f"{found['score']['mean'] - found['at_the_end']['mean']:.1f} worse" for found in lost
    ]


def test_one_module_trained_on_loses_what_tells_it_from_the_others() -> None:
    lost = [arms["sequential"]["score"]["mean"] - arms["sequential"]["at_the_end"]["mean"] for arms in ARMS]
    assert cells("one module trained on (`sequential`) loses 8 on images") == [f"{each:.1f}" for each in lost]
    assert lost[0] >= 8


def test_transfer_is_what_was_aimed_for_and_harms_nowhere_by_more_than_its_error() -> None:
    assert cells("[forward transfer](transfer.md), alphabets with 5 items")[0] == transferred(
        "transfer-omniglot-5", sign=""
    )
    found = transfer("transfer-omniglot-5")
    error = max(found["standard_error"], found["standard_error_over_seeds"])
    assert found["points"] >= 3
    assert found["points"] > 2 * error
    images, texts = cells("the same, elsewhere not below -0.3")
    unlike, others, intents = ("arms-vision", "arms-text", "transfer-clinc-5")
    assert images == f"{transferred(unlike, sign='')}, {transferred('transfer-pacs-10', sign='')}"
    assert texts == f"{transferred(others, sign='')}, {transferred(intents, sign='')}"
    for name in (unlike, "transfer-pacs-10", others, intents):
        elsewhere = transfer(name)
        assert elsewhere["points"] >= -0.3 - max(
            elsewhere["standard_error"], elsewhere["standard_error_over_seeds"]
        )


def test_a_step_costs_what_was_aimed_for() -> None:
    start = "[a step](methods.md#what-a-step-costs)"
    aims = {
        "adaprefix++ at 2 / lora": 1.10,
        "adaprefix++ at 2 / adapter": 1.05,
        "adaprefix++ at 100 / adaprefix++ at 2": 1.10,
    }
    for cell, name in zip(cells(start), ("steps-cpu", "steps-cpu-text"), strict=True):
        ratios = result(name)["ratios"]
        assert cell == " / ".join(f"{ratios[pair]['median']:.2f}" for pair in aims)
        assert all(ratios[pair]["median"] <= aim for pair, aim in aims.items())
