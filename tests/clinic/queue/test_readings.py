"""Stored readings, and the urgency of their studies."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, select

from pneumoscope.clinic.queue.readings import store_readings
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Image, Site, StoredReading, Study, Task
from pneumoscope.clinic.worklist.changes import count_changes
from pneumoscope.reader import Reading, Status
from pneumoscope.reader.quality_gate import QualityFinding, Severity

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)


@pytest.fixture
def waiting(database: Database) -> None:
    """Queue images a and b of a study, and c of another."""
    site = Site(name="Hospital")
    first, second = (Study(site=site, study_uid=uid, received=NOW) for uid in ("1.10.3", "1.9.4"))
    with database.writing() as session:
        for name, study in (("a", first), ("b", first), ("c", second)):
            image = Image(
                id=name,
                study=study,
                sha256=name,
                name=name,
                media_type="image/png",
                size=1,
                received=NOW,
            )
            session.add(image)
            session.flush()
            session.add(Task(image_id=name, queued=NOW, available=NOW))


def store(database: Database, probabilities: Mapping[str, float | None]) -> None:
    with database.writing() as session:
        session.execute(delete(Task).where(Task.image_id.in_(probabilities)))
        readings = {
            name: Reading(
                Status.REJECTED if probability is None else Status.READ,
                "b",
                probability=probability,
            )
            for name, probability in probabilities.items()
        }
        store_readings(session, readings, "screening", NOW)


def studies(database: Database) -> list[tuple[float | None, bool]]:
    with database.reading() as session:
        rows = session.execute(select(Study.urgency, Study.needs_look).order_by(Study.study_uid))
        return [(urgency, needs_look) for urgency, needs_look in rows]


def test_a_study_has_the_highest_urgency_of_its_images_and_needs_a_look_for_one_not_read(
    database: Database, waiting: None
) -> None:
    store(database, {"a": None})
    assert studies(database) == [(None, True), (None, False)]
    store(database, {"c": 0.0, "b": 0.7})
    assert studies(database) == [(0.7, True), (0.0, False)]
    with database.reading() as session:
        assert [site.outcomes for site in count_changes(session)] == [2]
        assert sorted(session.scalars(select(StoredReading.image_id))) == ["a", "b", "c"]


def test_urgency_never_falls(database: Database, waiting: None) -> None:
    store(database, {"b": 0.2, "a": 0.7})
    store(database, {"c": 0.1})
    assert studies(database) == [(0.7, False), (0.1, False)]


def test_studies_are_locked_in_the_order_of_their_uids(database: Database, waiting: None) -> None:
    """A transaction that waits for the first has not locked the second."""

    def lock(uid: str) -> Study:
        statement = select(Study).where(Study.study_uid == uid).with_for_update(nowait=True)
        return session.scalars(statement).one()

    with ThreadPoolExecutor() as threads:
        with database.writing() as session:
            lock("1.10.3")
            stored = threads.submit(store, database, {"c": 0.5, "a": 0.5})
            time.sleep(0.3)  # for the other transaction to start waiting
            assert not stored.done()
            lock("1.9.4")
        stored.result(30)
    assert [urgency for urgency, _ in studies(database)] == [0.5, 0.5]


def finding(code: str, severity: Severity) -> QualityFinding:
    return QualityFinding(code, severity, "")


@pytest.mark.parametrize(
    ("status", "quality", "refusal"),
    [
        (Status.READ, [], None),
        (Status.FLAGGED, [finding("dark", Severity.FLAG)], None),
        (
            Status.OUTSIDE,
            [finding("dark", Severity.FLAG), finding("age", Severity.OUTSIDE)],
            "age",
        ),
        (
            Status.REJECTED,
            [finding("age", Severity.OUTSIDE), finding("blank", Severity.REJECT)],
            "blank",
        ),
        (Status.FAILED, [finding("undecodable", Severity.REJECT)], "undecodable"),
    ],
)
def test_the_refusal_is_the_first_reason_that_decides_the_status(
    database: Database,
    waiting: None,
    status: Status,
    quality: list[QualityFinding],
    refusal: str | None,
) -> None:
    outside = 0.99 if status is Status.OUTSIDE else None
    reading = Reading(status, "b", quality=tuple(quality), probability_outside=outside)
    with database.writing() as session:
        session.execute(delete(Task).where(Task.image_id == "a"))
        store_readings(session, {"a": reading}, "screening", NOW)
    with database.reading() as session:
        stored = session.scalars(select(StoredReading)).one()
        assert (stored.refusal, stored.probability) == (refusal, None)
        assert stored.probability_outside == outside
    assert [urgency for urgency, _ in studies(database)] == [
        None,
        None,
    ]  # the output outside gives no urgency
