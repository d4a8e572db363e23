"""The numbers of a summary as people read them, and what has to be said where one is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgecl.evaluation.matrix import Transfer
from edgecl.report.numbers import Missing, Spread
from edgecl.report.summary import Summary

ABSENT = "–"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the summary.

    Attributes:
        key: The attribute of `Summary`.
        heading: What stands above it.
        write: Turns its mean and its deviations into text.
        is_extra: Measured on request, and shown only where an arm has it.
    """

    key: str
    heading: str
    write: Callable[[float], str]
    is_extra: bool = False

    @property
    def words(self) -> str:
        """What it is called in a sentence."""
        return self.heading.removesuffix(", %").removesuffix(", points").replace(", ", " ")


def percent(value: float) -> str:
    """Return percent, or a deviation in points."""
    return f"{value:.1f}"


def points(value: float) -> str:
    """Return a difference in percent points, with its sign; zero is never negative."""
    return f"{round(value, 1) + 0.0:+.1f}"


def size(value: float) -> str:
    """Return bytes."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{float(f'{value / factor:.3g}'):g} {unit}"
    return f"{value:.0f} B"


def seconds(value: float) -> str:
    """Return seconds."""
    return f"{value:.1f}"


SHIPPED = (
    Column("score", "score, %", percent),
    Column("floor", "best floor, %", percent),
    Column("gain", "gain, points", points),
    Column("anytime_shipped", "anytime, shipped, %", percent),
    Column("forgetting_shipped", "forgetting, shipped", points),
    Column("transfer", "forward transfer", points),
    Column("class_incremental", "class-incremental, %", percent, is_extra=True),
    Column("domain_incremental", "domain-incremental, %", percent, is_extra=True),
    Column("size_bytes", "a pack", size),
    Column("shared_bytes", "shared", size),
    Column("seconds", "seconds a task", seconds),
    Column("peak_bytes", "peak memory", size),
)
NOW = (
    Column("score_now", "score, now, %", percent),
    Column("anytime_now", "anytime, now, %", percent),
    Column("forgetting_now", "forgetting, now", points),
    Column("backward_now", "backward transfer, now", points),
)
COLUMNS = (*SHIPPED, *NOW)


def columns(summaries: Sequence[Summary], among: Sequence[Column] = COLUMNS) -> list[Column]:
    """Return the columns that arms are shown with."""
    return [column for column in among if not column.is_extra or _has_any(summaries, column)]


def cell(summary: Summary, column: Column) -> str:
    """Return a number with its deviation over seeds, or its standard error for a transfer; sizes hardly vary."""
    number: Spread | Transfer | Missing = getattr(summary, column.key)
    match number:
        case Missing():
            return ABSENT
        case Transfer(mean, error, _):
            return column.write(mean) + (f" ± {error:.1f}" if math.isfinite(error) else "")
        case Spread(mean, deviation, _):
            is_written = deviation is not None and column.write is not size
            return column.write(mean) + (f" ± {deviation:.1f}" if is_written else "")


def defects(summaries: Sequence[Summary]) -> list[str]:
    """Return what must not be: shipped tensors that do not predict what they did."""
    return [
        f"Defect in {each.arm.name}: the stored tensors of {_join(each.changed)} do not predict what they did when "
        "they were shipped. Restore the run folder, or report a bug."
        for each in summaries
        if each.changed
    ]


def remarks(summaries: Sequence[Summary]) -> list[str]:
    """Return what has to be said under the table: what is missing and why, and over what a number is."""
    said = []
    single = [each.arm.name for each in summaries if len(each.arm.runs) == 1]
    if single:
        said.append(f"No deviation for {_join(single)}: one seed.")
    peers = [each.arm.name for each in summaries if not each.is_shipped]
    if peers:
        said.append(
            f"Never shipped, measured as a peer: {_join(peers)}; its score is that right after each task."
        )
    said += _lent(summaries)
    for column in columns(summaries):
        said += _partial(summaries, column)
    return said + _missing(summaries)


def _has_any(summaries: Sequence[Summary], column: Column) -> bool:
    return any(not isinstance(getattr(each, column.key), Missing) for each in summaries)


def _lent(summaries: Sequence[Summary]) -> list[str]:
    names = [each.arm.name for each in summaries if any(run.floors_from for run in each.arm.runs)]
    said = "measured in another run of the same seed, on the same items"
    return [f"Best floor of {_join(names)}: {said}."] if names else []


def _missing(summaries: Sequence[Summary]) -> list[str]:
    """Return a sentence for each reason why numbers are missing, with all numbers and arms that it holds for."""
    reasons: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for column in columns(summaries):
        arms: dict[str, list[str]] = {}
        for summary in summaries:
            number = getattr(summary, column.key)
            if isinstance(number, Missing):
                arms.setdefault(number.reason, []).append(summary.arm.name)
        for reason, names in arms.items():
            reasons.setdefault((reason, tuple(names)), []).append(column.words)
    return [
        f"No {_join(words)}{'' if len(names) == len(summaries) else f' for {_join(names)}'}: {reason}."
        for (reason, names), words in reasons.items()
    ]


def _partial(summaries: Sequence[Summary], column: Column) -> list[str]:
    said = []
    for summary in summaries:
        number, runs = getattr(summary, column.key), len(summary.arm.runs)
        if isinstance(number, Spread) and number.runs < runs:
            said.append(
                f"{column.words.capitalize()} of {summary.arm.name}: over {number.runs} of its {runs} seeds."
            )
        if isinstance(number, Transfer):
            said.append(
                f"{column.words.capitalize()} of {summary.arm.name}: over {number.count} pairs of seed and task, "
                "± is the standard error."
            )
    return said


def _join(names: Sequence[str]) -> str:
    return ", ".join(names)
