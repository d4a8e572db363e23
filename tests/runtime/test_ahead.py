"""Streams: order, errors and backpressure."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from edgecl_runtime import InputError, Runtime, UnknownTaskError
from edgecl_runtime.ahead import work_ahead
from tests.runtime.factories import IMAGE_BUNDLE, IMAGE_PACKS

IMAGES = list(np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8))
WAIT_S = 30


class Source:
    """Counts what was taken from it, and says when it has been asked for a number of items."""

    def __init__(self, until: int) -> None:
        self.taken, self.reached, self.closed = 0, threading.Event(), threading.Event()
        self._until = until

    def __iter__(self) -> Iterator[int]:
        try:
            while True:
                self.taken += 1
                if self.taken == self._until:
                    self.reached.set()
                yield self.taken
        finally:
            self.closed.set()


def fail_at_three(item: int) -> int:
    if item == 3:
        raise InputError("three")
    return item


def numbers_then_fail() -> Iterator[int]:
    yield 1
    raise OSError("the camera is gone")


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_results_keep_their_order(ahead: int) -> None:
    assert list(work_ahead(range(100), lambda item: item * 2, ahead=ahead)) == list(range(0, 200, 2))


def test_the_work_of_the_next_item_is_done_while_the_consumer_is_busy() -> None:
    source = Source(until=3)
    results = work_ahead(source, lambda item: item, ahead=2)
    assert next(results) == 1
    assert source.reached.wait(WAIT_S)
    results.close()


def test_nothing_is_taken_beyond_the_limit() -> None:
    source = Source(until=4)
    results = work_ahead(source, lambda item: item, ahead=2)
    next(results)
    assert not source.reached.wait(0.05)
    results.close()


def test_nothing_is_taken_before_the_first_result_is_asked_for() -> None:
    source = Source(until=1)
    work_ahead(source, lambda item: item, ahead=2)
    assert source.taken == 0


def test_an_error_of_the_work_comes_in_its_place() -> None:
    results = work_ahead(range(1, 9), fail_at_three, ahead=5)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(InputError, match="three"):
        next(results)


def test_an_error_of_the_source_comes_in_its_place() -> None:
    results = work_ahead(numbers_then_fail(), lambda item: item, ahead=5)
    assert next(results) == 1
    with pytest.raises(OSError, match="the camera is gone"):
        next(results)


def test_closing_ends_the_thread() -> None:
    source = Source(until=2)
    results = work_ahead(source, lambda item: item, ahead=1)
    next(results)
    results.close()
    assert source.closed.wait(WAIT_S)


def test_a_stream_gives_what_single_calls_give() -> None:
    runtime = Runtime.open(IMAGE_BUNDLE, IMAGE_PACKS)
    found = list(runtime.predict_stream(iter(IMAGES), task="leaves"))
    expected = [runtime.predict(image, task="leaves") for image in IMAGES]
    assert [each.labels for each in found] == [each.labels for each in expected]
    np.testing.assert_array_equal([each.features for each in found], [each.features for each in expected])


def test_an_element_of_a_stream_may_be_a_batch() -> None:
    runtime = Runtime.open(IMAGE_BUNDLE, IMAGE_PACKS)
    found = list(runtime.predict_stream([IMAGES[:2], IMAGES[2], []], task="leaves"))
    assert [len(each.labels) for each in found] == [2, 1, 0]


def test_a_broken_element_ends_a_stream_after_those_before_it() -> None:
    stream = Runtime.open(IMAGE_BUNDLE, IMAGE_PACKS).predict_stream(
        [IMAGES[0], "gone.png", IMAGES[1]], task="leaves"
    )
    assert len(next(stream).labels) == 1
    with pytest.raises(InputError, match="gone.png: found no file"):
        next(stream)


def test_a_stream_of_an_unknown_task_says_so() -> None:
    with pytest.raises(UnknownTaskError):
        next(Runtime.open(IMAGE_BUNDLE, IMAGE_PACKS).predict_stream(IMAGES, task="moss"))


def test_a_stream_prepares_at_least_one_element_early() -> None:
    with pytest.raises(InputError, match="ahead is 0"):
        next(Runtime.open(IMAGE_BUNDLE, IMAGE_PACKS).predict_stream(IMAGES, task="leaves", ahead=0))
