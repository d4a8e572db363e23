from __future__ import annotations

import pytest

from edgecl_runtime import PackError, parse_pack
from tests.runtime.attacks.mutations import KINDS, Mutate, make_original, mutations


def is_refused(raw: bytes) -> bool:
    try:
        parse_pack(raw, "attack")
    except PackError:
        return True
    return False


def test_there_are_ten_thousand() -> None:
    assert sum(count for _, count in KINDS) == 10_000


@pytest.mark.parametrize(("kind", "count"), KINDS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_damaged_pack_is_refused_or_equal(kind: Mutate, count: int) -> None:
    original = make_original()
    accepted = [raw for raw in mutations(kind, count) if raw != original and not is_refused(raw)]
    assert accepted == []
