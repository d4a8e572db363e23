from __future__ import annotations

import pytest

from edgecl.backbones.families import FAMILIES, family_of, submodule
from edgecl.errors import BackboneError
from tests.edgecl.factories import FAMILY_NAMES, make_model


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_the_paths_of_a_family_lead_to_modules(name: str) -> None:
    family, model = family_of(name, source="x"), make_model(name)
    first, second = submodule(model, family.blocks).children()
    assert submodule(first, family.attention) is not submodule(second, family.attention)
    assert submodule(first, family.feed_forward) is not submodule(second, family.feed_forward)


def test_every_family_is_tested() -> None:
    assert set(FAMILIES) == set(FAMILY_NAMES)


def test_an_unknown_family_is_named_with_its_source() -> None:
    with pytest.raises(BackboneError, match="some/model: model type 'clip' is not supported"):
        family_of("clip", source="some/model")
