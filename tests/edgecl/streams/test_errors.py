from __future__ import annotations

import pickle

import pytest

from edgecl.errors import (
    BackboneError,
    ConfigError,
    DataError,
    EdgeclError,
    NetworkError,
    ParityError,
    RunError,
)


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (EdgeclError, 1),
        (ConfigError, 2),
        (DataError, 2),
        (BackboneError, 1),
        (NetworkError, 4),
        (RunError, 1),
        (ParityError, 3),
    ],
)
def test_every_error_is_an_edgecl_error_with_its_exit_code(kind: type[EdgeclError], exit_code: int) -> None:
    assert issubclass(kind, EdgeclError)
    assert kind.exit_code == exit_code


def test_a_message_says_where_what_was_found_and_what_to_do() -> None:
    error = DataError.at("a.csv, line 3", found="1 columns", expected="2", fix="Mend it.")
    assert type(error) is DataError
    assert str(error) == "a.csv, line 3: found 1 columns, expected 2. Mend it."


def test_an_error_survives_the_border_of_a_process() -> None:
    error = pickle.loads(pickle.dumps(ConfigError("wrong")))
    assert (type(error), str(error)) == (ConfigError, "wrong")
