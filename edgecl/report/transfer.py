"""Forward transfer of an arm: against runs of the same method and seed in which each task was learned alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecl.config import RunConfig
from edgecl.errors import ConfigError
from edgecl.evaluation.matrix import Transfer, forward_transfer
from edgecl.report.arms import Arm, Comparison
from edgecl.report.measured import MeasuredRun
from edgecl.report.numbers import Missing

Modules = tuple[str, int, int | None, str]


def transfer_of(arm: Arm, comparison: Comparison) -> Transfer | Missing:
    """Return what earlier tasks did for later ones, over the seeds that were learned alone as well.

    Raises:
        ConfigError: Two runs learned alone fit one seed.
    """
    if not comparison.alone:
        return Missing("no run with every task learned alone was given (--alone)")
    if arm.config.method.jointly:
        return Missing("all tasks were learned at once")
    alone = _by_seed(comparison.alone, _modules(arm.config))
    pairs = [(run, alone[run.seed]) for run in arm.runs if run.seed in alone]
    if not pairs:
        return Missing("no run of --alone has its method, sizes and seed")
    trained = np.array([[task.score for task in run.tasks] for run, _ in pairs])
    reference = np.array([[other.task(name).score for name in run.names] for run, other in pairs])
    counts = np.array([run.flags(comparison.left_out) for run, _ in pairs])
    measured = forward_transfer(trained, reference, counts=counts)
    return measured if measured.count else Missing("no task after the first counts")


def _by_seed(alone: Sequence[MeasuredRun], modules: Modules) -> dict[int, MeasuredRun]:
    fitting: dict[int, MeasuredRun] = {}
    for run in alone:
        if _modules(run.record.config) != modules:
            continue
        if run.seed in fitting:
            raise ConfigError.at(
                f"--alone {run.folder}",
                found=f"seed {run.seed}, as in {fitting[run.seed].folder}",
                expected="one run for each method and seed",
                fix="Leave one of the two out.",
            )
        fitting[run.seed] = run
    return fitting


def _modules(config: RunConfig) -> Modules:
    """Return what two runs must share for one to be the reference of the other."""
    method = config.method
    return method.name, method.rank, method.prefix_length, method.attention
