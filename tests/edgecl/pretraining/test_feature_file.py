from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edgecl.errors import RunError
from edgecl.pretraining.feature_file import make_feature_file, open_feature_file

SHAPE = (1000, 17, 64)


def full(descriptor: int, start: int, length: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "features.npy"
    make_feature_file(path, SHAPE)
    open_feature_file(path, SHAPE)[3] = 0.5
    assert np.load(path).sum(axis=(1, 2)).nonzero()[0].tolist() == [3]


def test_the_place_of_all_features_is_taken_before_the_first(tmp_path: Path) -> None:
    make_feature_file(tmp_path / "features.npy", SHAPE)
    assert (tmp_path / "features.npy").stat().st_blocks * 512 >= 1000 * 17 * 64 * 2


def test_a_disk_that_is_too_small_is_told_of_with_both_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**6))
    with pytest.raises(RunError, match=r"take 0.002176 GB, and 0.001 GB are free .*--cache"):
        make_feature_file(tmp_path / "features.npy", SHAPE)


def test_a_disk_that_fills_up_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(RunError, match=r"\(No space left on device\). Make room"):
        make_feature_file(tmp_path / "features.npy", SHAPE)
    assert list(tmp_path.iterdir()) == []
