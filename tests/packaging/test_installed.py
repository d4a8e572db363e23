from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.packaging.built import Distribution, make_venv, pip_for, run, run_checked

FOLDERS_OF_THE_TREE = ("devices", "docs", "export", "runtime", "scripts", "tests")
FIND_FOLDERS = f"""
from importlib.util import find_spec
print([name for name in {FOLDERS_OF_THE_TREE} if find_spec(name)])
"""
IMPORTED_BY_THE_RUNTIME = """
import sys
before = set(sys.modules)
import edgecl_runtime
tops = {name.split(".")[0] for name in set(sys.modules) - before}
print(*sorted(tops - set(sys.stdlib_module_names)))
"""


@pytest.fixture(scope="module")
def bare_python(
    tmp_path_factory: pytest.TempPathFactory, workstation: Distribution, device: Distribution
) -> Path:
    """The interpreter of an environment with both wheels and none of what they require."""
    folder = tmp_path_factory.mktemp("bare")
    python = make_venv(folder)
    wheels = (workstation.wheel, device.wheel)
    run_checked(*pip_for(python, "install", "--quiet", "--no-deps", "--no-index", *wheels), cwd=folder)
    return python


@pytest.fixture(scope="module")
def device_python(tmp_path_factory: pytest.TempPathFactory, device: Distribution) -> Path:
    """The interpreter of an environment in which `edgecl-runtime[cpu]` was installed from the registry."""
    folder = tmp_path_factory.mktemp("device_venv")
    python = make_venv(folder)
    install = pip_for(python, "install", "--quiet", "--retries", "0", "--timeout", "30")
    reached = run(*install, "--dry-run", "--no-deps", "flatbuffers", cwd=folder)
    if reached.returncode != 0:
        pytest.skip(f"the package registry cannot be reached: {reached.stderr.strip().splitlines()[-1]}")
    run_checked(*install, f"{device.wheel}[cpu]", cwd=folder)
    return python


def test_folders_of_the_tree_are_no_packages_for_users(bare_python: Path, tmp_path: Path) -> None:
    assert run_checked(bare_python, "-c", FIND_FOLDERS, cwd=tmp_path).strip() == "[]"


def test_installed_device_profiles_can_be_read(bare_python: Path, tmp_path: Path) -> None:
    code = "import edgecl_devices; print(edgecl_devices.load_profile('generic-cpu').precision)"
    assert run_checked(bare_python, "-c", code, cwd=tmp_path).strip() == "fp32"


def test_installed_settings_can_be_read(bare_python: Path, tmp_path: Path) -> None:
    code = "from edgecl.arms import arm_names, arm_summary; print(*map(arm_summary, arm_names()), sep='\\n')"
    printed = run_checked(bare_python, "-c", code, cwd=tmp_path).splitlines()
    assert printed[0] == "Adapters and prefixes of a task's own, each task learned for itself."


def test_installed_versions_are_those_in_the_code(bare_python: Path, tmp_path: Path) -> None:
    code = (
        "from importlib.metadata import version as v; import edgecl; print(edgecl.__version__, v('edgecl'))"
    )
    in_code, installed = run_checked(bare_python, "-c", code, cwd=tmp_path).split()
    assert in_code == installed


def test_importing_the_runtime_loads_numpy_only(tmp_path: Path) -> None:
    # In this environment onnxruntime, Pillow, tokenizers and torch are all there to be loaded.
    loaded = run_checked(sys.executable, "-c", IMPORTED_BY_THE_RUNTIME, cwd=tmp_path).split()
    assert loaded == ["edgecl_runtime", "numpy"]


@pytest.mark.network
@pytest.mark.slow
def test_runtime_for_cpu_installs_nothing_that_is_not_listed(device_python: Path, tmp_path: Path) -> None:
    listed = json.loads(run_checked(*pip_for(device_python, "list", "--format", "json"), cwd=tmp_path))
    assert {entry["name"] for entry in listed} == {
        "edgecl-runtime",
        "flatbuffers",
        "numpy",
        "onnxruntime",
        "packaging",
        "protobuf",
        "safetensors",
    }


@pytest.mark.network
@pytest.mark.slow
def test_installed_runtime_loads_numpy_only(device_python: Path, tmp_path: Path) -> None:
    loaded = run_checked(device_python, "-c", IMPORTED_BY_THE_RUNTIME, cwd=tmp_path).split()
    assert loaded == ["edgecl_runtime", "numpy"]


@pytest.mark.network
@pytest.mark.slow
def test_installed_device_command_prints_its_help(device_python: Path, tmp_path: Path) -> None:
    printed = run_checked(device_python.with_name("edgecl-device"), "--help", cwd=tmp_path)
    assert printed.startswith("usage: edgecl-device")
