from __future__ import annotations

import json
import subprocess
import sys
from types import ModuleType

import edgecl_runtime

HEAVY = (
    "onnxruntime",
    "PIL",
    "tokenizers",
    "safetensors",
    "argparse",
    "torch",
    "onnx",
    "transformers",
    "click",
)


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_the_package_imports_numpy_and_nothing_else_that_is_large() -> None:
    modules = modules_after("import edgecl_runtime")
    assert "numpy" in modules
    assert not modules & set(HEAVY)


def test_reading_a_pack_needs_numpy_alone() -> None:
    modules = modules_after(
        "import edgecl_runtime as e\ntry: e.parse_pack(b'', 'x')\nexcept e.PackError: pass"
    )
    assert not modules & set(HEAVY)


def test_the_command_line_loads_no_library_before_it_is_needed() -> None:
    modules = modules_after(
        "from edgecl_runtime.cli.arguments import build_parser; build_parser().format_help()"
    )
    assert not modules & (set(HEAVY) - {"argparse"})


def test_all_is_sorted_and_is_the_namespace() -> None:
    public = {
        name
        for name, value in vars(edgecl_runtime).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    }
    assert set(edgecl_runtime.__all__) == public
    assert sorted(edgecl_runtime.__all__) == list(edgecl_runtime.__all__)


def test_every_public_name_has_a_docstring() -> None:
    assert all(getattr(edgecl_runtime, name).__doc__ for name in edgecl_runtime.__all__)
