"""Parallel work on threads, with results in the order of the items."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pneumoscope.support.host import usable_cores
from pneumoscope.support.terminal import track

Item = TypeVar("Item")
Result = TypeVar("Result")

_MAX_QUEUED_ITEMS = 256
"""Items handed to the threads at a time: enough that none waits for a slow one."""


def map_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], description: str
) -> list[Result]:
    """Apply a function to every item on all cores, with a progress bar labelled ``description``.

    Functions and results are as in `map_in_order`. Threads suffice, because decoding and hashing
    release Python's lock.

    Examples
    --------
    >>> map_parallel(str.upper, ["a", "b"], "Shouting")
    ['A', 'B']
    """
    results = map_in_order(function, items, usable_cores(), _MAX_QUEUED_ITEMS)
    return list(track(results, description, len(items)))


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, ahead: int
) -> Iterator[Result]:
    """Apply a function to items on threads, and yield the results in the items' order.

    Memory does not grow with the number of items; the first error stops items that have not begun.

    Parameters
    ----------
    function
        Thread-safe function of one item.
    items
        Items to process, taken as they are needed.
    threads
        Number of threads.
    ahead
        Number of items in work or finished before the next result is yielded.

    Examples
    --------
    >>> list(map_in_order(str.upper, iter("abc"), threads=2, ahead=2))
    ['A', 'B', 'C']
    """
    pool = ThreadPoolExecutor(threads)
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
