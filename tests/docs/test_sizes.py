"""What the pages say of sizes, types of packs and rates holds in the result files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from edgecl.config import PREFIX_LENGTH, RunConfig
from tests.docs.figures import over, page, result, with_error

FASTER = "training.learning_rate=0.01"
CAPACITY = result("capacity-vision")
KNEE = f"adaprefix:method.rank=8,{FASTER}"


def held_back(arm: str, other: str) -> tuple[float, float]:
    """Return what a size has over another one on held-back items of five tasks after the last epoch, and the error."""
    return with_error(over(result("choice-size-vision"), arm, other, key="validation_last"))


def test_the_page_says_what_prefixes_are_worth_on_more_held_back_items() -> None:
    said = [held_back(f"adapter:{FASTER}", other) for other in ("adaprefix", f"adaprefix:{FASTER}")]
    (below, error), (below_same, error_same) = said
    text = page("docs/results.md")
    assert f"adapters alone at 0.01 are {-below:.1f} ± {error:.1f} below the default" in text
    assert f"{-below_same:.1f} ± {error_same:.1f} below `adaprefix` at the same rate" in text


def test_the_page_says_where_the_curve_bends_over_both_rates() -> None:
    text = page("docs/results.md")
    sizes = {
        arm: found["bytes_per_task"] / 1e3
        for arm, found in result("choice-size-vision")["summary"]["arms"].items()
    }
    smaller = (
        f"adaprefix:method.rank=4,{FASTER}",
        f"adaprefix:method.prefix_length=4,{FASTER}",
        f"adapter:method.rank=8,{FASTER}",
    )
    said = (
        "**Over both rates the curve bends at rank 8 with ten prefixes at 0.01**: {:.0f} kB, {:.1f} ± {:.1f} points "
        "above the default, which has {:.0f}, {:.1f} ± {:.1f} above rank 4 with ten prefixes at the same rate, {:.1f} "
        "± {:.1f} "
        "above rank 16 with four prefixes, and {:.1f} ± {:.1f} above rank 8 alone."
    )
    default, *others = (held_back(KNEE, other) for other in ("adaprefix", *smaller))
    decision = page("docs/adr/0016-images-keep-rank-16-and-their-rate.md")
    assert "that is {:.1f} ± {:.1f} points above the default".format(*default) in decision
    fewer, error = held_back(smaller[1], "adaprefix")
    assert f"four prefixes there are {-fewer:.1f} ± {error:.1f} below it." in decision
    figures = [sizes[KNEE], *default, sizes["adaprefix"], *others[0], *others[1], *others[2]]
    assert said.format(*figures) in text
    larger = [
        held_back(f"adaprefix:{size},{FASTER}" if size else f"adaprefix:{FASTER}", KNEE)
        for size in ("", "method.rank=32", "method.prefix_length=20")
    ]
    assert all(points < 0.5 for points, _ in larger)
    points, error = larger[0]
    assert f"at 0.01 it is {-points:.1f} ± {error:.1f} *below* rank 8." in text
    rows = {
        (each["rank"], each["prefix_length"]): each["float16"]
        for each in result("capacity-vision-faster")["curve"]
    }
    more, further = (
        (rows[16, 4]["bytes_per_task"] - rows[8, 10]["bytes_per_task"]) / 1e3,
        rows[16, 4]["score"]["mean"] - rows[8, 10]["score"]["mean"],
    )
    assert f"with {more:.0f} kB more." in text
    assert 0.8 < further < 1.2
    points, error = held_back("adaprefix:method.rank=8,training.learning_rate=0.02", KNEE)
    assert abs(points) < error
    sizes_alone = [
        held_back(f"adapter:{size}{FASTER}", "adaprefix")
        for size in ("method.rank=8,", "", "method.rank=32,")
    ]
    assert [points < -error for points, error in sizes_alone] == [True, True, False]
    alone = [points for points, _ in sizes_alone]
    assert f"stay {-max(alone):.1f} to {-min(alone):.1f} below the default" in text


def size(
    rank: int, prefix_length: int, kind: str = "float16", *, of: Mapping[str, Any] = CAPACITY
) -> tuple[float, float]:
    """Return kilobytes and accuracy of a size."""
    for found in of["curve"]:
        if (found["rank"], found["prefix_length"]) == (rank, prefix_length):
            return found[kind]["bytes_per_task"] / 1e3, found[kind]["score"]["mean"]
    raise KeyError((rank, prefix_length))


def points_per_100_kb(smaller: tuple[float, float], larger: tuple[float, float]) -> float:
    """Return what 100 kB more bring between two sizes."""
    return 100 * (larger[1] - smaller[1]) / (larger[0] - smaller[0])


def test_the_default_is_where_the_curve_bends_in_both_directions() -> None:
    default = RunConfig().method.rank, PREFIX_LENGTH["image"]
    assert default == (16, 10)
    before = [points_per_100_kb(size(*each), size(*default)) for each in ((8, 10), (16, 4))]
    after = [points_per_100_kb(size(*default), size(*each)) for each in ((32, 10), (16, 20))]
    text = page("docs/results.md")
    assert {f"{each:.1f}" for each in before} == {"2.2"}
    assert "100 kB more buy 2.2 points each;" in text
    assert f"from rank 16 to 32 they buy {after[0]:.1f}, and from 10 prefixes to 20 half a point" in text
    assert 0.4 < after[1] < 0.6


def test_what_int8_costs_and_saves_is_said() -> None:
    costs = [
        found["float16"]["score"]["mean"] - found["int8"]["score"]["mean"] for found in CAPACITY["curve"]
    ]
    saved = [
        1 - found["int8"]["bytes_per_task"] / found["float16"]["bytes_per_task"]
        for found in CAPACITY["curve"]
    ]
    text = page("docs/results.md")
    said = f"saves {100 * min(saved):.0f} to {100 * max(saved):.0f} % of the bytes."
    assert f"**Int8 costs {max(costs):.2f} points at most**, where seeds differ by two, and {said}" in text


def test_int8_predicts_the_same_on_whole_streams() -> None:
    streams = [found["summary"] for found in result("rounding").values()]
    differ, items = (sum(found[key] for found in streams) for key in ("labels_differ", "items"))
    assert f"Of {items:,} labels {differ} differ." in page("docs/results.md")
    assert f"predict nearly the same: {differ} labels of {items:,} differ, over three streams" in page(
        "README.md"
    )
    for found in streams:
        points, error = found["cost"]["points"], found["cost"]["standard_error"]
        assert abs(points) <= error
        assert found["int8"]["bytes_per_task"] < 0.56 * found["float16"]["bytes_per_task"]


def test_the_default_of_texts_is_where_their_curve_bends() -> None:
    default = RunConfig().method.rank, PREFIX_LENGTH["text"]
    assert default == (16, 4)
    of_texts = partial(size, of=result("capacity-text"))
    bought = [
        points_per_100_kb(of_texts(*one), of_texts(*other))
        for one, other in (((8, 4), default), (default, (32, 4)), ((16, 0), default), (default, (16, 10)))
    ]
    said = (
        "from rank 8 to 16 100 kB more buy {:.1f} points and from 16 to 32 {:.1f}; "
        "from no prefixes to four {:.1f}, and from four to ten {:.1f}."
    )
    assert said.format(*bought) in page("docs/results.md")
    (small, reached), (large, best) = of_texts(4, 4), of_texts(*default)
    assert best - reached < 1.0
    assert f"**for texts {small:.0f} kB do nearly as well as {large:.0f}**" in page("docs/results.md")


def test_every_size_is_better_at_the_faster_rate_on_these_tasks() -> None:
    faster = result("capacity-vision-faster")["curve"]
    assert len(faster) == 8
    for found in faster:
        _, slower = size(found["rank"], found["prefix_length"])
        assert found["float16"]["score"]["mean"] > slower


def test_rank_32_as_int8_is_smaller_and_better_than_the_default() -> None:
    (bytes_of_it, reached), (bytes_of_default, default) = size(32, 10, "int8"), size(16, 10)
    assert bytes_of_it < bytes_of_default
    assert reached > default
    assert f"and {reached - default:.1f} points above it, less than seeds differ." in page("docs/results.md")
