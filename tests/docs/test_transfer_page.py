"""What the pages say of transfer holds in the result files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def transfer(name: str, arm: str = "gated") -> dict[str, Any]:
    """Return the forward transfer of an arm on a stream."""
    result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = result["summary"]["arms"][arm]["forward_transfer"]
    return found


def test_the_default_gains_where_there_is_something_to_gain() -> None:
    found = transfer("transfer-omniglot-5")
    assert found["pairs"] == 5 * 11
    assert found["points"] > max(3, 2 * found["standard_error"], 2 * found["standard_error_over_seeds"])


def test_the_default_loses_nowhere() -> None:
    for stream in ("transfer-clinc-5", "arms-vision"):
        found = transfer(stream)
        assert found["points"] >= -0.3 - found["standard_error"]


def test_the_readme_says_what_was_measured() -> None:
    found = transfer("transfer-omniglot-5")
    assert f"{found['points']:+.1f} ± {found['standard_error']:.1f} points over each task alone" in README
