"""The page of a report: one HTML file that needs nothing besides itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecl.report.arms import EASY, Arm, Comparison, best_floor
from edgecl.report.drawing import Drawing
from edgecl.report.family import family_trees
from edgecl.report.html import element, facts, figure, notes, section, table, text
from edgecl.report.measured import is_shipped
from edgecl.report.numbers import Missing, spread
from edgecl.report.rows import ABSENT, NOW, SHIPPED, Column, cell, columns, defects, percent, remarks
from edgecl.report.style import CSS
from edgecl.report.summary import Summary

MEANINGS = (
    "Score: accuracy on the test items of a task; balanced over classes where one class holds most of them.",
    "Best floor: the best of ridge regression, discriminant analysis and logistic regression on the frozen backbone's "
    "features. Gain: the score above it.",
    "Shipped: the tensors stored when the task was learned, rounded as in a pack. Now: what the method would ship "
    "for the task after the last one. The two are never mixed.",
    "Forgetting: the mean over all tasks but the last of the best earlier score less the last one (Chaudhry et al., "
    "2018); where scores in between were not measured, the loss since the task was learned.",
    "Backward transfer: the mean over all tasks but the last of the last score less the first (Lopez-Paz and Ranzato, "
    "2017).",
    "Anytime: the average score of the tasks so far, averaged over the stream.",
    "Forward transfer: the mean over all tasks but the first of the score less that of the task learned alone, ± the "
    "larger of two standard errors: over pairs of seed and task, which share tasks and an order, and over seeds.",
    "Class-incremental: accuracy after the last task where nobody says which task an item is of: every task answers, "
    "the surest answer is believed, and task and class must both be right. It is never balanced.",
    "± is one standard deviation over seeds, unless it says otherwise. Costs are over all tasks.",
)


def page(comparison: Comparison, summaries: Sequence[Summary], groups: dict[str, list[Drawing]]) -> str:
    """Return the page.

    Args:
        comparison: What was compared.
        summaries: One for each arm.
        groups: Figures by the heading they stand under.
    """
    title = f"{len(comparison.tasks)} tasks: {', '.join(arm.name for arm in comparison.arms)}"
    body = "\n".join(
        part
        for part in (
            element("h1", text(title)),
            facts(_facts(comparison)),
            section(
                "Summary",
                *(element("p", text(defect), class_="alarm", role="alert") for defect in defects(summaries)),
                _summary(
                    summaries, SHIPPED, "What was shipped, and its costs; accuracies are averages over tasks."
                ),
                _summary(summaries, NOW, "What would be shipped now; averages over tasks."),
                notes([*_left_out(comparison), *remarks(summaries)]),
            ),
            section("What differs between the arms", _settings(comparison)),
            section("Tasks", _tasks(comparison)),
            *(section(heading, _figures(drawings)) for heading, drawings in groups.items()),
            section("Family trees", family_trees(comparison)),
            section("What the words mean", notes(MEANINGS)),
            section("Runs and settings", _runs(comparison), _common(comparison)),
        )
        if part
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{element('title', text(title))}\n<style>{CSS}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _facts(comparison: Comparison) -> dict[str, str]:
    record = comparison.runs[0].record
    backbone = record.config.backbone
    source = Path(backbone.source).name if Path(backbone.source).is_absolute() else backbone.source
    seeds = sorted({run.seed for run in comparison.runs})
    size = (
        {"Image size": f"{backbone.image_size} px"}
        if record.modality == "image"
        else {"Longest text": f"{backbone.max_tokens} tokens"}
    )
    return {
        "Backbone": source,
        "Fingerprint": record.fingerprint[:12],
        **size,
        "Pooling": str(backbone.pooling),
        "Methods": ", ".join(dict.fromkeys(arm.config.method.name for arm in comparison.arms)),
        "Seeds": ", ".join(map(str, seeds)),
        "Versions": _versions(comparison),
    }


def _versions(comparison: Comparison) -> str:
    """Return every version of every package that trained a task."""
    found = {each for run in comparison.runs for task in run.tasks for each in task.versions.items()}
    return ", ".join(f"{name} {version}" for name, version in sorted(found))


def _summary(summaries: Sequence[Summary], among: Sequence[Column], caption: str) -> str:
    shown = columns(summaries, among)
    rows = [
        [text(each.arm.name), str(len(each.arm.runs)), *(text(cell(each, column)) for column in shown)]
        for each in summaries
    ]
    return table(caption, ["arm", "seeds", *(text(column.heading) for column in shown)], rows)


def _left_out(comparison: Comparison) -> list[str]:
    names = [name for name in comparison.tasks if name in comparison.left_out]
    if not names:
        return []
    return [
        f"Left out of all averages of accuracy, because the best floor is above {EASY:.0f} %: {', '.join(names)}."
    ]


def _settings(comparison: Comparison) -> str:
    rows = [[text(key), *map(text, values)] for key, values in comparison.differing().items()]
    if not comparison.is_one_order:
        rows.append(["order of the tasks", *(text(_order(arm, comparison)) for arm in comparison.arms)])
    if not rows:
        return ""
    return table(
        "What is not the same in every arm.",
        ["setting", *(text(arm.name) for arm in comparison.arms)],
        rows,
    )


def _order(arm: Arm, comparison: Comparison) -> str:
    names, *others = {run.names for run in arm.runs}
    if others:
        return "not the same in every run"
    if names == comparison.tasks:
        return "as listed below"
    return "the reverse" if names == comparison.tasks[::-1] else ", ".join(names)


def _tasks(comparison: Comparison) -> str:
    rows = [_task(comparison, name) for name in comparison.tasks]
    head = ["task", "classes", "train", "test", "best floor, %"]
    head += [f"{text(arm.name)}, %" for arm in comparison.arms]
    said = ["An asterisk marks a task that averages leave out."] if comparison.left_out else []
    said += _verified(comparison) + _guided(comparison)
    peers = (
        "" if all(is_shipped(arm.config) for arm in comparison.arms) else ", or of what a peer had learned,"
    )
    return table(f"Scores of what was shipped{peers} for each task.", head, rows) + notes(said)


def _task(comparison: Comparison, name: str) -> list[str]:
    record, floor = comparison.runs[0].task(name), best_floor(comparison.runs, name)
    scores = [spread([run.task(name).score for run in arm.runs], otherwise="") for arm in comparison.arms]
    return [
        text(name)
        + ("*" if name in comparison.left_out else "")
        + (" (balanced)" if record.dominated else ""),
        str(len(record.labels)),
        str(record.train_items),
        str(record.test_items),
        ABSENT if floor is None else percent(floor.mean),
        *(
            ABSENT
            if isinstance(score, Missing)
            else percent(score.mean) + ("" if score.deviation is None else f" ± {percent(score.deviation)}")
            for score in scores
        ),
    ]


def _verified(comparison: Comparison) -> list[str]:
    said = []
    for arm in (arm for arm in comparison.arms if is_shipped(arm.config)):
        flags = [is_same for run in arm.runs for is_same in run.shipped.unchanged]
        tested = [is_same for is_same in flags if is_same is not None]
        if tested and all(tested):
            said.append(
                f"{arm.name}: {len(tested)} of {len(flags)} shipped tasks were tested again later, and predicted "
                "exactly what they did when they were shipped."
            )
        elif not tested:
            said.append(f"{arm.name}: no shipped task was tested again; it is unchanged by construction.")
    return said


def _guided(comparison: Comparison) -> list[str]:
    """Return for each arm with guidance how many of its tasks were guided."""
    said = []
    for arm in (arm for arm in comparison.arms if arm.config.generator.guidance != "none"):
        flags = [bool(task.guided_by) for run in arm.runs for task in run.tasks]
        said.append(
            f"{arm.name}: guidance acted on {sum(flags)} of {len(flags)} tasks; for the others there were "
            "too few earlier tasks, or their ranking was not reliable."
        )
    return said


def _figures(drawings: Sequence[Drawing]) -> str:
    return element("div", "\n".join(map(figure, drawings)), class_="figures") if drawings else ""


def _runs(comparison: Comparison) -> str:
    rows = [_run(arm, index) for arm in comparison.arms for index in range(len(arm.runs))]
    rows += [[text(str(run.folder)), "learned alone", str(run.seed)] for run in comparison.alone]
    return table("The folders that were read.", ["run", "arm", "seed"], rows)


def _run(arm: Arm, index: int) -> list[str]:
    run = arm.runs[index]
    return [text(str(run.folder)), text(arm.name), str(run.seed)]


def _common(comparison: Comparison) -> str:
    rows = [[text(key), text(value)] for key, value in comparison.common().items()]
    listed = table("The same in every arm.", ["setting", "value"], rows)
    return element("details", element("summary", "Settings that all arms share") + listed)
