"""What docs/transfer.md says of the gate beside permuted labels and lots holds in the result files."""

from __future__ import annotations

from statistics import fmean

from tests.docs.figures import over, page, result, transfer, transferred, with_error

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


def later(gains: list[list[float]]) -> list[list[float]]:
    """Return gains without the first task of each seed, which no arm can start from another."""
    return [seed[1:] for seed in gains]


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
            points, error = with_error(later(over(result(name), REAL, other)))
            assert points > 2 * error if name == STREAMS[0] else 0 < points <= 2 * error
            if other == LOTS:
                of_lots.append(f"{points:.1f} ± {error:.1f}")
    said = "The gate brings {} more than lots on the alphabets, {} on CLINC150 and {} on PACS."
    assert said.format(*of_lots) in page("docs/transfer.md")


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


def test_what_lots_would_bring_on_unlike_images_is_said() -> None:
    starts = started("arms-vision", REAL)
    text = page("docs/transfer.md")
    always = transferred("arms-vision", "average", sign="")
    assert f"{sum(starts)} of {len(starts)} tasks start; two thirds of the {always} points" in text
    share = fmean(starts) * transfer("arms-vision", "average")["points"]
    assert f"would be {share:.1f}, and the gate gains {transferred('arms-vision', sign='')}." in text
