"""Processor, Python and C library, against what the installed wheels were built for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgecl_runtime.doctor.facts import Facts, Version, Wheel
from edgecl_runtime.doctor.finding import FINE, MEND, NOTE, Finding
from edgecl_runtime.doctor.lines import install

__all__ = ["check_libc", "check_machine", "check_python", "check_wheels"]

_MACHINES = {"x86_64", "amd64", "aarch64", "arm64"}
_LAST_FOR_3_10 = "1.23.2"
_OLDEST_GLIBC: Version = (2, 27)  # of the wheels of onnxruntime 1.23.2; later ones need 2.28
_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


def check_machine(facts: Facts) -> Iterator[Finding]:
    """Say whether onnxruntime has wheels for this processor at all."""
    if facts.machine.lower() in _MACHINES:
        yield Finding("machine", FINE, f"{facts.machine}, {facts.system}")
    else:
        yield Finding(
            "machine",
            MEND,
            f"{facts.machine}: onnxruntime has wheels for x86_64 and aarch64 only. "
            "Install the 64-bit edition of the operating system",
        )


def check_python(facts: Facts) -> Iterator[Finding]:
    """Say which onnxruntime there is for this Python; the runtime itself does not start on an older one."""
    shown = f"Python {_dotted(facts.python)} ({facts.executable})"
    if facts.python < (3, 11):
        yield Finding(
            "python",
            NOTE,
            f"{shown}: onnxruntime {_LAST_FOR_3_10} is the last one from PyPI for it; 3.11 gets newer ones",
        )
    else:
        yield Finding("python", FINE, shown)


def check_libc(facts: Facts) -> Iterator[Finding]:
    """Say whether the C library is one that wheels with compiled code are built for."""
    if facts.glibc is None:
        yield Finding(
            "libc",
            MEND,
            "no glibc was found (musl?): onnxruntime has wheels for glibc only. "
            "Use a system with glibc, such as Debian, Ubuntu or Raspberry Pi OS",
        )
    elif facts.glibc < _OLDEST_GLIBC:
        yield Finding(
            "libc",
            MEND,
            f"glibc {_dotted(facts.glibc)}: onnxruntime {_LAST_FOR_3_10} needs {_dotted(_OLDEST_GLIBC)}, "
            "later ones 2.28. Update the operating system",
        )
    else:
        yield Finding("libc", FINE, f"glibc {_dotted(facts.glibc)}")


def check_wheels(facts: Facts) -> Iterator[Finding]:
    """Say which installed wheels were built for another machine, Python or C library."""
    strangers = [(wheel, problem) for wheel in facts.wheels if (problem := _problem(wheel, facts))]
    for wheel, problem in strangers:
        yield Finding(
            "wheels",
            MEND,
            f"{wheel.name} {wheel.version} was built for {problem}",
            install(facts, "--force-reinstall", "--no-deps", wheel.name),
        )
    if not strangers:
        yield Finding("wheels", FINE, ", ".join(f"{wheel.name} {wheel.version}" for wheel in facts.wheels))


def _problem(wheel: Wheel, facts: Facts) -> str:
    """Return why none of the tags of a wheel fits this machine, "" if one does or nothing is said."""
    problems = [_tag_problem(tag, facts) for tag in wheel.tags]
    return "" if "" in problems or not problems else problems[0]


def _tag_problem(tag: str, facts: Facts) -> str:
    interpreter, abi, platform = tag.split("-")
    here = f"cp{facts.python[0]}{facts.python[1]}"
    built_for = re.fullmatch(r"cp(\d)(\d+)", interpreter)
    if built_for is not None:
        wanted = (int(built_for[1]), int(built_for[2]))
        if not (interpreter == here or (abi == "abi3" and wanted <= facts.python[:2])):
            return f"Python {_dotted(wanted)}, here is {_dotted(facts.python[:2])}"
    return _platform_problem(platform, facts)


def _platform_problem(platform: str, facts: Facts) -> str:
    if platform == "any":
        return ""
    if facts.machine not in platform:
        return f"{platform}, here is {facts.machine}"
    needed = _needed_glibc(platform)
    if needed is not None and facts.glibc is not None and needed > facts.glibc:
        return f"glibc {_dotted(needed)}, here is {_dotted(facts.glibc)}"
    return ""


def _needed_glibc(platform: str) -> Version | None:
    found = re.match(r"manylinux_(\d+)_(\d+)_", platform)
    if found is not None:
        return int(found[1]), int(found[2])
    return next((version for name, version in _LEGACY.items() if platform.startswith(f"{name}_")), None)


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
