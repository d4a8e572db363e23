"""Whether this machine runs the bundle, with the providers it asks for and within its budgets."""

from __future__ import annotations

from collections.abc import Iterator

from edgecl_runtime.doctor.facts import BundleFacts, Facts, Trial
from edgecl_runtime.doctor.finding import FINE, MEND, Finding
from edgecl_runtime.doctor.lines import gpu_requirement, install, reinstall
from edgecl_runtime.profile import Profile

__all__ = ["check_budgets", "check_bundle", "check_providers", "over_budget"]


def check_bundle(facts: Facts) -> Iterator[Finding]:
    """Say whether the bundle can be read, and whether its backbone ran."""
    bundle = facts.bundle
    if bundle is None:
        return
    if bundle.error:
        yield Finding("bundle", MEND, bundle.error)
    elif bundle.trial is not None and bundle.trial.error:
        yield Finding(
            "bundle",
            MEND,
            f"the backbone does not run here: {bundle.trial.error}",
            _profile_line(facts, bundle),
        )
    elif bundle.trial is not None:
        yield Finding(
            "bundle",
            FINE,
            f"the backbone runs: {bundle.trial.latency_ms:.1f} ms a call of {bundle.trial.batch}",
        )


def check_providers(facts: Facts) -> Iterator[Finding]:
    """Say which providers the bundle asks for that the installed onnxruntime was not built with.

    onnxruntime goes on without them and says nothing.
    """
    missing = [name for name in facts.wanted_providers if name not in facts.providers]
    if missing and not facts.onnxruntime_error:
        installed = tuple(wheel.name for wheel in facts.wheels if wheel.is_onnxruntime)
        wanted = gpu_requirement(facts)
        yield Finding(
            "providers",
            MEND,
            f"the bundle asks for {', '.join(missing)}, but the installed onnxruntime has only "
            f"{', '.join(facts.providers)}",
            reinstall(facts, installed, *wanted) if installed else install(facts, *wanted),
        )
    elif facts.wanted_providers and not missing:
        yield Finding("providers", FINE, f"the bundle asks for {', '.join(facts.wanted_providers)}")


def check_budgets(facts: Facts) -> Iterator[Finding]:
    """Say whether the backbone stays within the memory and time that the profile of the bundle allows."""
    bundle = facts.bundle
    if bundle is None or bundle.trial is None or bundle.trial.error:
        return
    problems = over_budget(bundle.profile, bundle.trial)
    for problem in problems:
        yield Finding(
            "budgets",
            MEND,
            f"{problem}. Export a smaller backbone, or this one in a lower precision, on the workstation",
            f"edgecl export RUN --out BUNDLE --device {bundle.profile.name} --precision int8",
        )
    if not problems:
        yield Finding("budgets", FINE, _spent(bundle.profile, bundle.trial))


def over_budget(profile: Profile, trial: Trial) -> tuple[str, ...]:
    """Return what a trial used beyond the budgets of a profile; a budget that is not known allows everything."""
    problems = []
    if profile.memory_bytes is not None and (trial.peak_bytes or 0) > profile.memory_bytes:
        problems.append(
            f"memory: {_megabytes(trial.peak_bytes or 0)} are needed, "
            f"{profile.name} allows {_megabytes(profile.memory_bytes)}"
        )
    if profile.latency_ms is not None and trial.latency_ms > profile.latency_ms:
        problems.append(
            f"latency: a call of {trial.batch} takes {trial.latency_ms:.1f} ms, "
            f"{profile.name} allows {profile.latency_ms:g} ms"
        )
    return tuple(problems)


def _spent(profile: Profile, trial: Trial) -> str:
    memory = "an unknown part" if trial.peak_bytes is None else _megabytes(trial.peak_bytes)
    allowed = "any memory" if profile.memory_bytes is None else _megabytes(profile.memory_bytes)
    latency = "any time" if profile.latency_ms is None else f"{profile.latency_ms:g} ms"
    return f"{memory} of {allowed}, {trial.latency_ms:.1f} ms of {latency}"


def _profile_line(facts: Facts, bundle: BundleFacts) -> str:
    """Return the install line that the bundle carries for this Python, "" if there is none."""
    here = f"{facts.python[0]}.{facts.python[1]}"
    return next((entry.line for entry in bundle.profile.install if entry.python.startswith(here)), "")


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f} MB"
