"""The same work on many images, on all cores, under one progress bar."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pneumoscope.terminal import track

Item = TypeVar("Item")
Result = TypeVar("Result")


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
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        return list(track(pool.map(function, items), what, len(items)))
    finally:
        pool.shutdown(cancel_futures=True)
