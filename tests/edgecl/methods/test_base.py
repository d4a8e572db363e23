from __future__ import annotations

import pytest

from edgecl.config import MEASURED_ONLY, MethodConfig, RunConfig
from edgecl.errors import ConfigError
from edgecl.methods import METHODS, build_method
from tests.edgecl.factories import DIMENSIONS, changed, make_settings


def test_an_unknown_method_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"method.name: found 'lwf', expected one of adaprefix") as caught:
        build_method(RunConfig(method=MethodConfig(name="lwf")), DIMENSIONS)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_known_method_is_built(name: str) -> None:
    assert type(build_method(make_settings(name), DIMENSIONS)) is METHODS[name]


def test_what_is_measured_only_is_known_without_the_methods() -> None:
    assert {name for name, method in METHODS.items() if not method.ships} == MEASURED_ONLY


@pytest.mark.parametrize("name", sorted(MEASURED_ONLY))
def test_a_method_whose_modules_belong_to_no_task_cannot_start_from_one(name: str) -> None:
    settings = changed(make_settings(name), transfer={"start": "gated"})
    with pytest.raises(ConfigError, match="transfer.start: found 'gated', expected 'identity'"):
        build_method(settings, DIMENSIONS)


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"adaprefix++"}))
def test_settings_of_a_hypernetwork_are_refused_where_there_is_none(name: str) -> None:
    with pytest.raises(ConfigError, match=f"generator.drift: found 'sq' beside method.name={name}"):
        build_method(make_settings(name, drift="sq"), DIMENSIONS)
