"""What the pages say of joint training, which was meant as a ceiling, holds in the result files."""

from __future__ import annotations

import pytest

from tests.docs.figures import over, page, result, transferred, with_error

LEVEL = "transfer-pacs-10"
BELOW = (
    "arms-vision",
    "arms-text",
    "arms-text-no-decay",
    "transfer-omniglot-5",
    "transfer-omniglot-10",
    "transfer-clinc-5",
    "transfer-pacs-5",
)


@pytest.mark.parametrize("name", BELOW)
def test_the_default_lies_above_joint_training(name: str) -> None:
    points, _ = with_error(over(result(name), "joint", "gated"))
    assert points < 0


def test_on_domains_they_are_level() -> None:
    points, error = with_error(over(result(LEVEL), "joint", "gated"))
    assert 0 < points < error
    assert "every table of arms but that of PACS with 10 items per class, where they are level" in page(
        "docs/results.md"
    )


def test_the_page_says_how_weak_the_ceilings_are() -> None:
    text = page("docs/transfer.md")
    average = transferred("arms-vision", "average", sign="")
    points, error = with_error(over(result("arms-vision"), "joint", "adaprefix"))
    said = f"gains {average} points where `joint` is {-points:.1f} ± {error:.1f} below one module for each."
    assert said in text


def test_the_page_says_what_one_module_for_three_tasks_reaches() -> None:
    slower, faster = (result(name) for name in ("capacity-vision", "capacity-vision-faster"))
    text = page("docs/results.md")
    joint = [of["joint"]["mean"] for of in (slower, faster)]
    assert (
        "above every size at 0.005, with {:.1f} %, and at 0.01, with {:.1f} %, above all but the two".format(
            *joint
        )
        in text
    )
    assert joint[0] > max(each["float16"]["score"]["mean"] for each in slower["curve"])
    by_size = sorted(faster["curve"], key=lambda each: each["float16"]["bytes_per_task"])
    above = [each["float16"]["score"]["mean"] > joint[1] for each in by_size]
    assert above == [False] * (len(above) - 2) + [True, True]
    (default,) = (
        each["float16"]["score"]["mean"]
        for each in slower["curve"]
        if (each["rank"], each["prefix_length"]) == (16, 10)
    )
    assert f"three image tasks alone it is {joint[0] - default:.1f} points above one module for each" in text
