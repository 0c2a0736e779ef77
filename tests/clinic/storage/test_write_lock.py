"""The lock that SQLite writers queue for."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Site
from pneumoscope.clinic.storage.write_lock import WriteLock

HOLDER = """
import sys, time
from pathlib import Path
from pneumoscope.clinic.storage.write_lock import WriteLock
with WriteLock(Path(sys.argv[1])).acquire():
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_writer_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    locks = [WriteLock(tmp_path / "clinic.db") for _ in range(2)]  # as in two processes
    active, maximum = 0, 0

    def acquire_lock(number: int) -> None:
        nonlocal active, maximum
        with locks[number % 2].acquire():
            active += 1
            maximum = max(maximum, active)
            time.sleep(0.001)
            active -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(acquire_lock, range(100)))
    assert (maximum, active) == (1, 0)


def test_the_lock_is_released_by_errors_and_by_the_end_of_its_process(tmp_path: Path) -> None:
    database = tmp_path / "clinic.db"
    lock = WriteLock(database)
    try:
        with lock.acquire():
            raise RuntimeError
    except RuntimeError:
        pass
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(database)], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            acquired = threading.Event()
            waiting = threading.Thread(target=lambda: acquire(lock, acquired))
            waiting.start()
            assert not acquired.wait(0.3)
        finally:
            os.kill(process.pid, signal.SIGKILL)
        assert acquired.wait(30)
        waiting.join()


def acquire(lock: WriteLock, acquired: threading.Event) -> None:
    with lock.acquire():
        acquired.set()


def test_readers_do_not_wait_for_queued_writers(database: Database) -> None:
    writing, stop = threading.Event(), threading.Event()

    def write(number: int) -> None:
        with database.writing() as session:
            session.add(Site(name=f"Site {number}"))
            session.flush()
            writing.set()
            stop.wait(30)

    with ThreadPoolExecutor(30) as pool:  # more than the default size of a connection pool
        writers = [pool.submit(write, number) for number in range(20)]
        assert writing.wait(30)
        time.sleep(1)  # for the others to queue up
        start = time.monotonic()
        with database.reading() as session:
            assert session.query(Site).count() == 0
        assert time.monotonic() - start < 10
        stop.set()
        for writer in writers:
            writer.result(60)
