"""What docs/results.md says of generated prefixes and of what keeps them holds in the result files."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import pytest

from tests.docs.figures import ROOT, over, page, result, with_error

DOCS = ROOT / "docs"

VISION, TEXT = result("arms-vision"), result("arms-text")
NO_DECAY = result("arms-text-no-decay")
ARMS = VISION["summary"]["arms"]


def gain(arm: str, of: dict[str, Any] = VISION) -> float:
    """Return the points above the best floor, mean over seeds."""
    points: float = of["summary"]["arms"][arm]["gain_over_best_floor"]["mean"]
    return points


TASK_BY_TASK = ("linear-head", "adapter", "prefix", "adaprefix", "gated", "gated-tasks", "average", "lora")
GENERATED = ("prefix++", "prefix++-no-drift", "adaprefix++", "adaprefix++-no-drift", "adaprefix++-joint")
ONE_FOR_ALL = ("sequential", "joint")
ON_IMAGES_ALONE = ("adaprefix++-alone", "recurrent++")


@pytest.mark.parametrize(
    ("of", "generated", "adapters"),
    [
        (VISION, "adaprefix++", "adapter"),
        (TEXT, "adaprefix++", "adapter"),
        (NO_DECAY, "adaprefix++", "adapter"),
    ],
    ids=["images", "texts", "texts without weight decay"],
)
def test_generated_prefixes_are_worth_what_adapters_alone_are(
    of: dict[str, Any], generated: str, adapters: str
) -> None:
    assert gain(generated, of) >= gain(adapters, of) - 1


@pytest.mark.parametrize(
    "of", [VISION, TEXT, NO_DECAY], ids=["images", "texts", "texts without weight decay"]
)
def test_what_is_regenerated_after_the_last_task_is_within_half_a_point(of: dict[str, Any]) -> None:
    assert of["summary"]["arms"]["adaprefix++"]["largest_change"] <= 0.5


def test_generated_prefixes_alone_are_kept_by_the_drift_loss_and_forgotten_without_it() -> None:
    lost = {
        arm: ARMS[arm]["score"]["mean"] - ARMS[arm]["at_the_end"]["mean"] for arm in ARMS if "prefix++" in arm
    }
    assert abs(lost["prefix++"]) <= 0.5
    assert lost["prefix++-no-drift"] >= 8


def test_on_texts_generated_prefixes_alone_do_what_they_do_on_images() -> None:
    kept, lost = (TEXT["summary"]["arms"][arm] for arm in ("prefix++", "prefix++-no-drift"))
    free = gain("prefix", TEXT)
    assert abs(kept["score"]["mean"] - kept["at_the_end"]["mean"]) < 0.05
    gains = kept["gain_over_best_floor"]["mean"], lost["gain_over_best_floor"]["mean"], free
    worse = lost["score"]["mean"] - lost["at_the_end"]["mean"]
    said = (
        f"they end {-gains[0]:.1f} points below the floor, and stay what they were; without it "
        f"(`prefix++-no-drift`) they end {gains[1]:.1f} above it, as free ones do (`prefix`, {gains[2]:.1f}), "
        f"and what would be regenerated after the last task is {worse:.1f} points worse, "
        f"{lost['largest_change']:.0f} on one task in one seed."
    )
    assert said in " ".join((DOCS / "results.md").read_text(encoding="utf-8").split())


def test_beside_adapters_the_drift_loss_keeps_what_is_regenerated() -> None:
    found = ARMS["adaprefix++-no-drift"]
    lost = found["score"]["mean"] - found["at_the_end"]["mean"]
    said = (
        f"is {lost:.1f} points worse on the mean, and {found['largest_change']:.0f} on one task in one seed"
    )
    assert said in " ".join((DOCS / "results.md").read_text(encoding="utf-8").split())
    assert ARMS["adaprefix++"]["largest_change"] < 0.2


def test_beside_adapters_the_same_shows_on_texts() -> None:
    arms = TEXT["summary"]["arms"]
    lost = arms["adaprefix++-no-drift"]
    points = lost["score"]["mean"] - lost["at_the_end"]["mean"]
    said = (
        f"{points:.1f} points lower after the last one, {lost['largest_change']:.0f} on one task in one seed"
    )
    assert said in " ".join((DOCS / "results.md").read_text(encoding="utf-8").split())
    assert abs(gain("adaprefix++-joint", TEXT) - gain("adaprefix++", TEXT)) < 0.5
    assert abs(gain("adaprefix++-no-drift", TEXT) - gain("adaprefix++", TEXT)) < 0.5


def test_a_drift_weight_of_ten_is_the_best_for_generated_prefixes_alone() -> None:
    between = result("drift-vision")
    counted = VISION["summary"]["counted"]
    assert between["summary"]["counted"] == counted
    runs = [
        VISION["runs"]["prefix++-no-drift"][0],
        between["runs"]["prefix++:generator.drift_weight=10"][0],
        between["runs"]["prefix++:generator.drift_weight=100"][0],
        VISION["runs"]["prefix++"][0],
    ]
    assert {run["seed"] for run in runs} == {0}
    rows = [[row for row in run["tasks"] if row["task"] in counted] for run in runs]
    learned = [fmean(row["score"] for row in each) for each in rows]
    kept = [fmean(row["at_the_end"] for row in each) for each in rows]
    four = "{:.1f}, {:.1f}, {:.1f} and {:.1f}"
    said = f"tasks reach {four} when they are learned, and {four} after the last one"
    page = " ".join((DOCS / "results.md").read_text(encoding="utf-8").split())
    assert said.format(*learned, *kept) in page
    assert max(kept) == kept[1] > between["summary"]["mean_best_floor"] > max(kept[0], *kept[2:])


def test_the_published_recipe_ends_below_the_floor_with_as_many_steps_as_the_page_says() -> None:
    of = result("drift-vision")
    found = of["summary"]["arms"]["adaprefix++-published"]
    (run,) = of["runs"]["adaprefix++-published"]
    assert {row["steps"] for row in run["tasks"]} == {60}
    text = " ".join((DOCS / "results.md").read_text(encoding="utf-8").split())
    assert (
        f"Tasks end {-found['gain_over_best_floor']['mean']:.1f} points below the floor, with more than"
        in text
    )
    assert found["bytes_per_task"] > 2 * ARMS["adaprefix++"]["bytes_per_task"]
    lost = found["score"]["mean"] - found["at_the_end"]["mean"]
    assert f"after the last one is {lost:.1f} lower, {found['largest_change']:.1f} on one task." in text


def test_a_recurrent_network_is_level_with_the_one_that_generates_row_by_row() -> None:
    points, error = with_error(over(VISION, "recurrent++", "adaprefix++"))
    text = " ".join((DOCS / "results.md").read_text(encoding="utf-8").split())
    assert f"is no better either, {points:.1f} ± {error:.1f} above it, with nearly five times" in text
    assert points < error
    sizes = [ARMS[arm]["shared_bytes"] for arm in ("recurrent++", "adaprefix++")]
    assert 4.5 < sizes[0] / sizes[1] < 5
    assert ARMS["recurrent++"]["largest_change"] <= 0.5


def test_the_drift_loss_keeps_generated_prefixes_alone_from_learning() -> None:
    assert gain("prefix++") < 0
    assert gain("prefix++-no-drift") - gain("prefix++") >= 8


def test_the_page_says_what_generated_prefixes_are_worth_beside_adapters_alone() -> None:
    beside = [
        with_error(over(of, "adaprefix++", arm))
        for of, arm in (
            (VISION, "adapter"),
            (VISION, "adapter:training.learning_rate=0.01"),
            (TEXT, "adapter"),
        )
    ]
    assert all(points >= -1 for points, _ in beside)
    said = (
        "`adaprefix++` is {:.1f} ± {:.1f} above at the same rate and {:.1f} ± {:.1f} at the better one; on texts "
        "{:.1f} ± {:.1f}.)"
    )
    assert said.format(*[each for pair in beside for each in pair]) in page("docs/results.md")
