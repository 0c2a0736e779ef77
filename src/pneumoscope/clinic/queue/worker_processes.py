"""Worker processes of a clinic's server.

They import what reading needs and nothing of the web server, which halves their start-up time and
their memory.
"""

import logging
import multiprocessing
import os
import signal
import socket
import threading
from multiprocessing.process import BaseProcess
from uuid import uuid4

from pneumoscope.clinic.logs import configure_logging
from pneumoscope.clinic.queue.worker import Worker, open_readers
from pneumoscope.clinic.settings import Clinic, Settings

_POLL_SECONDS = 0.2
"""Time between two polls of an empty queue."""

_SUPERVISE_SECONDS = 1.0
"""Time between two checks that all workers run."""

_NICE_INCREMENT = 5
"""Lowers the workers' priority, so that pages are served before the next radiograph is read."""

log = logging.getLogger(__name__)


class Workers:
    """Group of worker processes, each restarted if it ends."""

    def __init__(self, settings: Settings, count: int) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("spawn")
        self._processes = [self._start() for _ in range(count)]
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self._supervisor.start()

    def stop(self) -> None:
        """Stop all workers, each after the images that it has leased."""
        self._stopping.set()
        self._supervisor.join()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()

    def _start(self) -> BaseProcess:
        process = self._context.Process(target=run_worker, args=(self._settings,), daemon=True)
        process.start()
        return process

    def _supervise(self) -> None:
        while not self._stopping.wait(_SUPERVISE_SECONDS):
            for i, process in enumerate(self._processes):
                if not process.is_alive():
                    log.error("a worker ended (exit code %s); restarting it", process.exitcode)
                    self._processes[i] = self._start()


def run_worker(settings: Settings) -> None:
    """Read waiting images until told to stop or the server is gone; target of a process."""
    configure_logging()
    os.nice(_NICE_INCREMENT)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    clinic = Clinic.open(settings)
    name = f"{socket.gethostname()[:32]}-{os.getpid()}-{uuid4().hex[:8]}"
    readers = open_readers(settings.bundle, abstain=settings.abstain)
    worker = Worker(clinic.database, clinic.store, readers, settings.operating_point, name)
    server = multiprocessing.parent_process()
    while not stop.is_set() and (server is None or server.is_alive()):
        if not worker.step():
            stop.wait(_POLL_SECONDS)
    clinic.close()
