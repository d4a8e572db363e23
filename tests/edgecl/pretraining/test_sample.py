from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgecl.pretraining.sample import evenly_spaced


def test_rows_of_a_multiple_are_those_of_its_stride() -> None:
    np.testing.assert_array_equal(evenly_spaced(100_000, 4000), np.arange(100_000)[::25])
    np.testing.assert_array_equal(evenly_spaced(100_000, 2000), np.arange(100_000)[::50])


@given(st.integers(1, 500), st.integers(1, 100))
def test_rows_are_as_many_as_may_be_and_evenly_spaced(count: int, most: int) -> None:
    rows = evenly_spaced(count, most)
    assert len(rows) == min(count, most)
    assert (rows[0], rows[-1] < count) == (0, True)
    assert np.ptp(np.diff(rows, append=count)) <= 1
