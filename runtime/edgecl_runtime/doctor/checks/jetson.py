"""The JetPack of a Jetson, by the version of Jetson Linux in /etc/nv_tegra_release."""

from __future__ import annotations

from collections.abc import Iterator

from edgecl_runtime.doctor.checks.packages import wants_gpu
from edgecl_runtime.doctor.facts import Facts
from edgecl_runtime.doctor.finding import FINE, MEND, NOTE, Finding

__all__ = ["check_jetpack"]

_JETPACK = {32: 4, 34: 5, 35: 5, 36: 6, 38: 7, 39: 7}
_OLDEST_WITH_A_GPU_WHEEL = 6


def check_jetpack(facts: Facts) -> Iterator[Finding]:
    """Say which JetPack this is, and whether there is an onnxruntime for its GPU."""
    if facts.l4t is None:
        return
    linux = f"Jetson Linux {'.'.join(map(str, facts.l4t))}"
    jetpack = _JETPACK.get(facts.l4t[0])
    if jetpack is None:
        yield Finding(
            "jetpack", NOTE, f"{linux} is not known here; the bundle's own trial tells whether it works"
        )
    elif jetpack < _OLDEST_WITH_A_GPU_WHEEL and wants_gpu(facts):
        yield Finding(
            "jetpack",
            MEND,
            f"JetPack {jetpack} ({linux}) is too old for onnxruntime-gpu 1.23 or newer. Update to JetPack 6, or "
            "export for its processor, on the workstation",
            "edgecl export RUN --out BUNDLE --device jetson-xavier-nx",
        )
    elif jetpack > _OLDEST_WITH_A_GPU_WHEEL and wants_gpu(facts):
        yield Finding(
            "jetpack",
            NOTE,
            f"JetPack {jetpack} ({linux}): whether the onnxruntime-gpu of PyPI has code for an Orin was not tried; "
            "the bundle's own trial tells",
        )
    else:
        yield Finding("jetpack", FINE, f"JetPack {jetpack} ({linux})")
