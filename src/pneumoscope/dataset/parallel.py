"""The same work on many images, on all cores, under one progress bar."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pneumoscope.machine import usable_cores
from pneumoscope.terminal import track

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
    pool = ThreadPoolExecutor(usable_cores())
    try:
        return list(track(_in_order(pool, function, items), what, len(items)))
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[Result]:
    """Yield results in order; few items wait at a time, so that memory does not grow with them."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= _WINDOW:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
