"""The processes that read what a clinic's server takes in.

They import what reading needs and none of the server: that halves their start and their memory.
"""

import logging
import multiprocessing
import os
import signal
import socket
import threading
from multiprocessing.process import BaseProcess
from uuid import uuid4

from pneumoscope.clinic.logs import log_in_one_format
from pneumoscope.clinic.queue.worker import Worker
from pneumoscope.clinic.settings import Clinic, Settings
from pneumoscope.reader import load

_IDLE = 0.2
"""Seconds between two looks at an empty queue."""

_RESTART = 1.0
"""Seconds between two looks at whether all workers live."""

_NICE = 5
"""Added to a worker's nice value: who waits for a page goes before the next radiograph."""

log = logging.getLogger(__name__)


class Workers:
    """Processes that read; one that ends is replaced.

    Parameters
    ----------
    settings
        Of the clinic.
    count
        How many.
    """

    def __init__(self, settings: Settings, count: int) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("spawn")
        self._processes = [self._start() for _ in range(count)]
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._replace, daemon=True)
        self._watch.start()

    def stop(self) -> None:
        """End all of them; what they are reading they read to its end."""
        self._stopping.set()
        self._watch.join()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()

    def _start(self) -> BaseProcess:
        process = self._context.Process(target=run_worker, args=(self._settings,), daemon=True)
        process.start()
        return process

    def _replace(self) -> None:
        while not self._stopping.wait(_RESTART):
            for place, process in enumerate(self._processes):
                if not process.is_alive():
                    log.error("a worker ended (%s); another is started", process.exitcode)
                    self._processes[place] = self._start()


def run_worker(settings: Settings) -> None:
    """Read what waits, until told to end or the server is gone; the target of a process."""
    log_in_one_format()
    os.nice(_NICE)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    clinic = Clinic.open(settings)
    name = f"{socket.gethostname()[:32]}-{os.getpid()}-{uuid4().hex[:8]}"
    reader = load(settings.bundle, threads=1)
    worker = Worker(clinic.database, clinic.store, reader, settings.operating_point, name)
    server = multiprocessing.parent_process()
    while not stop.is_set() and (server is None or server.is_alive()):
        if not worker.step():
            stop.wait(_IDLE)
    clinic.close()
