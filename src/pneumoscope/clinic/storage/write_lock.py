"""Lock for writers to a SQLite file, which allows one at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock


class WriteLock:
    """Lock that wakes waiting writers at once, among the threads of a process and processes.

    SQLite itself makes waiting writers poll, with pauses of up to 100 ms and in no order, so that
    some wait for seconds while the file is free in between. The system releases this lock, a file
    beside SQLite's, when its process ends, however it does. It only schedules: SQLite's own lock
    protects the file.

    Examples
    --------
    >>> lock = WriteLock(getfixture("tmp_path") / "clinic.db")
    >>> with lock.acquire():
    ...     pass
    """

    def __init__(self, database: Path) -> None:
        self._file = database.with_name(f"{database.name}-turn")
        self._thread_lock = Lock()

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Wait for the lock and hold it until the block ends."""
        # One thread of a process at a time competes with the other processes.
        with self._thread_lock, self._file.open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
