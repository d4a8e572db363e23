"""What docs/transfer.md says of the gate beside permuted labels and lots holds in the result files."""

from __future__ import annotations

from statistics import fmean

from tests.docs.figures import over, page, result, transferred, with_error

STREAMS = ("chooser-omniglot-5", "chooser-clinc-5", "chooser-pacs-10")
REAL, PERMUTED, LOTS = "gated", "gated:transfer.chooser=permuted", "gated:transfer.chooser=random"


def started(name: str, arm: str) -> list[bool]:
    """Return of each later task that counts, in all seeds, whether it started from an earlier one."""
    found = result(name)
    return [
        row["parent"] is not None
        for run in found["runs"][arm]
        for row in run["tasks"][1:]
        if row["task"] in found["summary"]["counted"]
    ]


def later(name: str, arm: str, other: str) -> list[list[float]]:
    """Return what an arm has over another one by seed, without the first task, which nothing can start from another."""
    of = result(name)
    _, *others = (row["task"] for row in of["runs"][arm][0]["tasks"])
    counted = [task for task in others if task in of["summary"]["counted"]]
    return over(of, arm, other, only=counted)


def said(gains: list[list[float]], *, sign: int = 1) -> str:
    """Return the mean of gains and its larger error, as a page says it."""
    points, error = with_error(gains)
    return f"{sign * points:.1f} ± {error:.1f}"


def test_what_permuted_labels_and_lots_bring_in_the_place_of_the_gate_is_said() -> None:
    text = page("docs/transfer.md")
    real, permuted, lots = ([sum(started(name, arm)) for name in STREAMS] for arm in (REAL, PERMUTED, LOTS))
    of_all = [len(started(name, REAL)) for name in STREAMS]
    assert (
        f"{permuted[0]} of {of_all[0]} alphabets and {permuted[1]} of {of_all[1]} domains of intents" in text
    )
    assert f"{permuted[2]} of {of_all[2]}, more than the {real[2]} with labels as they are" in text
    assert permuted[2] > real[2]
    let = [f"{some} of {number}" for some, number in zip(lots, of_all, strict=True)]
    brought = [transferred(name, LOTS) for name in STREAMS]
    assert "Lots let {}, {} and {} start, and bring {}, {} and {}.".format(*let, *brought) in text


def test_the_gate_is_better_than_chance_on_alphabets_and_not_told_from_it_elsewhere() -> None:
    of_lots = []
    for name in STREAMS:
        for other in (PERMUTED, LOTS):
            points, error = with_error(later(name, REAL, other))
            assert points > 2 * error if name == STREAMS[0] else 0 < points <= 2 * error
            if other == LOTS:
                of_lots.append(f"{points:.1f} ± {error:.1f}")
    sentence = "The gate brings {} more than lots on the alphabets, {} on CLINC150 and {} on PACS."
    assert sentence.format(*of_lots) in page("docs/transfer.md")


def test_the_page_says_what_the_gate_is_worth_beside_always_averaging() -> None:
    alphabets, intents, styles = (later(name, REAL, "average") for name in STREAMS)
    sentence = "it is {} lower on the alphabets, {} higher on CLINC150 and {} higher on PACS."
    figures = said(alphabets, sign=-1), said(intents), said(styles)
    assert sentence.format(*figures) in page("docs/transfer.md")


def test_what_is_seen_of_one_task_has_the_error_that_is_said() -> None:
    errors = [
        fmean(
            seen["error"]
            for run in result(name)["runs"][PERMUTED]
            for row in run["tasks"][1:]
            for seen in row["parent_gains"].values()
        )
        for name in STREAMS
    ]
    assert [round(error) for error in errors] == [2, 2, 5]
    assert "has an error of some five points there, of two on the other streams" in page("docs/transfer.md")


def test_the_page_says_that_the_gate_is_no_better_than_lots_on_unlike_tasks() -> None:
    text, fresh = page("docs/transfer.md"), "adaprefix"
    of = {
        (name, LOTS): (sum(started(name, LOTS)), said(later(name, LOTS, fresh)))
        for name in ("arms-vision", "arms-text")
    } | {
        (name, REAL): (sum(started(name, REAL)), transferred(name, sign=""))
        for name in ("arms-vision", "arms-text")
    }
    tasks = [len(started(name, REAL)) for name in ("arms-vision", "arms-text")]
    images, by_lot = of["arms-vision", REAL], of["arms-vision", LOTS]
    assert f"Of {tasks[0]} image tasks the gate lets {images[0]} start and gains {images[1]};" in text
    assert f"; lots let {by_lot[0]} start and gain {by_lot[1]}. Of {tasks[1]} text tasks" in text
    assert of["arms-text", REAL] == (0, "0.0 ± 0.0")
    number, gained = of["arms-text", LOTS]
    assert f"it lets none start; lots let {number} start and gain {gained}, which the gate misses" in text
    rows = [run["tasks"] for run in result("arms-text")["runs"][REAL]]
    seen = [gain["points"] for run in rows for row in run for gain in row["parent_gains"].values()]
    pooled = max(row["parent_evidence"]["points"] for run in rows for row in run[2:])
    assert f"anything from {min(seen):.0f} to +{max(seen):.0f} points" in text
    assert f"show together is {pooled:.1f} points at most from the third task on" in text
    assert not any(any(started(name, PERMUTED)) for name in ("arms-vision", "arms-text"))
    besides = [
        row["task"] for run in result("arms-text")["runs"][PERMUTED] for row in run["tasks"] if row["parent"]
    ]
    assert besides == ["travel"]
    assert "(of the domains of CLINC150, which do not count there, one does)" in text
    points, error = with_error(later("arms-vision", REAL, LOTS))
    assert abs(points) < error
