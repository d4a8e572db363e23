"""Forward transfer of an arm: against runs of the same recipe and seed in which each task was learned alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from edgecl.config import TABLES, GeneratorConfig, RunConfig, TransferConfig
from edgecl.errors import ConfigError
from edgecl.evaluation.matrix import Flags, Matrix, Transfer, forward_transfer
from edgecl.report.arms import Arm, Comparison
from edgecl.report.measured import MeasuredRun, what_was_learned
from edgecl.report.numbers import Missing, mean_known

OF_EARLIER_TASKS = (
    "drift",
    "drift_weight",
    "drift_targets",
    "drift_tasks",
    "lookahead",
    "interval_drift",
    "guidance",
    "guidance_from",
    "guidance_normalization",
    "guidance_weight",
    "guidance_fade",
)
"""Settings of the generator that say what earlier tasks do: a task learned alone has none."""


@dataclass(frozen=True, slots=True)
class ForwardTransfer:
    """What earlier tasks did for later ones, with two errors of it.

    Attributes:
        pairs: The mean gain, and its error over pairs of seed and task. They share tasks and an order, so that they
            are not independent.
        error_over_seeds: Standard error of the means of the seeds, percent points; NaN for a single one.
        seeds: How many seeds there are.
    """

    pairs: Transfer
    error_over_seeds: float
    seeds: int

    @property
    def error(self) -> float:
        """The larger of the errors that are known; NaN where none is."""
        return float(np.fmax(self.pairs.error, self.error_over_seeds))


@dataclass(frozen=True, slots=True)
class Pairs:
    """Scores of tasks in the order of training, and of the same tasks and seeds learned alone; [seeds, T].

    Attributes:
        trained: After the tasks before them, percent.
        alone: Alone, percent.
        counts: Which of them means are over.
        references: The runs learned alone, [seeds].
    """

    trained: Matrix
    alone: Matrix
    counts: Flags
    references: tuple[MeasuredRun, ...]

    @property
    def transfer(self) -> Transfer:
        """The mean gain of all tasks but the first."""
        return forward_transfer(self.trained, self.alone, counts=self.counts)

    @property
    def error_over_seeds(self) -> float:
        """The standard error of the means of the seeds, percent points; NaN for fewer than two."""
        means = mean_known(self.gains[:, 1:].T)
        known = means[~np.isnan(means)]
        return float(known.std(ddof=1)) / len(known) ** 0.5 if len(known) > 1 else float("nan")

    @property
    def gains(self) -> Matrix:
        """Percent points by seed and place in the stream, [seeds, T]; NaN where a task does not count."""
        return np.where(self.counts, self.trained - self.alone, np.nan)


def transfer_of(arm: Arm, comparison: Comparison) -> ForwardTransfer | Missing:
    """Return what earlier tasks did for later ones, over the seeds that were learned alone as well.

    Raises:
        ConfigError: Two runs learned alone fit one seed.
    """
    pairs = paired(arm, comparison)
    if isinstance(pairs, Missing):
        return pairs
    return ForwardTransfer(pairs.transfer, pairs.error_over_seeds, len(pairs.references))


def paired(arm: Arm, comparison: Comparison) -> Pairs | Missing:
    """Return the scores of an arm beside those of its tasks learned alone, over the seeds that have both.

    Raises:
        ConfigError: Two runs learned alone fit one seed.
    """
    pairs = _with_references(arm, comparison)
    if isinstance(pairs, Missing):
        return pairs
    counts = np.array([run.flags(comparison.left_out) for run, _ in pairs])
    if not counts[:, 1:].any():
        return Missing("no task after the first counts")
    return Pairs(
        trained=np.array([[task.score for task in run.tasks] for run, _ in pairs]),
        alone=np.array([[other.task(name).score for name in run.names] for run, other in pairs]),
        counts=counts,
        references=tuple(other for _, other in pairs),
    )


def _with_references(arm: Arm, comparison: Comparison) -> list[tuple[MeasuredRun, MeasuredRun]] | Missing:
    """Return the runs of an arm, each beside the run of its recipe and seed that learned alone."""
    if not comparison.alone:
        return Missing("no run with every task learned alone was given (--alone)")
    if arm.config.method.jointly:
        return Missing("all tasks were learned at once")
    alone = _by_seed(comparison.alone, _recipe(arm.config))
    if not alone:
        return Missing(_no_reference(arm.config, comparison.alone))
    pairs = [(run, alone[run.seed]) for run in arm.runs if run.seed in alone]
    if not pairs:
        return Missing("the runs of --alone with its recipe have other seeds")
    if all(run.folder.resolve() == other.folder.resolve() for run, other in pairs):
        return Missing("it is what others are measured against (--alone)")
    return pairs


def _by_seed(alone: Sequence[MeasuredRun], recipe: RunConfig) -> dict[int, MeasuredRun]:
    fitting: dict[int, MeasuredRun] = {}
    for run in alone:
        if _recipe(run.record.config) != recipe:
            continue
        if run.seed in fitting:
            raise ConfigError.at(
                f"--alone {run.folder}",
                found=f"seed {run.seed}, as in {fitting[run.seed].folder}",
                expected="one run for each recipe and seed",
                fix="Leave one of the two out.",
            )
        fitting[run.seed] = run
    return fitting


def _recipe(config: RunConfig) -> RunConfig:
    """Return what two runs must share for one to be the reference of the other: all that a first task is told."""
    generator = {name: getattr(GeneratorConfig(), name) for name in OF_EARLIER_TASKS}
    learned = what_was_learned(config)
    return msgspec.structs.replace(
        learned,
        method=msgspec.structs.replace(learned.method, alone=False),
        generator=msgspec.structs.replace(config.generator, **generator),
        transfer=TransferConfig(),
    )


def _no_reference(config: RunConfig, alone: Sequence[MeasuredRun]) -> str:
    """Return why none of the runs learned alone is a reference: what the nearest one differs in."""
    differences = min((_differences(run.record.config, config) for run in alone), key=len)
    return f"no run of --alone has its recipe; the nearest differs in {', '.join(differences)}"


def _differences(alone: RunConfig, config: RunConfig) -> list[str]:
    there, here = (msgspec.to_builtins(_recipe(each)) for each in (alone, config))
    return [
        f"{table}.{key} ({there[table][key]}, here {value})"
        for table in TABLES
        for key, value in here[table].items()
        if there[table][key] != value
    ]
