"""What the pages say of sizes and rates that were compared on held-back images holds in the result files."""

from __future__ import annotations

from tests.docs.figures import over, page, result, with_error

FASTER = "training.learning_rate=0.01"
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
