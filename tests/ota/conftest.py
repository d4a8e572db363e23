from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def no_proxy_stands_before_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
