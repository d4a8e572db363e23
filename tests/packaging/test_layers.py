from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.built import ROOT

BREACHES = {
    "runtime-imports-torch": ("runtime/edgecl_runtime", "import torch"),
    "runtime-imports-the-workstation": ("runtime/edgecl_runtime", "import edgecl.errors"),
    "runtime-imports-the-devices": ("runtime/edgecl_runtime", "import edgecl_devices"),
    "learning-imports-export": ("edgecl", "import edgecl_export"),
    "learning-imports-the-command-line": ("edgecl", "import edgecl.cli"),
    "export-imports-the-command-line": ("export/edgecl_export", "import edgecl.cli"),
    "export-imports-onnxruntime": ("export/edgecl_export", "import onnxruntime"),
    "devices-import-the-runtime": ("devices/edgecl_devices", "import edgecl_runtime"),
}


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    # The roots of this tree come first, also where another one is installed in editable mode.
    roots = [str(tree / part) for part in (".", "export", "runtime", "devices")]
    code = f"import sys; sys.path[:0] = {roots}; from importlinter import cli; cli.lint_imports_command()"
    options = ["--no-cache", "--no-logo", "--config", str(tree / "pyproject.toml")]
    return subprocess.run(
        [sys.executable, "-c", code, *options], cwd=tree, capture_output=True, text=True, check=False
    )


def test_imports_go_in_the_direction_that_was_agreed() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("breach", BREACHES)
def test_import_in_the_wrong_direction_is_noticed(breach: str, tmp_path: Path) -> None:
    folder, statement = BREACHES[breach]
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for part in ("edgecl", "export", "runtime", "devices"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    (tmp_path / folder / "_breach.py").write_text(f"{statement}\n", encoding="utf-8")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stderr
    assert "_breach" in done.stdout
