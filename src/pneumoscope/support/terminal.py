"""Output at the terminal: results, messages and progress bars."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")

results = Console(highlight=False, markup=False)
"""Console for results: standard output."""

messages = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
"""Console for messages and progress: standard error."""


def printable(text: str) -> str:
    r"""Escape the characters that would break the line or move the cursor.

    Examples
    --------
    >>> printable("new\nline")
    'new\\nline'
    """
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def progress_bar(*columns: TextColumn) -> Progress:
    """Return a progress bar with a count, the remaining time and any further columns."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        *columns,
        console=messages,
    )


def track(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    """Yield items while a progress bar counts them up to ``total``."""
    with progress_bar() as bar:
        yield from bar.track(items, total=total, description=description)
