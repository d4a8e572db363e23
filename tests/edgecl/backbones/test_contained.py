from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from edgecl.backbones.contained import contained


def test_what_libraries_make_meanwhile_goes_into_the_folder(tmp_path: Path) -> None:
    with contained(tmp_path):
        assert tempfile.gettempdir() == str(tmp_path)
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [{}, {"TORCHINDUCTOR_CACHE_DIR": "/mine", "LOGNAME": "me"}])
def test_everything_is_as_before_afterwards_even_if_the_work_fails(
    tmp_path: Path, before: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", dict(before))
    temporary = tempfile.gettempdir()
    with pytest.raises(KeyboardInterrupt), contained(tmp_path):
        raise KeyboardInterrupt
    assert os.environ == before
    assert tempfile.gettempdir() == temporary
