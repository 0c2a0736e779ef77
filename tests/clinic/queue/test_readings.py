"""Readings as they are kept: urgency and state of the studies, and how these are locked."""

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

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)


@pytest.fixture
def waiting(database: Database) -> None:
    """Queue images a and b of a study, and c of another."""
    site = Site(name="Ward")
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
            name: Reading(Status.REJECTED if one is None else Status.READ, "b", probability=one)
            for name, one in probabilities.items()
        }
        store_readings(session, readings, "screening", NOW)


def studies(database: Database) -> list[tuple[float | None, str]]:
    with database.reading() as session:
        rows = session.execute(select(Study.urgency, Study.status).order_by(Study.study_uid))
        return [(urgency, str(status)) for urgency, status in rows]


def test_a_study_is_as_urgent_as_its_most_urgent_image_and_read_with_its_last(
    database: Database, waiting: None
) -> None:
    store(database, {"a": None})
    assert studies(database) == [(None, "new"), (None, "new")]
    store(database, {"c": 0.0, "b": 0.7})
    assert studies(database) == [(0.7, "read"), (0.0, "read")]
    with database.reading() as session:
        assert [site.outcomes for site in count_changes(session)] == [2]
        assert sorted(session.scalars(select(StoredReading.image_id))) == ["a", "b", "c"]


def test_urgency_only_rises(database: Database, waiting: None) -> None:
    store(database, {"b": 0.2, "a": 0.7})
    store(database, {"c": 0.1})
    assert studies(database) == [(0.7, "read"), (0.1, "read")]


def test_studies_are_locked_in_the_order_of_their_uids(database: Database, waiting: None) -> None:
    """Who waits for the first of them has not locked the second."""

    def locked(uid: str) -> Study:
        statement = select(Study).where(Study.study_uid == uid).with_for_update(nowait=True)
        return session.scalars(statement).one()

    with ThreadPoolExecutor() as threads:
        with database.writing() as session:
            locked("1.10.3")
            stored = threads.submit(store, database, {"c": 0.5, "a": 0.5})
            time.sleep(0.3)  # in which it comes to where it waits
            assert not stored.done()
            locked("1.9.4")
        stored.result(30)
    assert [urgency for urgency, _ in studies(database)] == [0.5, 0.5]
