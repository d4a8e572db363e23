from __future__ import annotations

import pytest

from tests.packaging.built import ROOT, Distribution, build_distribution


@pytest.fixture(scope="session")
def workstation(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """The distribution `edgecl`, built."""
    packages = {
        "edgecl": ROOT / "edgecl",
        "edgecl_devices": ROOT / "devices" / "edgecl_devices",
        "edgecl_export": ROOT / "export" / "edgecl_export",
    }
    return build_distribution(ROOT, tmp_path_factory.mktemp("workstation"), packages=packages)


@pytest.fixture(scope="session")
def device(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """The distribution `edgecl-runtime`, built."""
    packages = {"edgecl_runtime": ROOT / "runtime" / "edgecl_runtime"}
    return build_distribution(ROOT / "runtime", tmp_path_factory.mktemp("device"), packages=packages)


@pytest.fixture(params=["workstation", "device"])
def distribution(request: pytest.FixtureRequest) -> Distribution:
    """Each of the two distributions in turn."""
    built: Distribution = request.getfixturevalue(request.param)
    return built
