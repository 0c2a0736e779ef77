"""Purging by retention period and on request, with simultaneous uploads."""

import io
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, func, select

from pneumoscope.clinic.audit import verify_trail
from pneumoscope.clinic.identity.accounts import Role, create_user
from pneumoscope.clinic.privacy import purge as purge_module
from pneumoscope.clinic.privacy.purge import (
    PurgeCounts,
    purge_expired,
    purge_patient,
    remove_unused_files,
)
from pneumoscope.clinic.privacy.retention import Retention, set_retention
from pneumoscope.clinic.privacy.tables import UnwantedFile
from pneumoscope.clinic.queue import tasks
from pneumoscope.clinic.queue.intake import (
    ImageMetadata,
    StoredUpload,
    register_image,
    store_upload,
)
from pneumoscope.clinic.queue.readings import store_readings
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.held_files import keep_until_commit
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.tables import (
    AuditEntry,
    IdempotentRequest,
    Image,
    Job,
    Judgement,
    Site,
    Study,
    Task,
)
from pneumoscope.clinic.worklist.judgements import (
    JudgementAnswer,
    JudgementContent,
    record_judgement,
)
from pneumoscope.reader import Finding, Reading, Status
from pneumoscope.reader.quality_gate import QualityFinding, Severity
from pneumoscope.support.errors import ClinicError

START = datetime(2026, 1, 1, 8, tzinfo=UTC)
DAY = timedelta(days=1)
PNG = b"\x89PNG\r\n\x1a\n"
SECRETS = (
    "SECRET-ID",
    "SECRET-NAME",
    "SECRET-ISSUER",
    "SECRET-ACC",
    "1.2.3.4711",
    "SECRET-FILE",
    "SECRET-AGE",
    "SECRET-TEXT",
)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def upload(
    content: bytes, number: int = 0, patient: str = "SECRET-ID"
) -> tuple[str, io.BytesIO, ImageMetadata, tzinfo]:
    metadata = ImageMetadata(
        study_uid=f"1.2.3.4711.{number}",
        accession="SECRET-ACC",
        patient_id=patient,
        patient_id_issuer="SECRET-ISSUER",
        patient_name="SECRET-NAME",
        birth_date=date(1957, 11, 3),
        sex="F",
        study_date=START.date(),
        acquired=START,
    )
    return "SECRET-FILE.png", io.BytesIO(PNG + content), metadata, UTC


def register(
    database: Database, store: FileStore, stored: StoredUpload, now: datetime = START
) -> str:
    with database.writing() as session:
        keep_until_commit(session, store, {stored.sha256: stored.content})
        site = session.scalar(select(Site)) or Site(name="Hospital")
        job = Job(created=now, created_by="someone")
        session.add_all([site, job])
        session.flush()
        session.add(
            IdempotentRequest(user_id="x", key=job.id, digest="d", job_id=job.id, created=now)
        )
        return register_image(session, stored, site, job, now).id


def read(database: Database, *image_ids: str) -> None:
    """Store readings as a worker does."""
    reading = Reading(
        Status.READ,
        "b",
        ("of SECRET-FILE",),
        quality=(QualityFinding("age", Severity.OUTSIDE, "SECRET-AGE"),),
        probability=0.5,
        findings={"screening": Finding.SUSPECTED},
        heatmap=np.ones((2, 2), np.float32),
    )
    with database.writing() as session:
        session.execute(delete(Task).where(Task.image_id.in_(image_ids)))
        received = session.get_one(Image, image_ids[-1]).received
        store_readings(session, dict.fromkeys(image_ids, reading), "screening", received)


def add(database: Database, store: FileStore, content: bytes, number: int = 0, day: int = 0) -> str:
    stored = store_upload(store, *upload(content, number))
    image_id = register(database, store, stored, START + day * DAY)
    read(database, image_id)
    return image_id


def set_periods(database: Database, pixels: int | None = None, studies: int | None = None) -> None:
    with database.writing() as session:
        set_retention(session, Retention(pixels, studies))


def purge(database: Database, store: FileStore, day: int, *, dry_run: bool = False) -> PurgeCounts:
    return purge_expired(database, store, "the server", START + day * DAY, dry_run=dry_run)


def files(store: FileStore) -> list[bytes]:
    return sorted(path.read_bytes() for path in store.folder.rglob("*") if path.is_file())


def test_by_default_everything_is_kept_for_ever(database: Database, store: FileStore) -> None:
    add(database, store, b"a")
    assert purge(database, store, 100_000) == PurgeCounts(0, 0)
    assert files(store) == [PNG + b"a"]


def test_files_are_purged_after_their_period_and_the_rest_stays(
    database: Database, store: FileStore
) -> None:
    image_id = add(database, store, b"a")
    set_periods(database, pixels=30)
    assert purge(database, store, 30) == PurgeCounts(0, 0)
    assert purge(database, store, 31, dry_run=True) == PurgeCounts(1, 0)
    assert len(files(store)) == 1
    assert purge(database, store, 31) == PurgeCounts(1, 0)
    assert files(store) == []
    assert purge(database, store, 32) == PurgeCounts(0, 0)
    with database.reading() as session:
        image = session.get_one(Image, image_id)
        assert image.purged == START + 31 * DAY
        assert image.study.purged is None
        assert image.study.patient_id == "SECRET-ID"
        assert image.reading is not None
        assert image.reading.heatmap is None
        assert session.scalars(select(IdempotentRequest)).all() == []
        assert session.scalars(select(UnwantedFile)).all() == []


def test_a_purged_study_has_no_identifying_data(
    database: Database, store: FileStore, url: str, tmp_path: Path
) -> None:
    image_id = add(database, store, b"a")
    with database.writing() as session:
        anna = create_user(session, "anna", Role.REVIEWER, None, START)
        image = session.get_one(Image, image_id)
        record_judgement(
            session,
            anna,
            image,
            JudgementContent(JudgementAnswer.DISAGREE, text="SECRET-TEXT"),
            1,
            START,
        )
    set_periods(database, pixels=5, studies=10)
    assert purge(database, store, 40, dry_run=True) == PurgeCounts(0, 1)
    assert purge(database, store, 40) == PurgeCounts(0, 1)
    with database.reading() as session:
        study = session.scalars(select(Study)).one()
        (judgement,) = session.scalars(select(Judgement))
        rows = [study, *study.images, study.images[0].reading, judgement]
        text = repr([{k: v for k, v in vars(row).items() if k[0] != "_"} for row in rows])
        assert (judgement.answer, judgement.text) == ("disagree", None)
        assert verify_trail(session).broken_entry is None
        assert verify_trail(session).entries == 1
    assert not [secret for secret in SECRETS if secret in text]
    assert (study.birth_date, study.sex, study.stated_age) == (None, None, None)
    assert (study.study_date, study.acquired, study.utc_offset) == (None, None, None)
    assert study.status == StudyStatus.REVIEWED
    database.close()
    if url.startswith("sqlite"):  # nor is it left in free pages of the file
        content = b"".join(path.read_bytes() for path in tmp_path.glob("clinic.db*"))
        assert not [secret for secret in SECRETS if secret.encode() in content]


def test_the_period_counts_from_the_last_change(database: Database, store: FileStore) -> None:
    first = add(database, store, b"a", day=0)
    add(database, store, b"b", day=20)  # in the same study
    set_periods(database, studies=30)
    assert purge(database, store, 45) == PurgeCounts(0, 0)
    with database.writing() as session:
        anna = create_user(session, "anna", Role.REVIEWER, None, START)
        image = session.get_one(Image, first)
        record_judgement(
            session, anna, image, JudgementContent(JudgementAnswer.AGREE), 2, START + 40 * DAY
        )
    assert purge(database, store, 69) == PurgeCounts(0, 0)
    assert len(files(store)) == 2
    assert purge(database, store, 71) == PurgeCounts(0, 1)
    assert files(store) == []


def test_waiting_images_are_not_purged(database: Database, store: FileStore) -> None:
    image_id = register(database, store, store_upload(store, *upload(b"a")))
    with database.writing() as session:
        tasks.lease_tasks(session, "a worker", 1, START)
    set_periods(database, pixels=1, studies=1)
    assert purge(database, store, 1000) == PurgeCounts(0, 0)
    with database.reading() as session:
        site_id = session.scalars(select(Site.id)).one()
    with pytest.raises(ClinicError, match="waits"):
        purge_patient(database, store, site_id, "SECRET-ID", "anna")
    assert files(store) == [PNG + b"a"]
    read(database, image_id)
    assert purge(database, store, 1000) == PurgeCounts(0, 1)


def test_a_file_is_removed_with_its_last_image(database: Database, store: FileStore) -> None:
    add(database, store, b"same", number=1, day=0)
    add(database, store, b"same", number=2, day=10)
    set_periods(database, pixels=30)
    assert purge(database, store, 35) == PurgeCounts(1, 0)
    assert files(store) == [PNG + b"same"]
    assert purge(database, store, 45) == PurgeCounts(1, 0)
    assert files(store) == []


def test_one_patient_is_purged_on_request(database: Database, store: FileStore) -> None:
    for number in range(2):
        add(database, store, b"%d" % number, number=number)
    other = store_upload(store, *upload(b"other", number=7, patient="another"))
    read(database, register(database, store, other))
    with database.reading() as session:
        site_id = session.scalars(select(Site.id)).one()
    assert purge_patient(database, store, "0" * 32, "SECRET-ID", "anna") == 0
    assert purge_patient(database, store, site_id, "SECRET-ID", "anna") == 2
    assert purge_patient(database, store, site_id, "SECRET-ID", "anna") == 0
    assert files(store) == [PNG + b"other"]
    with database.reading() as session:
        entries = session.scalars(select(AuditEntry)).all()
        assert session.scalars(select(Study.patient_id)).all().count("another") == 1
    assert [(entry.actor, entry.action) for entry in entries] == [("anna", "purge study")] * 2
    assert "SECRET" not in "".join(entry.object + entry.detail for entry in entries)


def test_a_new_image_of_a_purged_study_begins_a_new_study(
    database: Database, store: FileStore
) -> None:
    add(database, store, b"a")
    set_periods(database, studies=30)
    purge(database, store, 40)
    add(database, store, b"a", day=41)
    with database.reading() as session:
        studies = session.scalars(select(Study).order_by(Study.received)).all()
        assert [study.purged is None for study in studies] == [False, True]
    assert len(files(store)) == 1


def test_purged_images_cannot_be_judged(database: Database, store: FileStore) -> None:
    image_id = add(database, store, b"a")
    set_periods(database, pixels=1)
    with database.writing() as session:
        anna = create_user(session, "anna", Role.REVIEWER, None, START)
    purge(database, store, 40)
    with pytest.raises(ClinicError, match="purged"), database.writing() as session:
        record_judgement(
            session,
            anna,
            session.get_one(Image, image_id),
            JudgementContent(JudgementAnswer.AGREE),
            1,
            START,
        )


def test_an_interrupted_purge_is_completed_by_the_next(
    database: Database, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, store, b"a")
    set_periods(database, pixels=1)
    with monkeypatch.context() as patched:
        patched.setattr(FileStore, "remove", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            purge(database, store, 40)
    assert len(files(store)) == 1
    assert purge(database, store, 40) == PurgeCounts(0, 0)
    assert files(store) == []


def test_a_file_purged_during_its_upload_is_stored_again(
    database: Database, store: FileStore
) -> None:
    add(database, store, b"a", number=1)
    set_periods(database, pixels=1)
    stored = store_upload(store, *upload(b"a", number=2))  # the content is there already
    purge(database, store, 40)
    assert files(store) == []
    register(database, store, stored)
    assert files(store) == [PNG + b"a"]


def test_an_image_registered_during_the_removal_of_its_file_stores_it_again(
    database: Database, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, store, b"a", number=1)
    set_periods(database, pixels=1)
    stored = store_upload(store, *upload(b"a", number=2))
    removing = threading.Event()
    remove = FileStore.remove

    def remove_slowly(self: FileStore, sha256: str) -> None:
        if sha256 == stored.sha256:
            removing.set()
            time.sleep(0.5)  # for the other thread to register the image, unless locked out
        remove(self, sha256)

    monkeypatch.setattr(FileStore, "remove", remove_slowly)
    with ThreadPoolExecutor() as threads:
        purged = threads.submit(purge, database, store, 40)
        assert removing.wait(30)
        register(database, store, stored)
        purged.result()
    assert files(store) == [PNG + b"a"]


def test_the_file_of_an_image_being_registered_is_not_removed(
    database: Database, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, store, b"a", number=1)
    set_periods(database, pixels=1)
    with monkeypatch.context() as patched:
        patched.setattr(purge_module, "remove_unused_files", lambda *_: None)
        purge(database, store, 40)
    stored = store_upload(store, *upload(b"a", number=2))
    with ThreadPoolExecutor() as threads:
        with database.writing() as session:
            keep_until_commit(session, store, {stored.sha256: stored.content})
            removed = threads.submit(remove_unused_files, database, store)
            time.sleep(0.5)  # for the other thread to remove the file, unless locked out
            job = Job(created=START, created_by="someone")
            session.add(job)
            session.flush()
            register_image(session, stored, session.scalars(select(Site)).one(), job, START)
        removed.result()
    assert files(store) == [PNG + b"a"]


def test_no_image_loses_its_file_to_simultaneous_purges(
    database: Database, store: FileStore
) -> None:
    """Four threads upload the same three files again and again while two purge everything."""
    with database.writing() as session:
        site = Site(name="Hospital")
        session.add(site)
        session.flush()
        site_id = site.id
    done = threading.Event()
    numbers = iter(range(10**6))
    lock = threading.Lock()

    def upload_images(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(5):
            image_ids = []
            for _ in range(3):
                with lock:
                    number = next(numbers)
                content = b"%d" % rng.randrange(3)
                stored = store_upload(store, *upload(content, number, f"P-{rng.randrange(2)}"))
                time.sleep(rng.random() / 100)
                image_ids.append(register(database, store, stored))
            read(database, *image_ids)

    def purge_all(seed: int) -> int:
        rng, count = random.Random(seed), 0
        while not done.is_set():
            try:
                patient = f"P-{rng.randrange(2)}"
                count += purge_patient(database, store, site_id, patient, "anna")
            except ClinicError:
                remove_unused_files(database, store)
            time.sleep(0.001)
        return count

    with ThreadPoolExecutor(8) as threads:
        purging = [threads.submit(purge_all, seed) for seed in range(2)]
        for uploading in [threads.submit(upload_images, seed) for seed in range(4)]:
            uploading.result()
        done.set()
        assert sum(purge.result() for purge in purging) > 0
    with database.reading() as session:
        unpurged = session.scalars(select(Image).where(Image.purged.is_(None))).all()
        for image in unpurged:
            assert store.read(image.sha256)
            assert image.reading is not None
            assert image.reading.heatmap is not None
        assert session.scalar(select(func.count()).select_from(Image)) == 60
    for patient in range(2):
        purge_patient(database, store, site_id, f"P-{patient}", "anna")
    assert files(store) == []
    with database.reading() as session:
        assert verify_trail(session).broken_entry is None
