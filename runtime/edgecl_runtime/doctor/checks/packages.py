"""What is installed, against what edgecl-runtime requires and against each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgecl_runtime.doctor.facts import Facts, Version, Wheel
from edgecl_runtime.doctor.finding import FINE, MEND, NOTE, Finding
from edgecl_runtime.doctor.lines import gpu_requirement, install, reinstall, requirement

__all__ = ["check_clashes", "check_extras", "check_onnxruntime", "check_requirements", "wants_gpu"]

_CPU = "onnxruntime"
_GPU_PROVIDERS = ("CUDAExecutionProvider", "TensorrtExecutionProvider")
_FOR_A_STORE = ("tuf", MEND, "updates of the store")
_FOR_A_BUNDLE = {
    "image": ("pillow", NOTE, "images from files; arrays work without it"),
    "text": ("tokenizers", MEND, "texts"),
}


def check_onnxruntime(facts: Facts) -> Iterator[Finding]:
    """Say whether there is an onnxruntime, and whether it can be imported."""
    found = _onnxruntimes(facts)
    if not found:
        yield Finding("onnxruntime", MEND, "not installed", install(facts, *_onnxruntime_for(facts)))
    elif facts.onnxruntime_error:
        names = tuple(wheel.name for wheel in found)
        yield Finding(
            "onnxruntime",
            MEND,
            f"{' and '.join(names)} cannot be imported: {facts.onnxruntime_error}",
            reinstall(facts, names, *_onnxruntime_for(facts)),
        )
    else:
        shown = ", ".join(f"{wheel.name} {wheel.version}" for wheel in found)
        yield Finding("onnxruntime", FINE, f"{shown}: {', '.join(facts.providers)}")


def check_clashes(facts: Facts) -> Iterator[Finding]:
    """Say whether two distributions overwrite each other's files."""
    found = _onnxruntimes(facts)
    if len(found) > 1:
        names = tuple(wheel.name for wheel in found)
        yield Finding(
            "clashes",
            MEND,
            f"{' and '.join(names)} are both installed: they overwrite each other's files, and the one that "
            "was installed last wins",
            reinstall(facts, names, *_onnxruntime_for(facts)),
        )
    else:
        yield Finding("clashes", FINE, "no two distributions of onnxruntime")


def check_requirements(facts: Facts) -> Iterator[Finding]:
    """Say which installed distributions are older than edgecl-runtime allows."""
    old = [
        (wheel, wanted)
        for wheel in facts.wheels
        if _is_below(wheel, wanted := requirement(facts, wheel.name))
    ]
    for wheel, wanted in old:
        yield Finding(
            "versions",
            MEND,
            f"{wheel.name} {wheel.version} is too old: edgecl-runtime needs {wanted}",
            install(facts, wanted),
        )
    if not old:
        yield Finding("versions", FINE, "every distribution is new enough")


def check_extras(facts: Facts) -> Iterator[Finding]:
    """Say which optional part the bundle or the store needs and does not find."""
    needed = [] if facts.store is None else [_FOR_A_STORE]
    if facts.bundle is not None and not facts.bundle.error:
        needed.append(_FOR_A_BUNDLE[facts.bundle.modality])
    for name, level, purpose in needed:
        if facts.wheel(name) is None:
            message = f"{name} is not installed: it is needed for {purpose}"
            yield Finding("extras", level, message, install(facts, requirement(facts, name)))


def wants_gpu(facts: Facts) -> bool:
    """Say whether the bundle asks for an NVIDIA GPU; without a bundle, whether its onnxruntime is installed."""
    if facts.bundle is not None and not facts.bundle.error:
        return any(provider in facts.wanted_providers for provider in _GPU_PROVIDERS)
    return any("gpu" in wheel.name for wheel in _onnxruntimes(facts))


def _onnxruntime_for(facts: Facts) -> tuple[str, ...]:
    return gpu_requirement(facts) if wants_gpu(facts) else (requirement(facts, _CPU),)


def _onnxruntimes(facts: Facts) -> tuple[Wheel, ...]:
    return tuple(wheel for wheel in facts.wheels if wheel.is_onnxruntime)


def _is_below(wheel: Wheel, wanted: str) -> bool:
    oldest = re.search(r">=\s*([0-9.]+)", wanted)
    return oldest is not None and _version(wheel.version) < _version(oldest[1])


def _version(text: str) -> Version:
    found = re.match(r"[0-9]+(\.[0-9]+)*", text)
    return () if found is None else tuple(map(int, found[0].split(".")))
