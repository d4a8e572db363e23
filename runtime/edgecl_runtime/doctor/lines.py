"""The commands that mend findings, for the interpreter that was looked at."""

from __future__ import annotations

import re
import shlex

from edgecl_runtime.doctor.facts import Facts

__all__ = ["JETPACK_6_INDEX", "gpu_requirement", "install", "reinstall", "requirement"]

# JetPack 6 has CUDA 12 and Python 3.10; the onnxruntime-gpu of PyPI is for CUDA 13 and Python 3.11.
JETPACK_6_INDEX = "https://pypi.jetson-ai-lab.io/jp6/cu126"
_JETPACK_6 = 36


def install(facts: Facts, *requirements: str) -> str:
    """Return the line that installs these requirements; options of pip may be among them."""
    return f"{_pip(facts)} install {' '.join(map(_quoted, requirements))}"


def reinstall(facts: Facts, remove: tuple[str, ...], *requirements: str) -> str:
    """Return the line that removes distributions and then installs requirements."""
    return f"{_pip(facts)} uninstall -y {' '.join(remove)} && {install(facts, *requirements)}"


def gpu_requirement(facts: Facts) -> tuple[str, ...]:
    """Return what pip needs to install an onnxruntime for the NVIDIA GPU of this machine."""
    if facts.l4t is not None and facts.l4t[0] == _JETPACK_6:
        return ("onnxruntime-gpu", "--index-url", JETPACK_6_INDEX)
    if facts.l4t is not None:
        return ("onnxruntime-gpu",)
    return ("onnxruntime-gpu[cuda,cudnn]",)


def requirement(facts: Facts, distribution: str) -> str:
    """Return what edgecl-runtime requires of a distribution, such as "pillow>=11.0"."""
    for requirements in facts.requirements.values():
        for wanted in requirements:
            if re.split(r"[^a-z0-9-]", wanted.lower(), maxsplit=1)[0] == distribution:
                return wanted
    return distribution


def _pip(facts: Facts) -> str:
    return f"{shlex.quote(facts.executable)} -m pip"


def _quoted(word: str) -> str:
    return f'"{word}"' if re.search(r"[^\w./:-]", word) else word
