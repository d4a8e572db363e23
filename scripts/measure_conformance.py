"""Run tuf-conformance, the test suite for clients of TUF, against our updater, and write what it found.

    python scripts/measure_conformance.py CHECKOUT --out docs/results/tuf-conformance.json

CHECKOUT is a copy of https://github.com/theupdateframework/tuf-conformance. The suite runs in an environment of
its own with the versions that it pins; the client it starts (tests/ota/conformance_client.py) runs in this one.
The suite needs the program `faketime`. Exit code 1: a case did not pass.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
CLIENT = ROOT / "tests" / "ota" / "conformance_client.py"
SUITE_ENVIRONMENT = Path(sys.prefix) / "conformance"
PACKAGES = ("edgecl-runtime", "tuf", "securesystemslib", "urllib3", "cryptography")


def prepare(checkout: Path) -> Path:
    """Return the interpreter of the suite's own environment, with the requirements that the checkout pins."""
    python = SUITE_ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(SUITE_ENVIRONMENT)], check=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-qq"]
    subprocess.run([*pip, "install", str(checkout)], check=True)
    return python


def run_suite(python: Path, checkout: Path) -> dict[str, Any]:
    """Return the JSON report of all cases."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            str(python),
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            str(checkout / "tuf_conformance"),
        ]
        command += ["--entrypoint", f"{sys.executable} {CLIENT}"]
        command += ["--json-report", "--json-report-omit", "log", f"--json-report-file={report}"]
        subprocess.run(command, check=False)
        result: dict[str, Any] = json.loads(report.read_bytes())
    return result


def summary(report: dict[str, Any], python: Path, checkout: Path) -> dict[str, Any]:
    """Return the counts, the names of the cases that did not pass, and what ran against what."""
    outcomes = [
        (test["nodeid"].partition("tuf_conformance/")[2], test["outcome"]) for test in report["tests"]
    ]
    not_passed = [f"{name}: {outcome}" for name, outcome in outcomes if outcome != "passed"]
    shown = [str(python), "-c", "import tuf_conformance; print(tuf_conformance.__version__)"]
    commit = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    return {
        "suite": {"tuf-conformance": _output(shown), "commit": _output(commit)},
        "client": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        "cases": len(outcomes),
        "passed": len(outcomes) - len(not_passed),
        "not_passed": not_passed,
    }


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> int:
    """Run the suite and write the result; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    if not (checkout / "tuf_conformance").is_dir():
        parser.error(f"{checkout} is no checkout of tuf-conformance")
    if shutil.which("faketime") is None:
        parser.error("the program faketime is needed: apt-get install faketime")
    python = prepare(checkout)
    result = summary(run_suite(python, checkout), python, checkout)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{result['passed']} of {result['cases']} cases passed")
    return 0 if result["cases"] and not result["not_passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
