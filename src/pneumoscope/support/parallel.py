"""The same work on many images, on all cores, in their order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pneumoscope.support.host import usable_cores
from pneumoscope.support.terminal import track

Item = TypeVar("Item")
Result = TypeVar("Result")

_WINDOW = 256
"""Items handed to the threads at a time: enough that none waits for a slow one."""


def map_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], what: str
) -> list[Result]:
    """Apply a function to every item; the first error stops what has not begun.

    Threads serve, because decoding and hashing leave Python's lock.

    Parameters
    ----------
    function
        Safe to be called by several threads.
    items
        What it is applied to.
    what
        Name of the progress bar.

    Returns
    -------
    list
        Results in the order of the items.

    Examples
    --------
    >>> map_parallel(str.upper, ["a", "b"], "Shouting")
    ['A', 'B']
    """
    done = in_order(function, items, usable_cores(), _WINDOW)
    return list(track(done, what, len(items)))


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, ahead: int
) -> Iterator[Result]:
    """Apply a function to items on threads, and yield the results in the items' order.

    Memory does not grow with the number of items; the first error stops what has not begun.

    Parameters
    ----------
    function
        Safe to be called by several threads.
    items
        Taken as they are needed.
    threads
        How many.
    ahead
        Items that are taken before the first result is asked for.

    Yields
    ------
    Result
        One for each item.

    Examples
    --------
    >>> list(in_order(str.upper, iter("abc"), threads=2, ahead=2))
    ['A', 'B', 'C']
    """
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
