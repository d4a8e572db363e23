from __future__ import annotations

import pytest

from edgecl.config import MethodConfig
from edgecl.errors import ConfigError
from edgecl.methods import METHODS, build_method
from tests.edgecl.factories import DIMENSIONS


def test_an_unknown_method_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"method.name: found 'lwf', expected one of adaprefix") as caught:
        build_method(MethodConfig(name="lwf"), DIMENSIONS)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_known_method_is_built(name: str) -> None:
    assert isinstance(build_method(MethodConfig(name=name), DIMENSIONS), METHODS[name])
