"""Holds a bundle to the budgets of its device before it ships, as far as a workstation can tell."""

from __future__ import annotations

from dataclasses import replace

from edgecl_export.errors import BudgetError
from edgecl_runtime.bundle import Bundle
from edgecl_runtime.doctor.checks.bundle import over_budget
from edgecl_runtime.doctor.trial import try_bundle

__all__ = ["check_budgets"]

_HERE = ("CPUExecutionProvider",)


def check_budgets(bundle: Bundle) -> None:
    """Do nothing if the backbone keeps the budgets of the bundle's profile on this machine's processor.

    What it takes here it takes there at least: a device that is slower than this machine is found out by
    `edgecl-device doctor` on it. The latency of a GPU is not known here and is left to that, too.

    Raises:
        BudgetError: The backbone needs more memory or time than the profile allows.
    """
    profile = bundle.profile
    if profile.providers != _HERE:
        profile = replace(profile, latency_ms=None)
    if profile.memory_bytes is None and profile.latency_ms is None:
        return
    trial = try_bundle(bundle.path, batch=profile.batch or 1, providers=_HERE)
    problems = (trial.error,) if trial.error else over_budget(profile, trial)
    if problems:
        raise BudgetError("; ".join(problems), device=profile.name)
