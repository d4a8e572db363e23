"""What tests of several folders share. Nothing heavy is imported here: the device's tests run without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.exported import Field

settings.register_profile("untimed", deadline=None)  # what else the machine does must not fail a test
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def image_field(tmp_path_factory: pytest.TempPathFactory) -> Field:
    """A tiny ViT with three tasks, trained and exported; not to be changed."""
    from tests.exported import make_field

    return make_field(tmp_path_factory.mktemp("image"), "vit", tasks=("shades", "hues", "tones"))


@pytest.fixture(scope="session")
def text_field(tmp_path_factory: pytest.TempPathFactory) -> Field:
    """A tiny BERT with two tasks, trained and exported; not to be changed."""
    from tests.exported import make_field

    return make_field(tmp_path_factory.mktemp("text"), "bert", tasks=("pets", "sounds"))
