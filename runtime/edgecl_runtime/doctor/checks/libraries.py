"""The libraries that onnxruntime's GPU providers are linked to, against those on this machine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from edgecl_runtime.doctor.facts import Facts, ProviderLibrary
from edgecl_runtime.doctor.finding import FINE, MEND, NOTE, Finding
from edgecl_runtime.doctor.lines import gpu_requirement, install, reinstall

__all__ = ["check_libraries"]

_SONAME = re.compile(r"(?P<stem>.+)\.so\.(?P<major>\d+)")
_OF_THE_LOADER = "ld-linux"
_OF_THE_DRIVER = ("libcuda.so",)
_OF_CUDA = ("libcu", "libnv")
_OF_TENSORRT = ("libnvinfer.so", "libnvonnxparser.so", "libnvinfer_plugin.so")
_OF_THE_SYSTEM = {"libstdc++.so.6": "libstdc++6", "libgcc_s.so.1": "libgcc-s1", "libgomp.so.1": "libgomp1"}


def check_libraries(facts: Facts) -> Iterator[Finding]:
    """Say which libraries a provider needs and does not find; only of a wanted provider must that be mended."""
    for library in facts.provider_libraries:
        level = MEND if library.provider in facts.wanted_providers else NOTE
        absent = [
            name
            for name in library.needs
            if name not in facts.libraries and not name.startswith(_OF_THE_LOADER)
        ]
        if absent:
            yield from _of_absent(facts, library, absent, level)
        else:
            yield Finding(
                "libraries", FINE, f"{library.provider}: all {len(library.needs)} libraries are found"
            )


def _of_absent(facts: Facts, library: ProviderLibrary, absent: list[str], level: str) -> Iterator[Finding]:
    """Yield one finding for each way to mend, as few as there are."""
    unlisted = [name for name in absent if name in facts.unlisted]
    if unlisted:
        folders = sorted({facts.unlisted[name] for name in unlisted})
        value = shlex.quote(":".join(folders))
        yield Finding(
            "libraries",
            level,
            f"{library.provider} needs {', '.join(unlisted)}: there, but where the loader does not look",
            f"export LD_LIBRARY_PATH={value}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}",
        )
    mends: dict[str, list[str]] = {}
    for name in absent:
        if name not in facts.unlisted:
            mends.setdefault(_mend(facts, name), []).append(name)
    for line, names in mends.items():
        shown = ", ".join(_shown(facts, name) for name in names)
        yield Finding("libraries", level, f"{library.provider} needs {shown}", line)


def _shown(facts: Facts, name: str) -> str:
    others = _other_majors(facts, name)
    return f"{name} (not found; installed: {', '.join(others)})" if others else f"{name} (not found)"


def _other_majors(facts: Facts, name: str) -> list[str]:
    """Return the same library in other major versions, as in libnvinfer.so.11 for libnvinfer.so.10."""
    wanted = _SONAME.fullmatch(name)
    if wanted is None:
        return []
    stem = re.compile(re.escape(wanted["stem"]) + r"\.so\.\d+")
    return sorted(found for found in {*facts.libraries, *facts.unlisted} if stem.fullmatch(found))


def _mend(facts: Facts, name: str) -> str:
    if not name.startswith(_OF_CUDA):
        return f"sudo apt-get install {_OF_THE_SYSTEM[name]}" if name in _OF_THE_SYSTEM else ""
    if facts.l4t is not None:
        return _mend_on_jetson(facts, name)
    if name.startswith(_OF_THE_DRIVER):
        is_ubuntu = "ubuntu" in facts.system.lower()
        return "sudo ubuntu-drivers install" if is_ubuntu else "sudo apt-get install nvidia-driver"
    if name.startswith(_OF_TENSORRT):
        major = _SONAME.fullmatch(name)
        return install(facts, f"tensorrt-cu13<{int(major['major']) + 1}" if major else "tensorrt-cu13")
    return install(facts, *gpu_requirement(facts))


def _mend_on_jetson(facts: Facts, name: str) -> str:
    """Return the line for a Jetson, whose CUDA and TensorRT come with JetPack and never from pip."""
    if _other_majors(facts, name):
        return reinstall(facts, ("onnxruntime-gpu",), *gpu_requirement(facts))
    return "sudo apt-get install nvidia-jetpack"
