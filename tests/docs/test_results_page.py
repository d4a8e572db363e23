"""What docs/results.md and the README say of the arms holds in the result files."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any

import pytest

from edgecl.config import LEARNING_RATE, WEIGHT_DECAY
from tests.docs.figures import ROOT, over, page, result, transferred, with_error

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


@pytest.mark.parametrize(("of", "besides"), [(VISION, ON_IMAGES_ALONE), (TEXT, ())], ids=["images", "texts"])
def test_the_same_arms_are_compared_on_images_and_on_texts_but_for_two(
    of: dict[str, Any], besides: tuple[str, ...]
) -> None:
    compared = [arm for arm in of["summary"]["arms"] if ":" not in arm]
    assert sorted(compared) == sorted([*TASK_BY_TASK, *GENERATED, *ONE_FOR_ALL, *besides])


@pytest.mark.parametrize("of", [VISION, TEXT], ids=["images", "texts"])
def test_every_arm_has_three_seeds(of: dict[str, Any]) -> None:
    assert {found["seeds"] for found in of["summary"]["arms"].values()} == {3}


def test_images_are_at_112_px_and_no_text_that_counts_is_of_clinc150() -> None:
    assert VISION["image_size"] == 112
    assert TEXT["summary"]["counted"] == ["trec6", "sst2", "subj", "banking77", "cr", "mr", "mpqa"]


@pytest.mark.parametrize("arm", ["adapter", "adaprefix", "adaprefix++", "gated", "average"])
def test_a_method_as_it_ships_is_three_points_above_its_floor_on_texts(arm: str) -> None:
    assert gain(arm, TEXT) >= 3


@pytest.mark.parametrize("of", [VISION, TEXT], ids=["images", "texts"])
def test_every_arm_is_measured_over_the_same_floors(of: dict[str, Any]) -> None:
    floors = {
        (run["seed"], row["task"]): row["best_floor"]
        for run in of["runs"]["linear-head"]
        for row in run["tasks"]
    }
    for arm, runs in of["runs"].items():
        rows = {(run["seed"], row["task"]): row for run in runs for row in run["tasks"]}
        assert {place: row["best_floor"] for place, row in rows.items()} == floors
        counted = [row for (_, task), row in rows.items() if task in of["summary"]["counted"]]
        points = [row["score"] - row["best_floor"] for row in counted]
        assert sum(points) / len(points) == pytest.approx(gain(arm, of), abs=0.001)


@pytest.mark.parametrize("arm", ["adapter", "adaprefix", "adaprefix++", "gated", "average"])
def test_a_method_is_eight_points_above_its_floor(arm: str) -> None:
    assert gain(arm) >= 8


@pytest.mark.parametrize("of", [VISION, TEXT], ids=["images", "texts"])
def test_nothing_that_shipped_has_changed(of: dict[str, Any]) -> None:
    tested = [found for found in of["summary"]["arms"].values() if "shipped_unchanged" in found]
    assert len(tested) >= 4
    assert all(found["shipped_unchanged"] for found in tested)


def test_the_results_in_short_are_those_of_the_files() -> None:
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    lost = [
        found["score"]["mean"] - found["at_the_end"]["mean"]
        for found in (of["summary"]["arms"]["sequential"] for of in (VISION, TEXT))
    ]
    prefixes = "{:.1f} ± {:.1f}".format(*with_error(over(VISION, "adaprefix", "adapter")))
    assert (
        f"{gain('adapter'):.1f} points above the best classifier on frozen features on images, and "
        f"{gain('adapter', TEXT):.1f} on texts; prefixes beside them are worth {prefixes} more on images "
        "at the same rate" in page
    )
    assert abs(gain("adaprefix", TEXT) - gain("adapter", TEXT)) < 0.3
    assert f"ends {lost[0]:.1f} points lower on images than it was, {lost[1]:.1f} on texts" in page
    of_both = [(of, of["summary"]["arms"]) for of in (VISION, TEXT)]
    assert all(abs(gain("adaprefix++", of) - gain("adaprefix", of)) < 0.5 for of, _ in of_both)
    assert all(abs(gain("lora", of) - gain("adapter", of)) < 0.5 for of, _ in of_both)
    assert all(
        1.7 < arms["lora"]["bytes_per_task"] / arms["adapter"]["bytes_per_task"] < 2 for _, arms in of_both
    )


def test_one_module_trained_on_from_task_to_task_loses_eight_points_on_images() -> None:
    found = ARMS["sequential"]
    assert found["score"]["mean"] - found["at_the_end"]["mean"] >= 8


def test_one_module_trained_on_from_task_to_task_loses_on_texts_as_well() -> None:
    found = TEXT["summary"]["arms"]["sequential"]
    assert found["score"]["mean"] - found["at_the_end"]["mean"] >= 5


def test_the_readme_says_what_is_gained_on_texts() -> None:
    own = ("adapter", "adaprefix", "adaprefix++")
    gains = [gain(arm, TEXT) for arm in (*own, "gated")] + [gain(arm, NO_DECAY) for arm in own]
    said = (
        "adapters alone gain {}, `adaprefix` {}, `adaprefix++` {} and the default start {}; without the weight "
        "decay that held-back texts chose the first three gain {}, {} and {}."
    )
    assert said.format(*[f"{each:+.1f}" for each in gains]) in " ".join(
        (ROOT / "README.md").read_text(encoding="utf-8").split()
    )


@pytest.mark.parametrize("of", [VISION, TEXT], ids=["images", "texts"])
def test_the_ceiling_stands_in_the_table(of: dict[str, Any]) -> None:
    assert "joint" in of["summary"]["arms"]


def test_the_page_says_what_is_gained_over_the_linear_head_as_well() -> None:
    said = []
    for of in (VISION, TEXT):
        for arm in ("adapter", "adaprefix", "adaprefix++"):
            gains = [
                row["score"] - max(row["best_floor"], linear["score"])
                for run, head in zip(of["runs"][arm], of["runs"]["linear-head"], strict=True)
                for row, linear in zip(run["tasks"], head["tasks"], strict=True)
                if row["task"] in of["summary"]["counted"]
            ]
            said.append(fmean(gains))
    text = (
        "With it as a fourth floor adapters alone gain {:.1f} points on images, `adaprefix` {:.1f} and "
        "`adaprefix++` {:.1f}; on texts {:.1f}, {:.1f} and {:.1f}."
    )
    assert text.format(*said) in page("docs/results.md")
    assert min(said[:3]) >= 8
    assert min(said[3:]) >= 3


def test_the_page_says_what_starts_from_earlier_tasks_are_worth_on_images() -> None:
    average, gate = (transferred("arms-vision", arm, sign="") for arm in ("average", "gated"))
    text = page("docs/results.md")
    assert f"is worth {average} points where it is always taken" in text
    assert f"and {gate}, not told from nought, with the gate" in text


def test_the_pages_say_what_prefixes_hold() -> None:
    found = result("prefixes-vision")
    free = found["summary"]["adaprefix"]
    lost = free["own"]["mean"] - free["of_the_task_before"]["mean"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"those of another task in their place cost {lost:.1f} points" in readme
    tomatoes = [
        row["own"] - row["zeros"]
        for run in found["runs"]["adaprefix++"]
        for row in run["tasks"]
        if row["task"] == "tomato-leaves"
    ]
    assert (round(min(tomatoes)), round(max(tomatoes))) == (2, 4)
    assert "without them tomato leaves lose 2 to 4 points, in every seed" in (DOCS / "results.md").read_text(
        encoding="utf-8"
    )


def test_empty_prefixes_alone_change_what_frozen_features_are_worth() -> None:
    floors = result("empty-prefixes-vision")["best_floor"]
    better = {task: by_length["40"]["mean"] - by_length["0"]["mean"] for task, by_length in floors.items()}
    helped = {"waste", "apple-leaves", "tomato-leaves", "groceries"}
    assert {task for task, points in better.items() if points >= 1} == helped
    assert max(better.values()) <= 8.6


@pytest.mark.parametrize("of", ["vision", "text"])
def test_prefixes_alone_have_the_rate_that_validation_items_choose(of: str) -> None:
    arms = result(f"choice-prefix-{of}")["summary"]["arms"]
    best = max(found["validation"]["mean"] for found in arms.values())
    assert arms["prefix"]["validation"]["mean"] >= best - 0.5  # of two that are alike the smaller one


def test_the_rate_of_images_is_the_one_that_held_back_items_choose() -> None:
    arms = {
        arm: found
        for arm, found in result("choice-vision")["summary"]["arms"].items()
        if arm != "linear-head"
    }
    fewer = "adaprefix:method.prefix_length=4,training.learning_rate=0.01"
    asked = sorted(float(arm.rpartition("=")[2]) for arm in arms if arm not in {"adaprefix", fewer})
    assert asked[0] < LEARNING_RATE < asked[-1]
    for key in ("validation", "validation_last"):
        assert max(arms, key=lambda arm: arms[arm][key]["mean"]) == "adaprefix"
    half, twice = (
        last_epoch("choice-vision", f"adaprefix:training.learning_rate={rate}")[0] for rate in asked
    )
    assert -5.5 < half < -4
    assert twice < 0


def test_the_page_says_that_the_peer_does_better_at_another_rate() -> None:
    points, error = last_epoch("choice-lora-vision", "lora:training.learning_rate=0.01")
    page = " ".join((DOCS / "results.md").read_text(encoding="utf-8").split())
    seeds = over(
        result("choice-lora-vision"), "lora:training.learning_rate=0.01", "lora", key="validation_last"
    )
    over_seeds = stdev(map(fmean, seeds)) / len(seeds) ** 0.5
    said = (
        f"**LoRA does better at twice the rate**, by {points:.1f} points after the last epoch (± {error:.1f} over "
        f"pairs, ± {over_seeds:.1f} over seeds)"
    )
    assert said in page
    reached = result("choice-lora-vision")["summary"]["arms"]["lora:training.learning_rate=0.01"]
    ours = result("choice-vision")["summary"]["arms"]["adaprefix"]
    assert abs(reached["validation_last"]["mean"] - ours["validation_last"]["mean"]) < 0.5
    assert points > 0
    assert abs(gain("lora:training.learning_rate=0.01") - gain("adaprefix")) < 0.5
    assert all(
        last_epoch("choice-lora-text", f"lora:training.learning_rate={rate}")[0] < 0 for rate in (0.002, 0.01)
    )


def test_the_page_says_what_prefixes_are_worth_beside_adapters_at_the_rate_of_their_own() -> None:
    faster = "adapter:training.learning_rate=0.01"
    points, error = last_epoch("choice-adapter-vision", faster)
    page = " ".join((DOCS / "results.md").read_text(encoding="utf-8").split())
    said = f"**Adapters alone do better at twice the rate**, by {points:.1f} points after the last epoch (± {error:.1f}"
    assert said in page
    by_seed = over(VISION, "adaprefix", faster)
    worth = "{:.1f} ± {:.1f}".format(*with_error(by_seed))
    assert f"adapters alone are {gain(faster):.1f} points above it**, and `adaprefix`" in page
    assert f"at its own rate is {worth} above that" in page
    seeds = over(result("choice-adapter-vision"), faster, "adapter", key="validation_last")
    over_seeds = stdev(map(fmean, seeds)) / len(seeds) ** 0.5
    assert (
        f"points after the last epoch (± {error:.1f} over pairs of task and seed, ± {over_seeds:.1f} over"
        in page
    )
    at_both = "{:.1f} ± {:.1f}".format(
        *with_error(
            over(
                result("choice-size-vision"),
                "adaprefix:training.learning_rate=0.01",
                faster,
                key="validation_last",
            )
        )
    )
    assert f"with both at twice the rate prefixes are worth {at_both} on held-back items" in page
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert (
        f"is {worth} above those adapters, and with both at the higher rate prefixes are worth {at_both}"
        in readme
    )
    assert f"prefixes are worth {worth} points over pairs of task and seed" in page
    of_the_tiles = [seed[VISION["summary"]["counted"].index("tiles")] for seed in by_seed]
    assert sum(of_the_tiles) > sum(map(sum, by_seed)) / 2


def test_prefixes_of_the_first_block_need_no_training_beside_adapters() -> None:
    points, error = with_error(over(VISION, "adaprefix", "adaprefix:method.first_prefix=trained"))
    assert f"the tasks end {points:.1f} ± {error:.1f} points lower" in page("docs/results.md")
    decision = page("docs/adr/0012-prefixes-of-the-first-block-are-not-trained.md")
    assert f"it is {points:.1f} ± {error:.1f} points above training them all" in decision
    assert abs(points) < error


def test_the_page_says_how_sure_the_faster_rate_of_adapters_and_of_the_peer_is() -> None:
    text = page("docs/results.md")
    held_back = {"adapter": result("choice-adapter-vision"), "lora": result("choice-lora-vision")}
    by_seed = [
        fmean(seed)
        for arm, of in held_back.items()
        for seed in over(of, f"{arm}:training.learning_rate=0.01", arm, key="validation_last")
    ]
    said = "by seed adapters gain {:.1f} and {:.1f}, LoRA {:.1f} and {:.1f}."
    assert said.format(*[abs(each) if abs(each) < 0.05 else each for each in by_seed]) in text
    for arm in held_back:
        assert min(map(fmean, over(VISION, f"{arm}:training.learning_rate=0.01", arm))) > 0
    faster = "adapter:training.learning_rate=0.01"
    below, error = with_error(
        over(
            held_back["adapter"],
            faster,
            "adaprefix",
            beside=result("choice-vision"),
            key="validation_last",
        )
    )
    assert f"stay {-below:.1f} ± {error:.1f} below `adaprefix` on these items" in text
    same, error = with_error(over(VISION, faster, "adaprefix", only=("signs", "tomato-leaves", "groceries")))
    assert abs(same) < error


def test_the_rate_of_texts_is_the_one_that_held_back_items_choose() -> None:
    arms = result("choice-text")["summary"]["arms"]
    asked = {arm: found["validation"]["mean"] for arm, found in arms.items() if "learning_rate" in arm}
    rates = [float(arm.rpartition("=")[2]) for arm in asked]
    assert min(rates) < LEARNING_RATE < max(rates)
    for weight in ("0", "3"):
        plain = f"adaprefix:training.weight_decay={weight}"
        others = [arms[arm]["validation"]["mean"] for arm in asked if arm.startswith(plain)]
        assert len(others) == 2
        assert arms[plain]["validation"]["mean"] > max(others)


def last_epoch(name: str, arm: str) -> tuple[float, float]:
    """Return by how much an arm is better than the first of its file after the last epoch, and the error."""
    found = result(name)
    first = next(arm for arm in found["summary"]["arms"] if arm != "linear-head")
    places = {
        (run["seed"], row["task"]): row["validation_last"]
        for run in found["runs"][first]
        for row in run["tasks"]
    }
    gains = [
        row["validation_last"] - places[run["seed"], row["task"]]
        for run in found["runs"][arm]
        for row in run["tasks"]
    ]
    return fmean(gains), stdev(gains) / len(gains) ** 0.5


def test_weight_decay_of_adapters_is_chosen_on_held_back_texts_and_not_on_images() -> None:
    page = " ".join((DOCS / "results.md").read_text(encoding="utf-8").split())
    decays = [
        last_epoch("choice-adapter-text", f"adapter:training.weight_decay={weight:g}")
        for weight in (WEIGHT_DECAY["text"], 10)
    ]
    assert len({f"{points:.1f} ± {error:.1f}" for points, error in decays}) == 1
    points, error = decays[0]
    assert f"**Weight decay is worth** {points:.1f} ± {error:.1f} points after the last epoch" in page
    points, error = last_epoch("choice-text", "adaprefix:training.weight_decay=3")
    assert f"beside prefixes, in the table above, {points:.1f} ± {error:.1f}." in page
    seeds = {arm: over(TEXT, arm, arm, beside=NO_DECAY) for arm in ("adapter", "adaprefix", "adaprefix++")}
    adapters, both, generated = ("{:.1f} ± {:.1f}".format(*with_error(each)) for each in seeds.values())
    said = f"it is worth {adapters} points to adapters alone and {both} to `adaprefix`, in every seed;"
    assert f"{said} with `adaprefix++` it is not told from nought ({generated})." in page
    assert min(fmean(seed) for arm in ("adapter", "adaprefix") for seed in seeds[arm]) > 0
    assert last_epoch("choice-decay-vision", "adaprefix:training.weight_decay=3")[0] < 0
    assert last_epoch("choice-adapter-text", "adapter:training.weight_decay=0,method.rank=32")[0] < 0
    assert last_epoch("choice-adapter-text", "adapter:training.weight_decay=0,training.min_steps=90")[0] < 0


def test_the_page_says_what_is_right_when_nobody_says_the_task() -> None:
    found = result("class-incremental-vision")
    untold, told = (
        {arm: each[key]["mean"] for arm, each in found["summary"]["arms"].items()}
        for key in ("class_incremental", "score")
    )
    rows = [row for run in found["runs"]["adaprefix"] for row in run["tasks"]]
    by_task = {
        task: fmean(row["class_incremental"] for row in rows if row["task"] == task)
        for task in found["summary"]["counted"]
    }
    said = (
        f"{untold['adaprefix']:.0f} % are right untold, of {told['adaprefix']:.0f} told; with heads alone "
        f"{untold['linear-head']:.0f} of {told['linear-head']:.0f}. One module that has seen "
        f"all tasks at once is no better at telling them apart: {untold['joint']:.0f} of {told['joint']:.0f}. "
        f"Least is left of groceries "
        f"({by_task['groceries']:.0f} %), whose many classes are seldom sure, and of the tiles "
        f"({by_task['tiles']:.0f} %)."
    )
    assert said in " ".join((DOCS / "results.md").read_text(encoding="utf-8").split())
    assert sorted(by_task, key=lambda task: by_task[task])[:2] == ["groceries", "tiles"]


def test_the_readme_says_what_was_measured() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    floor = f"the floor of {VISION['summary']['mean_best_floor']:.1f};"
    said = (
        f"adapters alone {gain('adapter'):+.1f}, with prefixes {gain('adaprefix'):+.1f} (`adaprefix`), with generated "
        f"prefixes {gain('adaprefix++'):+.1f} (`adaprefix++`), with the default start {gain('gated'):+.1f}."
    )
    assert floor in readme
    assert said in readme
    faster = [gain(f"{arm}:training.learning_rate=0.01") for arm in ("adapter", "lora")]
    assert f"LoRA of the same rank gains {gain('lora'):+.1f}." in readme
    assert "adapters alone gain {:+.1f} and LoRA {:+.1f};".format(*faster) in readme
    of_texts = TEXT["summary"]["mean_best_floor"], gain("adapter", TEXT)
    assert "(300 items, floor {:.1f}), adapters alone gain {:+.1f}".format(*of_texts) in readme


def test_the_results_in_short_say_what_a_start_from_earlier_tasks_gains() -> None:
    twelve, fifty = (transferred(name, sign="") for name in ("transfer-omniglot-5", "arms-omniglot-50"))
    assert f"{twelve} points on twelve alphabets (5 seeds), {fifty} on fifty (1 seed)" in page(
        "docs/results.md"
    )
