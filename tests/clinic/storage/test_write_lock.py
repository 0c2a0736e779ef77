"""Those who write into SQLite take turns."""

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

HOLDS = """
import sys, time
from pathlib import Path
from pneumoscope.clinic.storage.write_lock import WriteLock
with WriteLock(Path(sys.argv[1])).hold():
    print("taken", flush=True)
    time.sleep(600)
"""


def test_one_at_a_time_has_the_turn(tmp_path: Path) -> None:
    turns = [WriteLock(tmp_path / "clinic.db") for _ in range(2)]  # as of two processes
    inside, most = 0, 0

    def take(number: int) -> None:
        nonlocal inside, most
        with turns[number % 2].hold():
            inside += 1
            most = max(most, inside)
            time.sleep(0.001)
            inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, range(100)))
    assert (most, inside) == (1, 0)


def test_a_turn_ends_with_an_error_and_with_its_process(tmp_path: Path) -> None:
    database = tmp_path / "clinic.db"
    turns = WriteLock(database)
    try:
        with turns.hold():
            raise RuntimeError
    except RuntimeError:
        pass
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(database)], stdout=subprocess.PIPE
    ) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"taken\n"
            got = threading.Event()
            waiting = threading.Thread(target=lambda: enter(turns, got))
            waiting.start()
            assert not got.wait(0.3)
        finally:
            os.kill(other.pid, signal.SIGKILL)
        assert got.wait(30)
        waiting.join()


def enter(turns: WriteLock, got: threading.Event) -> None:
    with turns.hold():
        got.set()


def test_who_reads_waits_for_no_writer_however_many_wait(database: Database) -> None:
    hold, stop = threading.Event(), threading.Event()

    def write(number: int) -> None:
        with database.writing() as session:
            session.add(Site(name=f"Ward {number}"))
            session.flush()
            hold.set()
            stop.wait(30)

    with ThreadPoolExecutor(30) as pool:  # more than the connections that a pool keeps by default
        writers = [pool.submit(write, number) for number in range(20)]
        assert hold.wait(30)
        time.sleep(1)  # for the others to come to where they wait
        began = time.monotonic()
        with database.reading() as session:
            assert session.query(Site).count() == 0
        assert time.monotonic() - began < 10
        stop.set()
        for writer in writers:
            writer.result(60)
