"""What docs/results.md says of fifty alphabets in a row holds in the result file."""

from __future__ import annotations

from statistics import fmean, median

from tests.docs.figures import over, page, result, transferred, with_error


def test_fifty_tasks_in_a_row_cost_what_the_first_ones_do() -> None:
    (run,) = result("arms-omniglot-50")["runs"]["adaprefix++"]
    rows = run["tasks"]
    assert len(rows) == 50
    first, last = rows[:10], rows[-10:]
    peaks = [max(row["peak_bytes"] for row in part) for part in (first, last)]
    seconds = [median(row["seconds"] for row in part) for part in (first, last)]
    assert peaks[1] <= 1.05 * peaks[0]
    assert seconds[1] <= 1.15 * seconds[0]
    assert max(row["drift"] for row in rows) < 0.03
    assert max(abs(row["at_the_end"] - row["score"]) for row in rows) < 100 / 130 + 0.01
    assert all(row["shipped_unchanged"] for row in rows)
    grown = (rows[-1]["shared_bytes"] - rows[0]["shared_bytes"]) / 49
    assert f"grows by {grown / 1e3:.0f} kB a task" in page("docs/results.md")


def test_the_more_alphabets_are_known_the_more_the_next_one_gains() -> None:
    of = result("arms-omniglot-50")
    (gains,), (ceiling,) = over(of, "gated", "adaprefix"), over(of, "gated", "joint")
    first, last = fmean(gains[1:10]), fmean(gains[40:])
    text = page("docs/results.md")
    said = f"{first:.1f} points among the first ten, {last:.1f} among the last, "
    assert f"{said}{transferred('arms-omniglot-50', sign='')} on the mean" in text
    assert min(gains[1:]) >= 0
    assert all(row["parent"] is not None for row in of["runs"]["gated"][0]["tasks"][1:])
    above = "{:.1f} ± {:.1f}".format(*with_error([ceiling]))
    assert f"ends {above} above one module for all alphabets at once" in text
    tens = [fmean(ceiling[start : start + 10]) for start in range(0, 50, 10)]
    assert (
        f"on the first ten it is {-tens[0]:.1f} points below that, on the last ten {tens[-1]:.1f} above."
        in text
    )
    assert tens == sorted(tens)
    generated, error = with_error(over(of, "adaprefix++", "adaprefix"))
    assert f"Generated prefixes end {-generated:.1f} ± {error:.1f} below free ones here" in text
