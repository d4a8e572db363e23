"""All checks, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from edgecl_runtime.doctor.checks import bundle, jetson, libraries, packages, place, system
from edgecl_runtime.doctor.facts import Facts
from edgecl_runtime.doctor.finding import MEND, Finding

__all__ = ["CHECKS", "examine", "must_mend"]

CHECKS: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    system.check_machine,
    system.check_python,
    system.check_libc,
    system.check_wheels,
    packages.check_requirements,
    packages.check_extras,
    packages.check_onnxruntime,
    packages.check_clashes,
    jetson.check_jetpack,
    bundle.check_providers,
    libraries.check_libraries,
    bundle.check_bundle,
    bundle.check_budgets,
    place.check_clock,
    place.check_store,
    place.check_drive,
    place.check_room,
)


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Return what is to be said about a machine; the same facts always give the same findings."""
    return tuple(finding for check in CHECKS for finding in check(facts))


def must_mend(findings: Sequence[Finding]) -> bool:
    """Say whether something does not work until it is mended."""
    return any(finding.level == MEND for finding in findings)
