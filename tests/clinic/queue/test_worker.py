"""Workers: readings, hung decoders, crashes and expired leases."""

import ctypes
import io
import multiprocessing
import signal
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn, cast

import numpy as np
import pytest
from PIL import Image as Picture
from sqlalchemy import func, select

from pneumoscope.clinic.queue import tasks
from pneumoscope.clinic.queue import worker as worker_module
from pneumoscope.clinic.queue.intake import ImageMetadata, register_image, store_upload
from pneumoscope.clinic.queue.worker import Worker
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.tables import (
    Image,
    Job,
    Site,
    StoredReading,
    Study,
    StudyStatus,
    Task,
)
from pneumoscope.clinic.storage.unknown_age import UnknownAge
from pneumoscope.reader import Reader

from ..conftest import Readers


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def queue_images(
    database: Database, store: FileStore, files: list[bytes], study_uid: str | None = None
) -> list[str]:
    now = datetime.now(UTC)
    metadata = ImageMetadata(study_uid=study_uid)
    uploads = [
        store_upload(store, f"{i}.png", io.BytesIO(content), metadata, UTC)
        for i, content in enumerate(files)
    ]
    with database.writing() as session:
        site = session.scalar(select(Site)) or Site(name="Hospital", displayed=True)
        job = Job(created=now, created_by="someone")
        session.add_all([site, job])
        session.flush()
        return [register_image(session, upload, site, job, now).id for upload in uploads]


class HungReader:
    """Reader whose decoder hangs in C code, which Python cannot interrupt."""

    def __init__(self, reader: Reader) -> None:
        self.bundles = reader.bundles

    def read(self, content: bytes) -> NoReturn:
        pause = ctypes.PyDLL(None).pause  # keeps the global interpreter lock, as a decoder may
        while True:
            pause()


def test_a_hung_decoder_ends_the_process_and_the_image_stays_queued(
    database: Database,
    store: FileStore,
    reader: Reader,
    phantoms: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue_images(database, store, phantoms[:1])
    monkeypatch.setattr(worker_module, "MAX_READING_SECONDS", 0.2)
    hung = cast("Readers", dict.fromkeys(UnknownAge, HungReader(reader)))
    worker = Worker(database, store, hung, "screening", "a")
    database.close()  # a fork must not share connections
    process = multiprocessing.get_context("fork").Process(target=_step, args=(worker,), daemon=True)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGALRM
    with database.reading() as session:
        task = session.scalars(select(Task)).one()
        assert (task.owner, task.attempts) == ("a", 1)


def _step(worker: Worker) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # as in a fresh process
    worker.step()


def test_the_time_limit_restores_an_existing_timer(
    database: Database, store: FileStore, readers: Readers, phantoms: list[bytes]
) -> None:
    queue_images(database, store, phantoms[:1])
    previous, _ = signal.setitimer(signal.ITIMER_REAL, 500)
    try:
        drain(Worker(database, store, readers, "screening", "a"))
        remaining, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 400 < remaining <= 500
    finally:
        signal.setitimer(signal.ITIMER_REAL, previous)


def drain(worker: Worker) -> int:
    count = 0
    while batch := worker.step():
        count += batch
    return count


def test_every_image_gets_the_reading_of_the_reader(
    database: Database, store: FileStore, reader: Reader, readers: Readers, phantoms: list[bytes]
) -> None:
    images = queue_images(database, store, phantoms)
    worker = Worker(database, store, readers, "screening", "a")
    assert worker.step() == len(phantoms) / 2  # the rest is left for other workers
    assert drain(worker) == len(phantoms) / 2
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Task)) == 0
        for image_id, content in zip(images, phantoms, strict=True):
            image = session.get_one(Image, image_id)
            stored, expected = image.reading, reader.read(content)
            assert stored is not None
            assert (stored.status, stored.probability) == (expected.status, expected.probability)
            finding = expected.findings["screening"] if expected.findings else None
            assert stored.finding == finding
            assert stored.bundle == reader.bundle.identity
            assert expected.inputs is not None
            assert stored.inputs == asdict(expected.inputs)
            if expected.heatmap is not None:
                heatmap = np.load(io.BytesIO(stored.heatmap or b""))
                np.testing.assert_array_equal(heatmap, expected.heatmap)
                assert image.study.urgency == expected.probability
            assert image.study.status == StudyStatus.AWAITING_REVIEW


def test_a_reviewed_study_awaits_review_again_when_an_image_is_added(
    database: Database, store: FileStore, readers: Readers, phantoms: list[bytes]
) -> None:
    queue_images(database, store, phantoms[:2], study_uid="1.2.3")
    queue_images(database, store, phantoms[2:3], study_uid="1.2.4")

    def statuses() -> list[str]:
        with database.reading() as session:
            return list(session.scalars(select(Study.status).order_by(Study.study_uid)))

    assert statuses() == ["awaiting review", "awaiting review"]
    drain(Worker(database, store, readers, "screening", "a"))
    with database.writing() as session:
        for study in session.scalars(select(Study)):
            study.status = StudyStatus.REVIEWED
    queue_images(database, store, phantoms[3:4], study_uid="1.2.3")
    assert statuses() == ["awaiting review", "reviewed"]
    with database.reading() as session:
        urgency, probabilities = (
            session.scalar(select(Study.urgency).where(Study.study_uid == "1.2.3")),
            session.scalars(
                select(StoredReading.probability)
                .join(Image)
                .join(Study)
                .where(Study.study_uid == "1.2.3")
            ).all(),
        )
    known = [probability for probability in probabilities if probability is not None]
    assert urgency == (max(known) if known else None)


def test_an_undecodable_image_gets_a_failed_reading_with_a_reason(
    database: Database, store: FileStore, readers: Readers
) -> None:
    queue_images(database, store, [b"\x89PNG\r\n\x1a\n" + b"broken" * 40])
    drain(Worker(database, store, readers, "screening", "a"))
    with database.reading() as session:
        stored = session.scalars(select(StoredReading)).one()
    assert (stored.status, stored.probability, stored.finding) == ("failed", None, None)
    assert stored.inputs is None
    assert stored.reasons


def test_a_damaged_file_gets_a_failed_reading(
    database: Database, store: FileStore, readers: Readers, phantoms: list[bytes]
) -> None:
    queue_images(database, store, phantoms[:1])
    with database.reading() as session:
        path = store.path(session.scalars(select(Image.sha256)).one())
    path.write_bytes(phantoms[1])
    drain(Worker(database, store, readers, "screening", "a"))
    with database.reading() as session:
        stored = session.scalars(select(StoredReading)).one()
    assert stored.status == "failed"
    assert "damaged" in stored.reasons[0]
    assert str(store.folder) not in stored.reasons[0]  # an internal path


def test_a_worker_with_an_expired_lease_stores_nothing(
    database: Database, store: FileStore, readers: Readers, phantoms: list[bytes]
) -> None:
    (image,) = queue_images(database, store, phantoms[:1])
    slow = Worker(database, store, readers, "screening", "slow")
    read = slow._read

    def read_slowly(lease: tasks.Lease, image: object) -> object:
        with database.writing() as session:
            expired = datetime.now(UTC) + tasks.LEASE_DURATION + timedelta(seconds=1)
            (second,) = tasks.lease_tasks(session, "quick", 1, expired)
        reading = read(lease, image)
        Worker(database, store, readers, "screening", "quick")._store_readings(
            {second.image_id: reading}
        )
        return reading

    slow._read = read_slowly  # type: ignore[method-assign, assignment]
    slow.step()
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(StoredReading)) == 1
        assert session.get_one(Image, image).reading is not None


@pytest.mark.parametrize("place", [0, 2])
def test_an_image_that_stops_the_program_is_given_up_and_the_others_are_read(
    database: Database,
    store: FileStore,
    reader: Reader,
    readers: Readers,
    phantoms: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    place: int,
) -> None:
    """The first or the last of the three images that a worker leases when six wait."""
    images = [queue_images(database, store, [phantom])[0] for phantom in phantoms]
    fatal_image, fatal_content = images[place], phantoms[place]
    other_images = [image for image in images if image != fatal_image]
    original_read, read_before = reader.read, 0
    monkeypatch.setattr(tasks, "LEASE_DURATION", timedelta(0))

    def read(content: bytes) -> object:
        nonlocal read_before
        if content == fatal_content:
            raise SystemExit(9)
        read_before += 1
        return original_read(content)

    monkeypatch.setattr(reader, "read", read)
    worker = Worker(database, store, readers, "screening", "a")
    with pytest.raises(SystemExit):
        worker.step()
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(StoredReading)) == read_before
        attempts = {task.image_id: task.attempts for task in session.scalars(select(Task))}
    assert attempts.pop(fatal_image) == 1
    assert list(attempts.values()) == [0] * (5 - read_before)
    stops = 1
    for _ in range(20):
        try:
            if not worker.step():
                break
        except SystemExit:
            stops += 1
    assert stops == tasks.MAX_ATTEMPTS
    with database.reading() as session:
        given_up = session.get_one(Image, fatal_image).reading
        assert given_up is not None
        assert given_up.status == "failed"
        assert "stopped the program 3 times" in given_up.reasons[0]
        for image in other_images:
            stored = session.get_one(Image, image).reading
            assert stored is not None
            assert stored.status != "failed"


def picture(shade: int) -> bytes:
    content = io.BytesIO()
    Picture.new("L", (64, 64), shade).save(content, "PNG")
    return content.getvalue()


def test_the_same_content_twice_is_two_images_and_one_file(
    database: Database, store: FileStore, readers: Readers
) -> None:
    queue_images(database, store, [picture(9), picture(9)])
    assert drain(Worker(database, store, readers, "screening", "a")) == 2
    assert len([path for path in store.folder.rglob("*") if path.is_file()]) == 1
