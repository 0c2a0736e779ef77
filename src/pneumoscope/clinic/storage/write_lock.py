"""Whose turn it is to write into a file of SQLite, which has one writer at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock


class WriteLock:
    """Has those who write into a file take turns: the threads of this process, and processes.

    SQLite alone has who waits look again after pauses of up to 100 ms, whoever came first, so that
    some wait for seconds while the file is free in between. These locks wake them; the system
    releases them when a process ends, however it does. What protects the file is SQLite's own lock.

    Parameters
    ----------
    database
        The file; the lock is a file beside it.

    Examples
    --------
    >>> turns = WriteLock(getfixture("tmp_path") / "clinic.db")
    >>> with turns.taken():
    ...     pass
    """

    def __init__(self, database: Path) -> None:
        self._file = database.with_name(f"{database.name}-turn")
        self._threads = Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a turn, and keep it until the block ends."""
        # One thread at a time asks the other processes, so that none has to outrun many.
        with self._threads, self._file.open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
