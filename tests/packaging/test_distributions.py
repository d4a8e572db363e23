from __future__ import annotations

import pytest

from tests.packaging.built import ROOT, Distribution, package_files, sdist_names, wheel_files

SHIPPED_WITH_AN_SDIST = {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}


def test_wheel_brings_its_packages_and_nothing_else(distribution: Distribution) -> None:
    tops = {name.split("/")[0] for name in package_files(wheel_files(distribution.wheel))}
    assert tops == set(distribution.packages)


def test_wheel_holds_every_file_of_its_packages(distribution: Distribution) -> None:
    assert package_files(wheel_files(distribution.wheel)) == distribution.tree_files()


def test_every_package_is_typed(distribution: Distribution) -> None:
    names = wheel_files(distribution.wheel).keys()
    assert {f"{package}/py.typed" for package in distribution.packages} <= names


def test_wheel_brings_the_licence(distribution: Distribution) -> None:
    files = wheel_files(distribution.wheel)
    licence = next(content for name, content in files.items() if name.endswith("/licenses/LICENSE"))
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_wheel_made_from_the_sdist_is_the_same(distribution: Distribution) -> None:
    assert wheel_files(distribution.wheel_of_sdist) == wheel_files(distribution.wheel)


def test_sdist_holds_what_is_built_and_no_more(distribution: Distribution) -> None:
    inside = tuple(f"{package}/" for package in distribution.packages)
    outside = {name for name in sdist_names(distribution.sdist) if not name.startswith(inside)}
    others = {name for name in outside if not name.startswith(("devices/edgecl_", "export/edgecl_"))}
    assert others - {".gitignore", "CHANGELOG.md"} == SHIPPED_WITH_AN_SDIST


def test_shipped_device_profile_is_in_the_wheel(workstation: Distribution) -> None:
    assert "edgecl_devices/profiles/generic-cpu.toml" in wheel_files(workstation.wheel)


def test_settings_that_ship_are_in_wheel_and_sdist(workstation: Distribution) -> None:
    arms = {f"edgecl/arms/{path.name}" for path in (ROOT / "edgecl" / "arms").glob("*.toml")}
    assert "edgecl/arms/adaprefix++-published.toml" in arms
    assert arms <= wheel_files(workstation.wheel).keys()
    assert arms <= sdist_names(workstation.sdist)


@pytest.mark.parametrize("extra", ["distributed", "logs", "lora"])
def test_workstation_has_an_extra_for_what_only_some_need(extra: str, workstation: Distribution) -> None:
    assert f"Provides-Extra: {extra}" in workstation.metadata()


def test_both_distributions_have_the_same_version(workstation: Distribution, device: Distribution) -> None:
    versions = [line for line in workstation.metadata() if line.startswith("Version: ")]
    assert versions == [line for line in device.metadata() if line.startswith("Version: ")]


def test_workstation_requires_the_runtime_of_its_own_version(workstation: Distribution) -> None:
    version = workstation.wheel.name.split("-")[1]
    assert f"Requires-Dist: edgecl-runtime[cpu,image,ota,text]=={version}" in workstation.metadata()


def test_workstation_takes_python_3_11_or_newer(workstation: Distribution) -> None:
    assert "Requires-Python: >=3.11" in workstation.metadata()


def test_device_takes_python_3_10_or_newer(device: Distribution) -> None:
    assert "Requires-Python: >=3.10" in device.metadata()


def test_each_distribution_brings_its_command(workstation: Distribution, device: Distribution) -> None:
    def commands(built: Distribution) -> str:
        files = wheel_files(built.wheel)
        return next(files[name] for name in files if name.endswith("/entry_points.txt")).decode()

    assert "edgecl = edgecl.cli:main" in commands(workstation)
    assert "edgecl-device = edgecl_runtime.cli:main" in commands(device)
