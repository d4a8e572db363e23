"""Run the tests of the runtime on 64-bit Arm, emulated on this machine, and store what came out.

    python scripts/run_on_aarch64.py --wheel edgecl_runtime-0.1.0-py3-none-any.whl --out docs/results/aarch64.json

It makes a small Debian for Arm and fills a folder with Arm wheels beside it; neither root file system nor kernel of
this machine is touched. The tests run with the newest onnxruntime, and those that run a graph also with the last one
that has wheels for Python 3.10.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".aarch64"
SYSTEM, CPUINFO = PLACE / "system", PLACE / "cpuinfo"
SUITE, PYTHON = "bookworm", "3.11"
PROGRAMS = {"qemu-aarch64-static": "qemu-user-static", "mmdebstrap": "mmdebstrap", "proot": "proot"}
DEBIAN_PACKAGES = ("python3.11", "libstdc++6", "libgcc-s1", "libgomp1")
REQUIREMENTS = ("numpy>=1.26", "safetensors>=0.5", "pillow>=11.0", "tokenizers>=0.21", "tuf>=6.0")
TOOLS = ("pytest>=9.0", "hypothesis>=6.150")
ALL = ["tests/runtime"]
GRAPHS = (
    "tests/runtime/engine",
    "tests/runtime/test_golden.py",
    "tests/runtime/test_probe.py",
    "tests/runtime/test_processor.py",
    "tests/runtime/test_runtime.py",
)
"""The tests that run a graph."""
NEWEST, LAST_FOR_PYTHON_310 = "onnxruntime", "onnxruntime==1.23.2"

# With "max", the emulator's own choice, dynamically quantised products are wrong by as much as their values.
CPU = "neoverse-n1"
# What that processor says of itself; without it onnxruntime ends by a segmentation fault while it is imported.
CPU_DESCRIPTION = """\
processor\t: {number}
BogoMIPS\t: 50.00
Features\t: fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1

"""


@dataclass(frozen=True, slots=True)
class Run:
    """What came out of the tests with one onnxruntime."""

    versions: dict[str, str]
    tests: tuple[str, ...]
    passed: int
    failed: int
    skipped: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Set up what is missing, run the tests, write the result; 1 if a test failed."""
    options = parse(arguments)
    require_programs()
    PLACE.mkdir(exist_ok=True)
    start = time.monotonic()
    make_system()
    CPUINFO.write_text(
        "".join(CPU_DESCRIPTION.format(number=number) for number in range(2)), encoding="ascii"
    )
    for onnxruntime in (NEWEST, LAST_FOR_PYTHON_310):
        fill_site(site_of(onnxruntime), options.wheel, onnxruntime)
    print(f"aarch64: set up in {time.monotonic() - start:.0f} s", flush=True)
    # Side by side: each of them uses one thread.
    with ThreadPoolExecutor() as pool:
        sites = [site_of(NEWEST), site_of(LAST_FOR_PYTHON_310)]
        runs = list(pool.map(run_tests, sites, [tuple(options.tests), GRAPHS]))
    result = {"command": command_of(options.tests), **machine()}
    options.out.write_text(
        json.dumps({**result, "runs": [asdict(run) for run in runs]}, indent=2) + "\n", encoding="utf-8"
    )
    return int(any(run.failed or not run.passed for run in runs))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wheel", type=Path, required=True, help="the wheel of edgecl-runtime to test")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("tests", nargs="*", default=ALL, help="which tests (default: all of it)")
    return parser.parse_args(arguments)


def command_of(tests: Sequence[str]) -> str:
    """Return the command that repeats a run of these tests."""
    if tests == ALL:
        return "make aarch64"
    return f"python scripts/run_on_aarch64.py --wheel WHEEL --out FILE {' '.join(tests)}"


def require_programs() -> None:
    """Leave with the line that installs what is missing."""
    missing = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    if missing:
        sys.exit(f"missing: {', '.join(missing)}. Install with: sudo apt-get install {' '.join(missing)}")


def make_system() -> None:
    """Make a Debian for Arm with a Python, unless it is there; its packages are unpacked and not set up."""
    done = PLACE / f".{SUITE}-is-complete"
    if done.exists():
        return
    shutil.rmtree(SYSTEM, ignore_errors=True)
    mode = "root" if os.geteuid() == 0 else "unshare"
    options = [f"--mode={mode}", "--variant=extract", "--architectures=arm64"]
    run(["mmdebstrap", "--quiet", *options, f"--include={','.join(DEBIAN_PACKAGES)}", SUITE, str(SYSTEM)])
    done.touch()


def site_of(onnxruntime: str) -> Path:
    """Return the folder of the wheels that are used with an onnxruntime."""
    return PLACE / re.sub(r"\W+", "-", onnxruntime)


def fill_site(site: Path, wheel: Path, onnxruntime: str) -> None:
    """Fill a folder with Arm wheels, and with the wheel that is tested."""
    done = site / ".is-complete"
    if not done.exists():
        shutil.rmtree(site, ignore_errors=True)
        pip_install(site, [*platform_options(), *REQUIREMENTS, *TOOLS, onnxruntime])
        done.touch()
    shutil.rmtree(site / "edgecl_runtime", ignore_errors=True)
    pip_install(site, ["--no-deps", "--upgrade", str(wheel)])


def platform_options() -> list[str]:
    """Return what makes pip choose wheels for Arm; it takes old releases if only one platform is named."""
    tags = [f"manylinux_2_{minor}_aarch64" for minor in (28, 27, 17)]
    platforms = [*tags, "manylinux2014_aarch64"]
    abis = [f"cp{PYTHON.replace('.', '')}", "abi3", "none"]
    return [
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", PYTHON),
        *(word for name in platforms for word in ("--platform", name)),
        *(word for name in abis for word in ("--abi", name)),
    ]


def pip_install(site: Path, words: Sequence[str]) -> None:
    """Install into a folder."""
    run(
        [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "-qq",
            "install",
            "--target",
            str(site),
            *words,
        ]
    )


def run_tests(site: Path, tests: tuple[str, ...]) -> Run:
    """Return what came out of the tests on the emulated machine."""
    versions = json.loads(run([*emulated(site), "-c", VERSIONS], capture=True))
    report = site / ".report.xml"
    report.unlink(missing_ok=True)
    options = ["-p", "no:cacheprovider", "--hypothesis-profile=ci", "-m", "not real and not slow", "-q"]
    command = [*emulated(site), "-m", "pytest", *options, f"--junitxml={report}", *tests]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(f"aarch64: onnxruntime {versions['onnxruntime']}\n{done.stdout}", flush=True)
    counts = ElementTree.parse(report).getroot()[0].attrib
    failed = int(counts["failures"]) + int(counts["errors"])
    skipped = int(counts["skipped"])
    passed = int(counts["tests"]) - failed - skipped
    return Run(versions, tests, passed, failed, skipped, round(float(counts["time"])))


VERSIONS = """
import json, platform, sys, numpy, onnxruntime, safetensors
assert platform.machine() == "aarch64"
print(json.dumps({"python": platform.python_version(), "onnxruntime": onnxruntime.__version__,
                  "numpy": numpy.__version__, "safetensors": safetensors.__version__}))
"""


def emulated(site: Path) -> list[str]:
    """Return the words that begin a Python on the emulated machine, which sees this repository where it lies."""
    environment = {
        "HOME": "/tmp",
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(site),
        "QEMU_CPU": CPU,
    }
    folders = [str(ROOT), "/tmp", "/proc", "/sys", "/dev", f"{CPUINFO}:/proc/cpuinfo"]
    return [
        *("env", "-i", *(f"{name}={value}" for name, value in environment.items())),
        *("proot", "-q", "qemu-aarch64-static", "-r", str(SYSTEM), "-w", str(ROOT)),
        *(word for folder in folders for word in ("-b", folder)),
        f"/usr/bin/python{PYTHON}",
    ]


def machine() -> dict[str, str]:
    """Return what emulated, and where."""
    said = run(["qemu-aarch64-static", "--version"], capture=True)
    version = re.search(r"version (\S+)", said)
    return {
        "emulator": f"qemu-user {version[1] if version else 'of an unknown version'}",
        "processor": CPU,
        "system": f"Debian {SUITE}, arm64",
        "emulated_on": platform.machine(),
    }


def run(command: Sequence[str], *, capture: bool = False) -> str:
    """Run a command and return what it says, if that is wanted; leave if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE if capture else None, text=True, check=False)
    if done.returncode:
        sys.exit(f"failed with exit code {done.returncode}: {' '.join(command)}")
    return done.stdout or ""


if __name__ == "__main__":
    sys.exit(main())
