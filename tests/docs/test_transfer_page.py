"""What the pages say of transfer holds in the result files."""

from __future__ import annotations

import json
from statistics import correlation, fmean, stdev
from typing import Any

import pytest

from tests.docs.figures import RESULTS, ROOT, over, page, result, transfer, transferred, with_error

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "transfer.md").read_text(encoding="utf-8")
HALF_AS_WIDE_AND_FASTER = "adaprefix:method.rank=8,training.learning_rate=0.01"
STAYS = " ".join((ROOT / "docs/adr/0014-the-gate-stays-the-default.md").read_text(encoding="utf-8").split())


def test_the_default_gains_where_there_is_something_to_gain() -> None:
    found = transfer("transfer-omniglot-5")
    assert found["pairs"] == 5 * 11
    assert found["points"] > max(3, 2 * found["standard_error"], 2 * found["standard_error_over_seeds"])


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("transfer-omniglot-5", "twelve alphabets"),
        ("transfer-omniglot-10", "the same alphabets"),
        ("arms-omniglot-50", "fifty alphabets"),
        ("arms-vision", "eight unlike image tasks"),
        ("arms-text", "eleven text tasks"),
        ("transfer-clinc-5", "ten domains of intents"),
        ("transfer-clinc-10", "the same domains of intents"),
        ("transfer-pacs-10", "four domains of PACS"),
        ("transfer-pacs-5", "the same domains"),
    ],
)
def test_the_overview_has_the_larger_error_of_each_stream(name: str, stream: str) -> None:
    measured = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["summary"]["arms"]
    shown = ""
    for arm in ("gated", "gated-tasks", "average"):
        if arm in measured:
            shown += f" {transferred(name, arm)}"
        shown += " |"
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| [{stream}]")]
    assert row.endswith(f"|{shown}")


def test_the_default_loses_nowhere() -> None:
    for stream in ("transfer-clinc-5", "transfer-clinc-10", "transfer-pacs-10", "arms-vision", "arms-text"):
        found = transfer(stream)
        assert found["points"] >= -0.3 - min(found["standard_error"], found["standard_error_over_seeds"])


def test_no_other_recipe_is_better_for_tasks_that_learn_alone() -> None:
    result = json.loads((RESULTS / "choice-omniglot.json").read_text(encoding="utf-8"))
    reached = {
        arm: found["score"]["mean"]
        for arm, found in result["summary"]["arms"].items()
        if arm != HALF_AS_WIDE_AND_FASTER
    }
    assert len(reached) >= 8
    assert max(reached, key=lambda arm: reached[arm]) == "adaprefix"


def test_half_the_rank_at_twice_the_rate_is_not_the_default_for_what_it_costs_with_few_items() -> None:
    letters, domains = (
        with_error(over(result(name), HALF_AS_WIDE_AND_FASTER, "adaprefix"))
        for name in ("choice-omniglot", "choice-pacs")
    )
    text, decision = page("docs/transfer.md"), page("docs/adr/0016-images-keep-rank-16-and-their-rate.md")
    assert "half the rank at twice the rate is level, {:+.1f} ± {:.1f}.".format(*letters) in text
    assert abs(letters[0]) < letters[1]
    assert f"half the rank at twice the rate loses {-domains[0]:.1f} ± {domains[1]:.1f}, which is why" in text
    assert domains[0] < -2 * domains[1]
    assert "it is level ({:+.1f} ± {:.1f} for tasks that learn alone)".format(*letters) in decision
    assert f"it loses {-domains[0]:.1f} ± {domains[1]:.1f} ([transfer.md]" in decision
    assert f"loses {-domains[0]:.1f} ± {domains[1]:.1f} on PACS" in page("docs/results.md")
    same_rank = [
        "{:+.1f} ± {:.1f}".format(
            *with_error(over(result(name), "adaprefix:training.learning_rate=0.01", "adaprefix", key=key))
        )
        for name, key in (
            ("choice-size-vision", "validation_last"),
            ("choice-omniglot", "score"),
            ("choice-pacs", "score"),
        )
    ]
    assert f"not told from the default on any of the three ({', '.join(same_rank)})" in decision
    decays = "adaprefix:training.weight_decay=3"
    texts = over(
        result("choice-text"), f"{decays},training.learning_rate=0.01", decays, key="validation_last"
    )
    assert "nothing by 0.01 ({:+.1f} ± {:.1f})".format(*with_error(texts)) in decision


def gained(name: str, seeds: range, arm: str) -> float:
    """Return the mean gain of an arm over tasks alone, over some seeds and the tasks that count."""
    result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    runs, counted = result["runs"], result["summary"]["counted"]
    return fmean(
        with_others["score"] - alone["score"]
        for seed in seeds
        for alone, with_others in list(
            zip(runs["adaprefix"][seed]["tasks"], runs[arm][seed]["tasks"], strict=True)
        )[1:]
        if alone["task"] in counted
    )


def test_what_was_decided_on_some_seeds_is_shown_on_others() -> None:
    seeds = {
        name: [run["seed"] for run in json.loads((RESULTS / f"{name}.json").read_text())["runs"]["gated"]]
        for name in ("transfer-omniglot-5", "transfer-clinc-5")
    }
    assert seeds == {"transfer-omniglot-5": [8, 9, 10, 11, 12], "transfer-clinc-5": [5, 6, 7, 8, 9]}


def test_the_decision_on_the_gate_says_what_the_other_rules_gained() -> None:
    decision = " ".join((ROOT / "docs/adr/0013-the-gate-asks-for-three-points.md").read_text().split())
    gate, average = (
        transfer("transfer-omniglot-5-two-errors", arm)["points"]
        for arm in ("gated:transfer.margin=2,transfer.least_gain=0", "average")
    )
    assert (
        f"On seeds 5 to 7 that gate gained {gate:.1f} points, and always averaging {average:.1f}." in decision
    )
    pooled = [
        row["parent_evidence"]["points"]
        for run in json.loads((RESULTS / "transfer-clinc-5-any-gain.json").read_text())["runs"][
            "gated:transfer.least_gain=0"
        ]
        for row in run["tasks"][1:]
    ]
    assert f"pooled gains on CLINC150 were at most {max(pooled):.1f}" in decision


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("transfer-omniglot-5", "twelve Omniglot alphabets"),
        ("transfer-omniglot-10", "the same with 10 items per letter"),
        ("arms-omniglot-50", "fifty Omniglot alphabets"),
        ("arms-vision", "eight unlike image tasks"),
        ("arms-text", "eleven text tasks"),
        ("transfer-clinc-5", "ten domains of intents"),
        ("transfer-pacs-10", "the same classes in four styles (PACS)"),
    ],
)
def test_the_readme_says_what_was_measured(name: str, stream: str) -> None:
    (row,) = [line for line in README.splitlines() if line.startswith(f"| {stream}")]
    seeds = len(result(name)["runs"]["gated"])
    looked_at = "" if name in {"transfer-omniglot-5", "transfer-clinc-5"} else "\\*"
    assert row.endswith(f" | {transferred(name)} | {seeds}{looked_at} |")


def test_the_readme_says_what_a_start_without_asking_loses() -> None:
    lost = transfer("transfer-pacs-10", "average")["points"]
    assert f"10 items; a start without asking loses {-lost:.1f} |" in README


def test_more_items_are_worth_more_on_the_same_alphabets() -> None:
    more, few = transfer("transfer-omniglot-10"), transfer("transfer-omniglot-5")
    assert more["pairs"] == few["pairs"] == 5 * 11
    assert more["points"] > few["points"] + 2 * more["standard_error_over_seeds"]


def test_the_gain_grows_along_the_stream_in_both_orders() -> None:
    for name in ("transfer-omniglot-5", "transfer-omniglot-5-reversed"):
        gains = transfer(name)["by_tasks_known"][1:]
        assert fmean(gains[-5:]) > fmean(gains[:5]) + 2


def test_the_page_says_what_few_and_many_known_tasks_are_worth() -> None:
    few_and_many = [
        with_error([seed[known] for seed in over(result(name), "gated", "adaprefix")])
        for name in ("transfer-omniglot-5", "transfer-omniglot-5-reversed", "transfer-omniglot-10")
        for known in (slice(1, 5), slice(5, 12))
    ]
    said = [f"{points:.1f} ± {error:.1f}" for points, error in few_and_many]
    text = page("docs/transfer.md")
    assert f"known it is {said[0]} points in the one and {said[2]} in the other, with five" in text
    assert f"or more {said[1]} and {said[3]} (other seeds" in text
    assert f"{said[4]} points with one to four tasks known, {said[5]} with more." in text


def test_more_steps_do_not_close_the_gap_of_tasks_alone() -> None:
    result = json.loads((RESULTS / "choice-omniglot-10.json").read_text(encoding="utf-8"))
    reached = {arm: found["score"]["mean"] for arm, found in result["summary"]["arms"].items()}
    assert max(reached.values()) - reached["adaprefix"] < transfer("transfer-omniglot-10")["points"] / 4


def test_a_module_of_the_other_tasks_is_no_ceiling() -> None:
    ceiling = json.loads((RESULTS / "ceiling-omniglot-5.json").read_text(encoding="utf-8"))
    assert ceiling["seeds"] == [0]
    assert 0 < ceiling["points"] < gained("transfer-omniglot-5-any-gain", range(1), "average")


def score(name: str, arm: str) -> str:
    found = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["summary"]["arms"][arm]
    return f"{found['score']['mean']:.1f} %"


def test_joint_training_of_related_tasks_is_said_beside_one_module_for_each() -> None:
    alphabets, intents, styles = (
        [score(name, arm) for arm in ("joint", "adaprefix", "gated")]
        for name in ("transfer-omniglot-5", "transfer-clinc-5", "transfer-pacs-10")
    )
    page = " ".join(PAGE.split())
    assert "ends at {}, above one for each ({}) and below the default ({})".format(*alphabets) in page
    assert "ends at {}, no higher than one for each, {};".format(*intents) in page
    assert "ends at {}, one for each at {};".format(*styles) in page
    below, error = with_error(over(result("transfer-clinc-10"), "joint", "adaprefix"))
    assert f"with 10 items it ends {-below:.1f} ± {error:.1f} below." in page
    more = [score("transfer-omniglot-10", arm) for arm in ("joint", "adaprefix", "gated")]
    assert "with 10 items per letter at {}, between {} and {}.".format(*more) in page
    assert all(alone < joint < default for joint, alone, default in (alphabets, more))
    assert intents[0] < intents[1]


@pytest.mark.parametrize("name", ["ceiling-clinc-5", "ceiling-pacs-10"])
def test_where_averaging_does_not_help_the_other_tasks_at_once_do_not_either(name: str) -> None:
    ceiling = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    assert ceiling["points"] < ceiling["standard_error"]


def test_a_gate_on_each_earlier_task_is_level_with_the_default() -> None:
    better = {}
    names = (
        "transfer-omniglot-5",
        "arms-text",
        "transfer-clinc-5",
        "transfer-pacs-10",
        "arms-vision",
        "transfer-pacs-5",
    )
    for name in names:
        result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        gains = [
            other["score"] - default["score"]
            for first, second in zip(result["runs"]["gated"], result["runs"]["gated-tasks"], strict=True)
            for default, other in list(zip(first["tasks"], second["tasks"], strict=True))[1:]
            if default["task"] in result["summary"]["counted"]
        ]
        better[name] = fmean(gains) > 0
        assert abs(fmean(gains)) < 2 * stdev(gains) / len(gains) ** 0.5
    assert list(better.values()) == [True, True, True, True, False, False]


def test_what_the_gate_let_through_on_intents_is_said() -> None:
    runs = json.loads((RESULTS / "transfer-clinc-5.json").read_text(encoding="utf-8"))["runs"]["gated"]
    later = [row for run in runs for row in run["tasks"][1:]]
    started = sum(row["parent"] is not None for row in later)
    said = (
        f"With the gate, {started} of {len(later)} domains that came after others started from earlier ones"
    )
    assert said in PAGE


GATES = {
    "arms-vision": "gated",
    "arms-text": "gated",
    "arms-text-no-decay": "gated",
    "transfer-omniglot-5": "gated",
    "transfer-omniglot-5-any-gain": "gated:transfer.least_gain=0",
    "transfer-omniglot-5-two-errors": "gated:transfer.margin=2,transfer.least_gain=0",
}
"""By stream the gate that was measured beside the average."""


def test_always_averaging_gains_more_than_the_gate_where_there_is_something_to_gain() -> None:
    for stream, gate in GATES.items():
        assert transfer(stream, "average")["points"] > transfer(stream, gate)["points"]


def gains_of_average(name: str) -> dict[tuple[int, str], float]:
    """Return by seed and task what the average gained over the task alone, of all that count but the first."""
    result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return {
        (run["seed"], row["task"]): row["score"] - alone["score"]
        for run, reference in zip(result["runs"]["average"], result["runs"]["adaprefix"], strict=True)
        for row, alone in list(zip(run["tasks"], reference["tasks"], strict=True))[1:]
        if row["task"] in result["summary"]["counted"]
    }


def test_what_averaging_costs_on_intents_is_said() -> None:
    gains = list(gains_of_average("transfer-clinc-5").values())
    error = stdev(gains) / len(gains) ** 0.5
    said = (
        f"The average stands at {fmean(gains):.2f} ± {error:.2f} points; single domains gain up to "
        f"{max(gains):.0f} and lose up to {-min(gains):.0f}."
    )
    assert said in PAGE


def seen_by_the_gate(name: str, gate: str) -> dict[tuple[int, str], tuple[float, float]]:
    """Return by seed and task what the gate saw before training and its error, of all that count but the first."""
    result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return {
        (run["seed"], row["task"]): (seen["points"], seen["error"])
        for run in result["runs"][gate]
        for row in run["tasks"][1:]
        for seen in row["parent_gains"].values()
        if row["task"] in result["summary"]["counted"]
    }


def test_what_the_gate_sees_says_little_of_which_tasks_gain() -> None:
    names = ("arms-vision", "transfer-clinc-5", "arms-text", "transfer-omniglot-5", "transfer-pacs-10")
    found = []
    for name in names:
        seen, gains = seen_by_the_gate(name, "gated"), gains_of_average(name)
        found.append(correlation([points for points, _ in seen.values()], [gains[place] for place in seen]))
    said = "by {:.1f} on images, {:.1f} on CLINC150, {:.1f} on texts, {:.1f} on alphabets and {:.1f} on PACS;"
    assert said.format(*found) in " ".join(PAGE.split())


def test_the_decision_for_the_gate_says_what_it_saw_when_it_was_taken() -> None:
    streams = (
        "arms-vision",
        "transfer-clinc-5-any-gain",
        "arms-text-no-decay",
        "transfer-omniglot-5-any-gain",
    )
    found, refused = [], []
    for name in streams:
        seen = seen_by_the_gate(name, GATES.get(name, "gated:transfer.least_gain=0"))
        gains = gains_of_average(name)
        found.append(correlation([points for points, _ in seen.values()], [gains[place] for place in seen]))
        refused.append([gains[place] for place, (points, error) in seen.items() if points < -error])
    assert f"on CLINC150 it was {found[1]:.1f} on seeds 0 to 4, without weight decay" in " ".join(
        PAGE.split()
    )
    images, intents, texts, alphabets = refused
    assert not alphabets
    error = stdev(intents) / len(intents) ** 0.5
    said = (
        f"four lost {-fmean(intents):.1f} ± {error:.1f} points by it (CLINC150), one gained {images[0]:.1f} (images), "
        f"and two gained {fmean(texts):.1f} (texts)"
    )
    assert (len(intents), len(images), len(texts)) == (4, 1, 2)
    assert said in STAYS
    assert (
        "by {:.1f} on images, {:.1f} on CLINC150, {:.1f} on texts and {:.1f} on alphabets".format(*found)
        in STAYS
    )


def test_no_other_recipe_is_told_from_the_defaults_on_domains() -> None:
    found = result("choice-pacs")
    others = [
        arm for arm in found["runs"] if arm not in {"linear-head", "adaprefix", HALF_AS_WIDE_AND_FASTER}
    ]
    assert len(others) == 4
    for arm in others:
        points, error = with_error(over(found, arm, "adaprefix"))
        assert abs(points) < 2 * error


def test_what_training_is_worth_on_intents_is_said() -> None:
    few, more, no_decay = (
        with_error(over(result(name), "adaprefix", "linear-head"))
        for name in ("transfer-clinc-5", "transfer-clinc-10", "transfer-clinc-5-no-decay")
    )
    said = (
        "is {:.1f} ± {:.1f} points above the linear head with 5 items per intent, and {:.1f} ± {:.1f} with 10"
    )
    assert said.format(*few, *more) in page("docs/transfer.md")
    assert abs(no_decay[0]) < no_decay[1]


def test_the_gate_stays_for_what_averaging_does_to_domains() -> None:
    gate, average = (transfer("transfer-pacs-10", arm) for arm in ("gated", "average"))
    assert f"always averaging loses {-average['points']:.1f} points with 10 items" in STAYS
    assert all(points < -2 for points in average["by_tasks_known"][1:])
    runs = json.loads((RESULTS / "transfer-pacs-10.json").read_text(encoding="utf-8"))["runs"]["gated"]
    later = [row for run in runs for row in run["tasks"][1:]]
    refused = sum(row["parent"] is None for row in later)
    stands = f"stands at {gate['points']:.1f} ± {gate['standard_error']:.1f}"
    assert f"the gate refuses {refused} of {len(later)} starts and {stands}" in STAYS
    fewer = transfer("transfer-pacs-5", "average")["points"]
    assert f"With 5 items averaging loses {-fewer:.1f}, and the gate refuses all" in STAYS
    with_five = json.loads((RESULTS / "transfer-pacs-5.json").read_text(encoding="utf-8"))["runs"]["gated"]
    assert not any(row["parent"] for run in with_five for row in run["tasks"])
    favoured = [
        row
        for row in later
        for seen in row["parent_gains"].values()
        if row["parent_evidence"]["points"] > 0 and seen["points"] >= -seen["error"]
    ]
    assert f"Of the {len(later)} starts on PACS it would have let through {len(favoured)}" in STAYS


def test_the_decision_for_the_gate_says_what_averaging_gains_elsewhere() -> None:
    shown = [
        f"{where} ({transfer(name, 'average')['points']:+.1f} against {transfer(name)['points']:+.1f})"
        for where, name in (
            ("alphabets", "transfer-omniglot-5"),
            ("unlike images", "arms-vision"),
            ("texts", "arms-text-no-decay"),
        )
    ]
    assert f"gained more than it on {shown[0]}, {shown[1]} and {shown[2]}" in STAYS


def scores_of(of: dict[str, Any], arm: str) -> dict[tuple[int, str], float]:
    """Return the scores of an arm by seed and task."""
    return {(run["seed"], row["task"]): row["score"] for run in of["runs"][arm] for row in run["tasks"]}


def test_what_other_starts_bring_is_said_in_words() -> None:
    result = json.loads((RESULTS / "tries-omniglot-5.json").read_text(encoding="utf-8"))
    points = {
        arm: found["forward_transfer"]["points"]
        for arm, found in result["summary"]["arms"].items()
        if "forward_transfer" in found
    }
    average = points["average"]
    assert min(points["warm-start"], points["gated-tasks"]) >= average
    assert 0.4 < points["gated:transfer.proposal=mixture"] / average < 0.6
    slow = points["average:transfer.average_rate=0.1"], points["average:transfer.learning_rate_factor=0.3"]
    assert max(slow) < 0.3 * average
    alone = scores_of(result, "adaprefix")
    through = []
    for arm in (
        "gated-tasks:transfer.chooser=h_lwc",
        "gated-tasks:transfer.chooser=h_lwc,transfer.least_gain=0",
        "gated-tasks",
    ):
        rows = [(run["seed"], row) for run in result["runs"][arm] for row in run["tasks"][1:]]
        gains = [row["score"] - alone[seed, row["task"]] for seed, row in rows if row["parent"] is not None]
        assert len(rows) == 22
        through += [f"{len(gains)}", f"{fmean(gains):.1f}"]
    page = " ".join(PAGE.split())
    assert "lets {} of 22 tasks start from another, and those gain {} points:".format(*through[:2]) in page
    said = "Without one it lets {} of 22 tasks start from another, and those gain {} points; folds let {}"
    assert f"{said}, which gain {{}}.".format(*through[2:]) in page
    means = [
        f"{result['summary']['arms'][arm]['score']['mean']:.1f} %"
        for arm in ("adaprefix++:generator.generates=adapter", "adaprefix")
    ]
    assert "ends at {} beside {} of `adaprefix`".format(*means) in " ".join(PAGE.split())


def test_the_hypernetwork_passes_nothing_on() -> None:
    found = [transfer("arms-vision", arm) for arm in ("adaprefix++", "adaprefix++-no-drift")]
    assert {each["against"] for each in found} == {"adaprefix++-alone"}
    errors = [max(each["standard_error"], each["standard_error_over_seeds"]) for each in found]
    shown = [f"{each['points']:.1f} ± {error:.1f}" for each, error in zip(found, errors, strict=True)]
    assert "{}, and without the drift loss {}.".format(*shown) in " ".join(PAGE.split())
    related = transferred("transfer-omniglot-5", "adaprefix++", sign="")
    assert f"On the twelve alphabets, with 5 items per letter, it is {related}." in page("docs/transfer.md")
    points, error = with_error(over(result("transfer-omniglot-5"), "adaprefix++", "adaprefix"))
    for name in ("docs/transfer.md", "docs/results.md"):
        assert f"end {-points:.1f} ± {error:.1f} points below free ones" in page(name)


def test_the_page_says_how_many_domains_each_gate_lets_through() -> None:
    result = json.loads((RESULTS / "transfer-clinc-5.json").read_text(encoding="utf-8"))
    through = [
        [
            row["parent"] is not None
            for run in result["runs"][arm]
            for row in run["tasks"][1:]
            if row["task"] in result["summary"]["counted"]
        ]
        for arm in ("gated-tasks", "gated")
    ]
    single, default = map(sum, through)
    said = f"({single} of {len(through[0])} that count on CLINC150, where the default lets {default})"
    assert said in " ".join(PAGE.split())


def test_what_the_score_lets_through_and_refuses_gains_by_other_starts_is_said() -> None:
    result = json.loads((RESULTS / "tries-omniglot-5.json").read_text(encoding="utf-8"))
    alone = scores_of(result, "adaprefix")
    opened, refused = (
        [
            (run["seed"], row["task"])
            for run in result["runs"]["gated-tasks:transfer.chooser=h_lwc,transfer.least_gain=0"]
            for row in run["tasks"][1:]
            if (row["parent"] is not None) is is_open
        ]
        for is_open in (True, False)
    )
    gains = [
        fmean(scores_of(result, arm)[place] - alone[place] for place in places)
        for places in (opened, refused)
        for arm in ("gated-tasks", "average")
    ]
    said = (
        "same 14 folds gain {:.1f} points and always averaging {:.1f}; the 8 that the score refuses would have "
        "gained {:.1f} and {:.1f}."
    )
    assert (len(opened), len(refused)) == (14, 8)
    assert said.format(*gains) in " ".join(PAGE.split())
