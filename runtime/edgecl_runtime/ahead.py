"""Work on the items of a stream in a thread that stays a little ahead of its consumer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

__all__ = ["work_ahead"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Done(Generic[_Result]):
    result: _Result


def work_ahead(
    items: Iterable[_Item], work: Callable[[_Item], _Result], *, ahead: int
) -> Generator[_Result, None, None]:
    """Yield `work(item)` of each item, in order, made in a thread that takes at most `ahead` items early.

    What `items` or `work` raises is raised here, after the results of the items before. Closing the iterator ends
    the thread after the item that it works on.
    """
    room = threading.Semaphore(ahead)
    closed = threading.Event()
    results: SimpleQueue[_Done[_Result] | BaseException | None] = SimpleQueue()

    def produce() -> None:
        try:
            for item in _while_open(items, room, closed):
                results.put(_Done(work(item)))
            results.put(None)
        except BaseException as error:  # handed to the consumer, who would wait for ever
            results.put(error)

    threading.Thread(target=produce, name="edgecl-ahead", daemon=True).start()
    try:
        while (found := results.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            room.release()
            yield found.result
    finally:
        closed.set()
        room.release()


def _while_open(
    items: Iterable[_Item], room: threading.Semaphore, closed: threading.Event
) -> Iterator[_Item]:
    """Yield items while there is room for them; none is taken before."""
    source = iter(items)
    while True:
        room.acquire()
        if closed.is_set():
            return
        try:
            item = next(source)
        except StopIteration:
            return
        yield item
