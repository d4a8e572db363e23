"""What the pages say of joint training, which was meant as a ceiling, holds in the result files."""

from __future__ import annotations

import json
import re

import pytest

from scripts.arms_tables import CEILING_ARM, FLOOR_ROW
from tests.docs.figures import RESULTS, over, page, result, transferred, with_error

NOT_TOLD_APART = {
    "arms-text-no-decay",
    "transfer-omniglot-5",
    "transfer-clinc-5",
    "transfer-clinc-5-no-decay",
    "transfer-pacs-10",
}


TABLES = re.findall(
    r"<!-- (?:arms|capacity) results/\S+? -->.*?<!-- /", page("docs/results.md") + page("docs/transfer.md")
)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.split()[2])
def test_a_table_has_its_floor_and_its_ceiling(table: str) -> None:
    assert FLOOR_ROW in table
    assert f"| `{CEILING_ARM}`, joint training |" in table


def below_the_default() -> dict[str, tuple[float, float]]:
    """Return by file what joint training has over the default, and the error, wherever both were measured."""
    files = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in RESULTS.glob("*.json")}
    return {
        name: with_error(over(of, "joint", "gated"))
        for name, of in files.items()
        if isinstance(of.get("runs"), dict) and {"joint", "gated"} <= set(of["runs"])
    }


def test_joint_training_is_no_bound_and_the_page_says_where() -> None:
    found = below_the_default()
    below = {name for name, (points, error) in found.items() if points < -2 * error}
    level = {name for name, (points, error) in found.items() if abs(points) <= 2 * error}
    assert (level, below | level) == (NOT_TOLD_APART, set(found))
    words = {6: "six", 11: "eleven"}
    said = f"in {words[len(below)]} of the {words[len(found)]} tables that have both rows the default is above it"
    assert said in page("docs/results.md")


def test_the_page_says_how_weak_the_ceilings_are() -> None:
    text = page("docs/transfer.md")
    average = transferred("arms-vision", "average", sign="")
    points, error = with_error(over(result("arms-vision"), "joint", "adaprefix"))
    said = f"gains {average} points where `joint` is {-points:.1f} ± {error:.1f} below one module for each."
    assert said in text


def test_the_page_says_what_one_module_for_three_tasks_reaches() -> None:
    slower, faster = (result(name) for name in ("capacity-vision", "capacity-vision-faster"))
    joint = [of["joint"]["mean"] for of in (slower, faster)]
    (default,) = (
        each["float16"]["score"]["mean"]
        for each in slower["curve"]
        if (each["rank"], each["prefix_length"]) == (16, 10)
    )
    said = (
        f"reaches {joint[0]:.1f} % at 0.005, {joint[0] - default:.1f} points above the default there, and "
        f"{joint[1]:.1f} % at 0.01, among the larger sizes"
    )
    assert said in page("docs/results.md")
    by_size = sorted(faster["curve"], key=lambda each: each["float16"]["bytes_per_task"])
    reached = [each["float16"]["score"]["mean"] for each in by_size]
    assert max(reached[:4]) - 0.5 < joint[1] < max(reached)
