"""Names of things that are compared: their own, or the parts of their paths that differ."""

import os
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path


def distinct_names(names: Sequence[str], paths: Sequence[Path]) -> list[str]:
    """Return the names if no two are equal, else the distinguishing part of each path.

    Parameters
    ----------
    names
        Own name of each thing.
    paths
        Path of each thing; no two are equal.

    Examples
    --------
    >>> distinct_names(["compact", "model_4"], [Path("runs/a/compact"), Path("runs/b/model_4")])
    ['compact', 'model_4']
    >>> distinct_names(["compact", "compact"], [Path("runs/a/compact"), Path("runs/b/compact")])
    ['a', 'b']
    """
    return list(names) if len(set(names)) == len(names) else distinguishing_parts(paths)


def distinguishing_parts(paths: Sequence[Path]) -> list[str]:
    """Return each path without the folders that all of them begin with, and those they end with.

    A part of at least one name stays of each; the parts of different paths are different.

    Examples
    --------
    >>> distinguishing_parts([Path("s0/compact"), Path("s0/model_4"), Path("s1/compact")])
    ['s0/compact', 's0/model_4', 's1/compact']
    >>> distinguishing_parts([Path("runs/compact"), Path("runs/compact/again/../compact")])
    ['compact', 'compact/compact']
    """
    parts = [Path(os.path.abspath(path)).parts for path in paths]
    ends = [part[_shared(parts) :][::-1] for part in parts]
    return ["/".join(end[_shared(ends) :][::-1]) for end in ends]


def _shared(parts: Sequence[tuple[str, ...]]) -> int:
    """Return the number of names that all begin with, of which each has one more."""
    equal = takewhile(lambda names: len(set(names)) == 1, zip(*parts, strict=False))
    return min(len(list(equal)), *(len(part) - 1 for part in parts))
