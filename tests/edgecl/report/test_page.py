from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from edgecl.errors import ConfigError
from edgecl.report import compare, report_to_json, summarize, write_report
from edgecl.report.page import MEANINGS
from edgecl.training.run import Run
from tests.edgecl.report.factories import (
    TASKS,
    make_floors,
    make_gain,
    make_ordered_run,
    make_plain_run,
    make_record,
    make_run,
    save_after,
)
from tests.edgecl.report.parsed import Page

NASTY = "<script>alert(1)&$x^2$\"'"


def page_of(folder: Path, *runs: Run) -> Page:
    """Return the page about runs."""
    return Page(write_report(runs, folder / "report").read_text(encoding="utf-8"))


def make_family(folder: Path) -> Run:
    """Return a run whose third task started from its first."""
    gains = {"bolts": make_gain(4.2), "leaves": make_gain(-1.0)}
    records = [
        make_record("bolts"),
        make_record("leaves", 1),
        make_record("signs", 2, parent="bolts", parent_gains=gains),
    ]
    return make_run(folder / "gated-0", records, transfer={"start": "gated"})


def make_drifted(folder: Path) -> Run:
    """Return a run whose tasks would be shipped with other modules now."""
    run = make_plain_run(folder / "drifted-0", 80.0, 70.0, 60.0, method={"name": "adaprefix++"})
    save_after(run, "leaves", {"bolts": 79.0, "leaves": 70.0}, drift={"bolts": 0.1, "leaves": 0.0})
    now = {"bolts": 75.0, "leaves": 69.0, "signs": 60.0}
    save_after(run, "signs", now, drift={"bolts": 0.2, "leaves": 0.1, "signs": 0.0})
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report of a run whose tasks drifted."""
    made = tmp_path_factory.mktemp("drifted")
    write_report([make_drifted(made)], made / "report")
    return made / "report"


@pytest.fixture(scope="module")
def drifted(folder: Path) -> Page:
    """The page of that report."""
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_the_page_needs_nothing_besides_itself(drifted: Page, folder: Path) -> None:
    page = drifted
    assert page.all("link") == page.all("script") == page.all("a") == []
    assert all(image["src"].startswith("data:image/png;base64,") for image in page.all("img"))
    assert "url(" not in (folder / "report.html").read_text(encoding="utf-8")


def test_every_figure_says_what_it_shows_and_how_to_read_it(drifted: Page) -> None:
    page = drifted
    assert all(image["alt"].endswith(".") for image in page.all("img"))
    assert len(page.all("figure")) == len(page.all("figcaption")) == len(page.all("img")) > 4


def test_figures_lie_beside_the_page_as_they_are_in_it(drifted: Page, folder: Path) -> None:
    inside = [base64.b64decode(image["src"].partition(",")[2]) for image in drifted.all("img")]
    beside = [folder / "figures" / f"{name}.png" for name in drifted.figures]
    assert [path.read_bytes() for path in beside] == inside


def test_tables_and_figures_scroll_by_themselves(drifted: Page) -> None:
    page = drifted
    frames = [each for each in page.all("div") if "scroll" in each.get("class", "").split()]
    assert len(frames) == len(page.all("table")) + len(page.all("img"))
    assert all(frame["aria-label"] and frame["tabindex"] == "0" for frame in frames)


def test_numbers_are_those_of_the_records(tmp_path: Path) -> None:
    runs = [make_plain_run(tmp_path / f"plain-{seed}", 80.0 + seed, 70.0, seed=seed) for seed in (0, 1)]
    page = page_of(tmp_path, *runs)
    accuracies = ["2", "75.2 ± 0.4", "60.0 ± 0.0", "+15.2 ± 0.4", "77.9 ± 0.5", "+0.0 ± 0.0"]
    assert page.row("plain") == ["plain", *accuracies, "–", "158 kB", "0 B", "10.0 ± 0.0", "2 GB"]
    assert page.row("bolts") == ["bolts", "2", "40", "20", "60.0", "80.5 ± 0.7"]


def test_the_header_says_what_was_run(tmp_path: Path) -> None:
    page = page_of(tmp_path, make_plain_run(tmp_path / "plain", 80.0, seed=7))
    shown = ("vit", "abababababab", "32 px", "cls", "adaprefix", "7", "torch 2.13.0")
    assert set(shown) <= set(page.texts)


def test_class_incremental_accuracy_is_shown_where_a_run_has_it(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "plain", 80.0, 70.0)
    save_after(run, "leaves", {}, class_incremental={"bolts": 50.0, "leaves": 41.0})
    page = page_of(tmp_path, run)
    assert (page.row("arm")[8], page.row("plain")[8]) == ("class-incremental, %", "45.5")


def test_settings_that_differ_are_shown_for_each_arm(tmp_path: Path) -> None:
    runs = [make_plain_run(tmp_path / f"r{rank}", 80.0, method={"rank": rank}) for rank in (4, 8)]
    assert page_of(tmp_path, *runs).row("method.rank") == ["method.rank", "4", "8"]


def test_one_arm_has_no_settings_that_differ(tmp_path: Path) -> None:
    page = page_of(tmp_path, make_plain_run(tmp_path / "plain", 80.0))
    assert "What differs between the arms" not in page.texts
    assert page.row("method.rank") == ["method.rank", "16"]


@pytest.mark.parametrize(
    ("order", "said"),
    [(TASKS[::-1], "the reverse"), (("leaves", "bolts", "signs"), "leaves, bolts, signs")],
)
def test_arms_that_differ_in_the_order_of_their_tasks_say_so(
    order: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    page = page_of(
        tmp_path, make_ordered_run(tmp_path / "here", *TASKS), make_ordered_run(tmp_path / "there", *order)
    )
    assert page.row("order of the tasks") == ["order of the tasks", "as listed below", said]


def test_a_task_that_is_left_out_is_marked_and_named(tmp_path: Path) -> None:
    records = [make_record("bolts", floors=make_floors(99.0)), make_record("leaves", 1)]
    page = page_of(tmp_path, make_run(tmp_path / "run", records))
    assert page.row("bolts*")[4] == "99.0"
    assert "Left out of all averages of accuracy, because the best floor is above 95 %: bolts." in page.texts


@pytest.mark.parametrize("name", [NASTY, "日本語", "a b\tc"])
def test_a_name_is_text_and_nothing_else(name: str, tmp_path: Path) -> None:
    gains = {name: make_gain(3.0)}
    records = [
        make_record(name),
        make_record("leaves", 1, labels=(NASTY, "b"), parent=name, parent_gains=gains),
    ]
    page = page_of(tmp_path, make_run(tmp_path / f"run of {name}", records))
    assert page.all("script") == []
    assert page.row(name)[1:4] == ["2", "40", "20"]


def test_what_would_be_shipped_now_is_drawn_where_it_was_followed(drifted: Page) -> None:
    followed = {"matrix-1-shipped", "matrix-1-now", "drift", "drift-of-each-task", "forgetting"}
    assert followed <= set(drifted.figures)
    assert "Accuracy and bytes" not in drifted.texts


def test_a_figure_without_data_is_left_out(tmp_path: Path) -> None:
    page = page_of(tmp_path, make_plain_run(tmp_path / "plain", 80.0))
    assert page.figures == ["cost"]
    assert not {"Accuracy matrices", "Similar tasks", "Family trees", "Task by task"} & set(page.texts)


def test_a_peer_has_no_matrix_of_shipped_packs(tmp_path: Path) -> None:
    page = page_of(tmp_path, make_plain_run(tmp_path / "peer", 80.0, 70.0, method={"name": "lora"}))
    assert page.figures == ["accuracy-over-tasks", "cost"]


def test_a_peer_is_not_said_to_be_unchanged(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "peer", 80.0, 70.0, method={"name": "shared"})
    save_after(run, "leaves", {"bolts": 74.0, "leaves": 70.0})
    page = page_of(tmp_path, run, make_plain_run(tmp_path / "lora", 80.0, 70.0, method={"name": "lora"}))
    assert [page.row(name)[6] for name in ("arm", "peer", "lora")] == ["forgetting, shipped", "–", "–"]
    assert not any("tested again later" in line or "unchanged by construction" in line for line in page.texts)


def test_json_does_not_say_of_a_peer_that_it_is_unchanged(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "peer", 80.0, 70.0, method={"name": "shared"})
    save_after(run, "leaves", {"bolts": 74.0, "leaves": 70.0})
    comparison = compare([run])
    (arm,) = report_to_json(comparison, [summarize(comparison.arms[0], comparison)])["arms"]
    assert (arm["forgetting_shipped"], arm["verified_unchanged"]) == (None, [])
    assert arm["missing"]["forgetting_shipped"] == "measured as a peer and never shipped"
    assert [task["shipped_unchanged"] for task in arm["runs"][0]["tasks"]] == [None, None]


def test_json_has_the_distances_that_guided_a_task(tmp_path: Path) -> None:
    records = [make_record("bolts"), make_record("leaves", 1, guided_by={"bolts": 0.5})]
    comparison = compare([make_run(tmp_path / "guided-0", records)])
    (arm,) = report_to_json(comparison, [summarize(comparison.arms[0], comparison)])["arms"]
    assert [task["guided_by"] for task in arm["runs"][0]["tasks"]] == [{}, {"bolts": 0.5}]


def test_scores_are_shown_where_no_task_counts(tmp_path: Path) -> None:
    records = [make_record("bolts", floors=make_floors(99.0), accuracy=97.5)]
    page = page_of(tmp_path, make_run(tmp_path / "run", records))
    assert page.row("run")[2] == "–"
    assert page.row("bolts*")[-2:] == ["99.0", "97.5"]


def test_arms_are_drawn_over_their_bytes(tmp_path: Path) -> None:
    runs = [make_plain_run(tmp_path / f"r{rank}", 80.0, method={"rank": rank}) for rank in (4, 8)]
    page = page_of(tmp_path, *runs)
    drawn = dict(zip(page.figures, page.all("img"), strict=True))
    assert "r4 80.0 percent at 158 kB" in drawn["accuracy-and-bytes"]["alt"]


def tree(page: Page, name: str) -> list[str]:
    """Return what stands in the family tree of a run, its meaning first."""
    start = page.texts.index(name)
    return [each for each in page.texts[start + 1 :] if each][:5]


def test_a_task_stands_below_the_one_it_started_from(tmp_path: Path) -> None:
    page = page_of(tmp_path, make_family(tmp_path))
    meaning, *shown = tree(page, "gated, seed 0")
    assert (
        meaning == "Below the first task: those that started from the average of it and of those above them."
    )
    assert shown == ["bolts", "signs", "+4.2 ± 1.0 points", "leaves"]
    assert "parents-1" in page.figures


@pytest.mark.parametrize(
    ("transfer", "lists", "says"),
    [
        ({"start": "average"}, 2, "the average of it and of those above them."),
        ({"start": "gated"}, 2, "the average of it and of those above them."),
        ({"start": "gated", "proposal": "mixture"}, 2, "the mixture of it and of those above them."),
        ({"start": "average", "average_rate": 1.0}, 2, "the one above them."),
        ({"start": "gated", "proposal": "tasks"}, 4, "the one it started from."),
    ],
)
def test_a_family_of_many_is_as_deep_as_one_of_two_unless_single_tasks_are_parents(
    tmp_path: Path, transfer: dict[str, Any], lists: int, says: str
) -> None:
    names = ["bolts", "leaves", "signs", "tiles"]
    records = [
        make_record(name, place, parent=names[place - 1] if place else None)
        for place, name in enumerate(names)
    ]
    page = page_of(tmp_path, make_run(tmp_path / "family-0", records, transfer=transfer))
    meaning, *shown = tree(page, "family, seed 0")
    assert meaning.endswith(says)
    assert shown == names
    assert len([each for each in page.all("ul") if each.get("class", "tree") == "tree"]) == lists


def test_where_single_tasks_were_tried_a_task_stands_below_the_one_that_was_taken(tmp_path: Path) -> None:
    settings = {"start": "gated", "proposal": "tasks", "chooser": "h_lwc"}
    run = make_run(tmp_path / "gated", make_family(tmp_path).tasks, transfer=settings)
    page = page_of(tmp_path, run)
    assert "A task stands below the one it started from." in page.texts
    assert "+4.2 ± 1.0 of h_lwc" in page.texts


def test_an_arm_whose_memory_is_not_known_is_drawn_beside_one_whose_is(tmp_path: Path) -> None:
    unknown = make_run(tmp_path / "old", [make_record("bolts", peak_bytes=None)])
    known = make_run(tmp_path / "new", [make_record("bolts", peak_bytes=10**9)], method={"rank": 4})
    assert "cost" in page_of(tmp_path, unknown, known).figures


def test_a_start_by_what_the_stream_gained_shows_that_too(tmp_path: Path) -> None:
    start = {"parent": "bolts", "parent_gains": {"bolts": make_gain(0.2)}, "parent_evidence": make_gain(3.1)}
    run = make_run(tmp_path / "gated-0", [make_record("bolts"), make_record("leaves", 1, **start)])
    assert "+0.2 ± 1.0 points, with the tasks before +3.1 ± 1.0" in page_of(tmp_path, run).texts


def test_the_page_says_how_many_tasks_were_guided(tmp_path: Path) -> None:
    guidance: dict[str, Any] = {"method": {"name": "adaprefix++"}, "generator": {"guidance": "distance"}}
    records = [
        make_record("bolts"),
        make_record("leaves", 1),
        make_record("signs", 2, guided_by={"bolts": 1.0, "leaves": 0.5}),
    ]
    page = page_of(tmp_path, make_run(tmp_path / "guided-0", records, **guidance))
    assert "guidance acted on 1 of 3 tasks" in " ".join(page.texts)
    plain = page_of(tmp_path / "other", make_plain_run(tmp_path / "plain", 80.0, 70.0, 60.0))
    assert "guidance acted" not in " ".join(plain.texts)


def test_a_defect_is_an_alert(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "run", 80.0, 70.0)
    save_after(run, "leaves", {"bolts": 74.0, "leaves": 70.0}, changed_tasks=["bolts"])
    assert {"class": "alarm", "role": "alert"} in page_of(tmp_path, run).all("p")


def test_words_are_explained(tmp_path: Path) -> None:
    page = page_of(tmp_path, make_plain_run(tmp_path / "plain", 80.0))
    assert set(MEANINGS) <= set(page.texts)


def test_a_report_replaces_an_earlier_one(tmp_path: Path) -> None:
    page_of(tmp_path, make_plain_run(tmp_path / "first", 80.0, 70.0))
    page = page_of(tmp_path, make_plain_run(tmp_path / "plain", 80.0))
    left = [path.stem for path in (tmp_path / "report" / "figures").iterdir()]
    assert left == page.figures == ["cost"]


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "plain", 80.0)
    with pytest.raises(ConfigError, match="something else in it.*Choose another folder with --out"):
        write_report([run], run.folder)
    with pytest.raises(ConfigError, match="found a file, expected a folder"):
        write_report([run], run.folder / "run.json")
