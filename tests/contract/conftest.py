from __future__ import annotations

import pytest

from tests.exported import Field, make_field


@pytest.fixture(scope="session", params=["vit", "deit", "dinov2", "bert", "bert, mean"])
def field(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Field:
    """A tiny backbone of each family in turn, exported with its tasks."""
    shared = {"vit": "image_field", "bert": "text_field"}
    if request.param in shared:
        found: Field = request.getfixturevalue(shared[request.param])
        return found
    family, _, pooling = request.param.partition(", ")
    return make_field(tmp_path_factory.mktemp(family), family, pooling=pooling or "cls")
