"""Live updates in a real browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from pneumoscope.clinic.queue.worker import Worker
from pneumoscope.clinic.settings import Clinic

from ..conftest import Readers
from .conftest import ADMINISTRATOR, STUDIES, Drive, FilledClinic, service_token


@contextmanager
def reading_worker(clinic: Clinic, readers: Readers) -> Iterator[None]:
    """Read images as they come."""
    worker = Worker(clinic.database, clinic.store, readers, "screening", "live")
    stopping = Event()

    def work() -> None:
        while not stopping.wait(0.2):
            worker.step()

    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def test_new_studies_and_readings_appear_by_themselves(
    clinic: Clinic, address: str, filled_clinic: FilledClinic, readers: Readers, drive: Drive
) -> None:
    radiograph = next(filled_clinic.radiographs.iterdir())
    with reading_worker(clinic, readers):
        drive(
            "live-updates",
            address,
            ["live-updates-interrupted"],
            administrator=ADMINISTRATOR,
            studies=STUDIES,
            token=service_token(clinic, "archive"),
            radiograph=str(radiograph),
        )
