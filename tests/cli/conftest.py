from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from edgecl.cli import main


@dataclass(frozen=True, slots=True)
class Called:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on standard output."""
        result = json.loads(self.out)
        assert isinstance(result, dict)
        return result


Call = Callable[..., Called]


def assert_refused(called: Called, code: int, *said: str) -> None:
    """Check a failure: its code, nothing on standard output, the reason on standard error."""
    assert (called.code, called.out) == (code, ""), called.err
    assert "Traceback" not in called.err
    last = called.err.splitlines()[-1]
    assert last.startswith("edgecl: ")
    for part in said:
        assert part in last


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run `edgecl` with arguments in this process."""

    def run(*arguments: object) -> Called:
        monkeypatch.setattr(sys, "argv", ["edgecl", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        return Called(int(left.value.code or 0), *capsys.readouterr())

    return run
