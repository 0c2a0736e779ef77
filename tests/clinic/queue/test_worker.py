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
from pneumoscope.clinic.queue.intake import ImageMetadata, Upload, register_image, store_upload
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
from pneumoscope.reader import Reader


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def hand_in(
    database: Database, store: FileStore, files: list[bytes], study_uid: str | None = None
) -> list[str]:
    now = datetime.now(UTC)
    metadata = ImageMetadata(study_uid=study_uid)
    kept = [store_upload(store, Upload(f"{i}.png", io.BytesIO(one), metadata)) for i, one in enumerate(files)]
    with database.writing() as session:
        site = session.scalar(select(Site)) or Site(name="Ward", displayed=True)
        job = Job(created=now, created_by="someone")
        session.add_all([site, job])
        session.flush()
        return [register_image(session, one, site, job, now).id for one in kept]


class Hanging:
    """Stands for a decoder that never comes back, in C, where Python can interrupt nothing."""

    def __init__(self, reader: Reader) -> None:
        self.bundle = reader.bundle

    def read(self, content: bytes) -> NoReturn:
        waiting = ctypes.PyDLL(None).pause  # holds Python's lock, as a decoder may
        while True:
            waiting()


def test_an_image_whose_reading_hangs_ends_the_process_and_stays_on_the_queue(
    database: Database,
    store: FileStore,
    reader: Reader,
    phantoms: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hand_in(database, store, phantoms[:1])
    monkeypatch.setattr(worker_module, "MAX_READING_SECONDS", 0.2)
    worker = Worker(database, store, cast("Reader", Hanging(reader)), "screening", "a")
    database.close()  # connections are not to be shared with a fork
    process = multiprocessing.get_context("fork").Process(target=_step, args=(worker,), daemon=True)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGALRM
    with database.reading() as session:
        task = session.scalars(select(Task)).one()
        assert (task.owner, task.attempts) == ("a", 1)


def _step(worker: Worker) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # as in a process of its own
    worker.step()


def test_a_timer_that_ran_before_runs_on_when_an_image_is_read(
    database: Database, store: FileStore, reader: Reader, phantoms: list[bytes]
) -> None:
    hand_in(database, store, phantoms[:1])
    before, _ = signal.setitimer(signal.ITIMER_REAL, 500)
    try:
        drain(Worker(database, store, reader, "screening", "a"))
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 400 < left <= 500
    finally:
        signal.setitimer(signal.ITIMER_REAL, before)


def drain(worker: Worker) -> int:
    read = 0
    while part := worker.step():
        read += part
    return read


def test_every_image_gets_the_readers_reading(
    database: Database, store: FileStore, reader: Reader, phantoms: list[bytes]
) -> None:
    images = hand_in(database, store, phantoms)
    worker = Worker(database, store, reader, "screening", "a")
    assert worker.step() == len(phantoms) / 2  # the others are left to other workers
    assert drain(worker) == len(phantoms) / 2
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Task)) == 0
        for image_id, content in zip(images, phantoms, strict=True):
            image = session.get_one(Image, image_id)
            kept, alone = image.reading, reader.read(content)
            assert kept is not None
            assert (kept.status, kept.probability) == (alone.status, alone.probability)
            assert kept.finding == (alone.findings["screening"] if alone.findings else None)
            assert kept.bundle == reader.bundle.identity
            assert alone.inputs is not None
            assert kept.inputs == asdict(alone.inputs)
            if alone.heatmap is not None:
                heatmap = np.load(io.BytesIO(kept.heatmap or b""))
                np.testing.assert_array_equal(heatmap, alone.heatmap)
                assert image.study.urgency == alone.probability
            assert image.study.status == StudyStatus.READ


def test_a_study_is_read_when_all_its_images_are_and_new_when_one_more_comes(
    database: Database, store: FileStore, reader: Reader, phantoms: list[bytes]
) -> None:
    hand_in(database, store, phantoms[:2], study_uid="1.2.3")
    hand_in(database, store, phantoms[2:3], study_uid="1.2.4")

    def states() -> list[str]:
        with database.reading() as session:
            return list(session.scalars(select(Study.status).order_by(Study.study_uid)))

    assert states() == ["new", "new"]
    drain(Worker(database, store, reader, "screening", "a"))
    assert states() == ["read", "read"]
    hand_in(database, store, phantoms[3:4], study_uid="1.2.3")
    assert states() == ["new", "read"]
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
    known = [one for one in probabilities if one is not None]
    assert urgency == (max(known) if known else None)


def test_what_cannot_be_decoded_is_a_reading_with_a_reason(
    database: Database, store: FileStore, reader: Reader
) -> None:
    hand_in(database, store, [b"\x89PNG\r\n\x1a\n" + b"broken" * 40])
    drain(Worker(database, store, reader, "screening", "a"))
    with database.reading() as session:
        kept = session.scalars(select(StoredReading)).one()
    assert (kept.status, kept.probability, kept.finding) == ("failed", None, None)
    assert kept.inputs is None
    assert kept.reasons


def test_a_damaged_file_is_not_read_as_another(
    database: Database, store: FileStore, reader: Reader, phantoms: list[bytes]
) -> None:
    hand_in(database, store, phantoms[:1])
    with database.reading() as session:
        path = store.path(session.scalars(select(Image.sha256)).one())
    path.write_bytes(phantoms[1])
    drain(Worker(database, store, reader, "screening", "a"))
    with database.reading() as session:
        kept = session.scalars(select(StoredReading)).one()
    assert kept.status == "failed"
    assert "damaged" in kept.reasons[0]
    assert str(store.folder) not in kept.reasons[0]  # which is nothing for who reads it


def test_a_worker_that_lost_its_lease_stores_nothing(
    database: Database, store: FileStore, reader: Reader, phantoms: list[bytes]
) -> None:
    (image,) = hand_in(database, store, phantoms[:1])
    slow = Worker(database, store, reader, "screening", "slow")
    read = slow._read

    def read_slowly(lease: tasks.Lease, sha256: str) -> object:
        with database.writing() as session:
            late = datetime.now(UTC) + tasks.LEASE_DURATION + timedelta(seconds=1)
            (again,) = tasks.lease_tasks(session, "quick", 1, late)
        reading = read(lease, sha256)
        Worker(database, store, reader, "screening", "quick")._store_readings({again.image_id: reading})
        return reading

    slow._read = read_slowly  # type: ignore[method-assign, assignment]
    slow.step()
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(StoredReading)) == 1
        assert session.get_one(Image, image).reading is not None


@pytest.mark.parametrize("place", [0, 2])
def test_an_image_that_stops_the_program_is_given_up_and_takes_no_other_with_it(
    database: Database,
    store: FileStore,
    reader: Reader,
    phantoms: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    place: int,
) -> None:
    """The first or the last of the three that a worker takes when six wait."""
    images = [hand_in(database, store, [phantom])[0] for phantom in phantoms]
    poison, poisonous = images[place], phantoms[place]
    others = [image for image in images if image != poison]
    plain, before = reader.read, 0
    monkeypatch.setattr(tasks, "LEASE_DURATION", timedelta(0))

    def read(content: bytes) -> object:
        nonlocal before
        if content == poisonous:
            raise SystemExit(9)
        before += 1
        return plain(content)

    monkeypatch.setattr(reader, "read", read)
    worker = Worker(database, store, reader, "screening", "a")
    with pytest.raises(SystemExit):
        worker.step()
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(StoredReading)) == before
        attempts = {task.image_id: task.attempts for task in session.scalars(select(Task))}
    assert attempts.pop(poison) == 1
    assert list(attempts.values()) == [0] * (5 - before)
    stops = 1
    for _ in range(20):
        try:
            if not worker.step():
                break
        except SystemExit:
            stops += 1
    assert stops == tasks.MAX_ATTEMPTS
    with database.reading() as session:
        given_up = session.get_one(Image, poison).reading
        assert given_up is not None
        assert given_up.status == "failed"
        assert "stopped the program 3 times" in given_up.reasons[0]
        for other in others:
            kept = session.get_one(Image, other).reading
            assert kept is not None
            assert kept.status != "failed"


def picture(shade: int) -> bytes:
    content = io.BytesIO()
    Picture.new("L", (64, 64), shade).save(content, "PNG")
    return content.getvalue()


def test_the_same_bytes_twice_are_two_images_and_one_file(
    database: Database, store: FileStore, reader: Reader
) -> None:
    hand_in(database, store, [picture(9), picture(9)])
    assert drain(Worker(database, store, reader, "screening", "a")) == 2
    assert len([path for path in store.folder.rglob("*") if path.is_file()]) == 1
