"""Refuse to compare what is not alike."""

from __future__ import annotations

from collections.abc import Sequence

from edgecl.errors import ConfigError
from edgecl.report.measured import MeasuredRun


def require_alike(runs: Sequence[MeasuredRun]) -> None:
    """Do nothing if runs have the same backbone, tasks, classes and, with the same seed, the same items.

    Raises:
        ConfigError: They have not; names the two runs.
    """
    first = runs[0]
    by_seed: dict[int, MeasuredRun] = {}
    for run in runs:
        _require_backbone(run, first)
        _require_tasks(run, first)
        _require_labels(run, first)
        _require_items(run, by_seed.setdefault(run.seed, run))


def require_once(runs: Sequence[MeasuredRun]) -> None:
    """Do nothing if runs of equal settings, those of one arm, have different seeds.

    Raises:
        ConfigError: Two have the same one: the same measurement, counted twice.
    """
    seen: dict[int, MeasuredRun] = {}
    for run in runs:
        if run.seed in seen:
            raise ConfigError.at(
                run.folder,
                found=f"seed {run.seed} with the settings of {seen[run.seed].folder}",
                expected="another seed, or other settings of what is learned",
                fix="Name only one of the two.",
            )
        seen[run.seed] = run


def require_alone(run: MeasuredRun) -> None:
    """Do nothing if no task of a run had anything from another one.

    Raises:
        ConfigError: They share something, started from each other, or were learned at once.
    """
    method, transfer = run.record.config.method, run.record.config.transfer
    shares_nothing = transfer.start == "identity" and all(task.shared_bytes == 0 for task in run.tasks)
    if method.jointly or not (method.alone or shares_nothing):
        raise ConfigError.at(
            f"--alone {run.folder}",
            found="tasks that learn from each other",
            expected="each learned as if it were the first",
            fix="Train such a run with --set method.alone=true, or leave --alone out.",
        )


def _require_backbone(run: MeasuredRun, first: MeasuredRun) -> None:
    if run.record.fingerprint != first.record.fingerprint:
        raise ConfigError.at(
            run.folder,
            found=f"backbone {run.record.fingerprint[:12]}",
            expected=f"that of {first.folder}, {first.record.fingerprint[:12]}",
            fix="Compare like with like: report the runs of each backbone, image size and pooling by themselves.",
        )


def _require_tasks(run: MeasuredRun, first: MeasuredRun) -> None:
    found, expected = set(run.names), set(first.names)
    if found != expected:
        differences = [f"{name!r} missing" for name in first.names if name not in found]
        differences += [f"{name!r} besides" for name in run.names if name not in expected]
        raise ConfigError.at(
            run.folder,
            found=f"other tasks ({', '.join(differences)})",
            expected=f"those of {first.folder}",
            fix="Compare like with like: repeat the edgecl train command of a run that was stopped, "
            "or leave the run out.",
        )


def _require_labels(run: MeasuredRun, first: MeasuredRun) -> None:
    for task in run.tasks:
        labels = first.task(task.name).labels
        if task.labels != labels:
            raise ConfigError.at(
                f"{run.folder}, task {task.name!r}",
                found=f"other classes ({len(task.labels)})",
                expected=f"those of {first.folder} ({len(labels)})",
                fix="Compare like with like: train both on the same data.",
            )


def _require_items(run: MeasuredRun, same_seed: MeasuredRun) -> None:
    for task in run.tasks:
        expected = same_seed.task(task.name).data_fingerprint
        if task.data_fingerprint != expected:
            raise ConfigError.at(
                f"{run.folder}, task {task.name!r}",
                found=f"items with fingerprint {task.data_fingerprint[:12]}",
                expected=f"those of {same_seed.folder}, {expected[:12]}, which has the same seed",
                fix="Compare like with like: train both on the same data and options of the stream.",
            )
