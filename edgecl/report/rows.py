"""The numbers of a summary as people read them, and what has to be said where one is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgecl.report.numbers import Missing, Spread
from edgecl.report.summary import NONE_COUNTS, Summary
from edgecl.report.transfer import ForwardTransfer

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
    number: Spread | ForwardTransfer | Missing = getattr(summary, column.key)
    match number:
        case Missing():
            return ABSENT
        case ForwardTransfer(pairs):
            return column.write(pairs.points) + (
                f" ± {number.error:.1f}" if math.isfinite(number.error) else ""
            )
        case Spread(mean, deviation, _):
            is_written = deviation is not None and column.write is not size
            return column.write(mean) + (f" ± {deviation:.1f}" if is_written else "")


def defects(summaries: Sequence[Summary]) -> list[str]:
    """Return what must not be: stored tensors that do not predict what they did."""
    return [
        f"Defect in {each.arm.name}: the stored tensors of {_join(each.changed)} do not predict what they did when "
        f"they were learned. {_cause(each)}"
        for each in summaries
        if each.changed
    ]


def remarks(summaries: Sequence[Summary]) -> list[str]:
    """Return what has to be said under the table: what is missing and why, and over what a number is."""
    said = []
    single = [each.arm.name for each in summaries if len(each.arm.runs) == 1]
    if single:
        said.append(f"No deviation for {_join(single)}: one seed.")
    said += _peers(summaries)
    said += _lent(summaries)
    for column in columns(summaries):
        said += _partial(summaries, column)
    return said + _missing(summaries) + _elsewhere(summaries)


def _has_any(summaries: Sequence[Summary], column: Column) -> bool:
    return any(not isinstance(getattr(each, column.key), Missing) for each in summaries)


def _cause(summary: Summary) -> str:
    """Return what may be behind a defect; a file with a digest is read only if it is as it was written."""
    elsewhere = (
        "another device, number of threads or version of PyTorch can turn an item that is nearly a tie"
    )
    has_digests = all(run.task(name).files_sha256 for run in summary.arm.runs for name in summary.changed)
    if has_digests:
        return (
            "The digests of their files are checked when they are read, so that these are hardly the cause; "
            f"{elsewhere}. If all of these were the same, report a bug."
        )
    return f"Either their files have changed: restore the run folder. Or they were tested elsewhere: {elsewhere}."


def _peers(summaries: Sequence[Summary]) -> list[str]:
    """Return what the scores of arms are that nothing ships of."""
    meanings = {False: "its score is that right after each task", True: "all tasks were learned at once"}
    said = []
    for is_joint, meaning in meanings.items():
        names = [
            each.arm.name
            for each in summaries
            if not each.is_shipped and each.arm.config.method.jointly is is_joint
        ]
        said += [f"Never shipped, measured as a peer: {_join(names)}; {meaning}."] if names else []
    return said


def _elsewhere(summaries: Sequence[Summary]) -> list[str]:
    """Return where scores are if no task counts: they were measured all the same."""
    if any(each.score != Missing(NONE_COUNTS) for each in summaries):
        return []
    return [
        "Scores of single tasks: in the table of tasks on the page, and with --json under arms, runs, tasks."
    ]


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
        if isinstance(number, ForwardTransfer):
            said.append(f"{column.words.capitalize()} of {summary.arm.name}: {_errors(number, runs)}.")
    return said


def _errors(transfer: ForwardTransfer, runs: int) -> str:
    """Return over what a transfer is, and which of its errors ± is."""
    seeds = f" in {transfer.seeds} of its {runs} seeds" if transfer.seeds < runs else ""
    over = f"over {transfer.pairs.count} pairs of seed and task{seeds}"
    if not math.isfinite(transfer.error):
        return f"{over}, too few for a standard error"
    if not math.isfinite(transfer.error_over_seeds):
        return f"{over}, ± is the standard error over them; that over seeds may be larger, and takes two"
    return (
        f"{over}; the standard error is {transfer.pairs.error:.1f} over these and "
        f"{transfer.error_over_seeds:.1f} over seeds, and ± is the larger one"
    )


def _join(names: Sequence[str]) -> str:
    return ", ".join(names)
