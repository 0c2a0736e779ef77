"""Leases of queued images."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from pneumoscope.clinic.queue.tasks import (
    LEASE_DURATION,
    complete_tasks,
    enqueue,
    lease_tasks,
    release_tasks,
)
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Image, Site, Study, Task

START = datetime(2026, 11, 25, 8, tzinfo=UTC)


@pytest.fixture
def waiting(database: Database) -> list[str]:
    """Queue forty images, a second apart, and return their identifiers in that order."""
    with database.writing() as session:
        site = Site(name="Hospital")
        study = Study(site=site, received=START)
        images = [
            Image(
                study=study, sha256="0", name=f"{i}", media_type="image/png", size=1, received=START
            )
            for i in range(40)
        ]
        session.add_all([study, *images])
        session.flush()
        for second, image in enumerate(images):
            enqueue(session, image, START + timedelta(seconds=second))
    return [image.id for image in images]


LATER = START + timedelta(minutes=1)


def lease(database: Database, owner: str, limit: int, now: datetime = LATER) -> list[str]:
    with database.writing() as session:
        return [task.image_id for task in lease_tasks(session, owner, limit, now)]


def test_the_oldest_images_are_leased_first_and_once(
    database: Database, waiting: list[str]
) -> None:
    assert set(lease(database, "a", 3)) == set(waiting[:3])
    assert set(lease(database, "b", 2)) == set(waiting[3:5])


def test_no_image_is_leased_before_it_is_available(database: Database, waiting: list[str]) -> None:
    assert set(lease(database, "a", 40, START + timedelta(seconds=2))) == set(waiting[:3])


def test_each_image_is_leased_by_one_of_many_workers(
    database: Database, waiting: list[str]
) -> None:
    def work(owner: str) -> list[str]:
        leased: list[str] = []
        while batch := lease(database, owner, 3):
            leased += batch
        return leased

    with ThreadPoolExecutor(4) as pool:
        leased = [image for images in pool.map(work, "abcd") for image in images]
    assert sorted(leased) == sorted(waiting)


def test_an_image_with_an_expired_lease_is_leased_alone(
    database: Database, waiting: list[str]
) -> None:
    first = lease(database, "killed", 4)
    assert not set(lease(database, "a", 4)) & set(first)
    expired = LATER + LEASE_DURATION
    with database.writing() as session:
        (second,) = lease_tasks(session, "b", 4, expired)
    assert second.image_id == waiting[0]
    assert second.attempts == 2


def test_only_the_owner_of_a_lease_completes_it(database: Database, waiting: list[str]) -> None:
    lease(database, "slow", 1)
    lease(database, "quick", 1, LATER + LEASE_DURATION)
    with database.writing() as session:
        assert complete_tasks(session, waiting[:2], "slow") == set()
        assert complete_tasks(session, waiting[:2], "quick") == {waiting[0]}
        assert complete_tasks(session, waiting[:2], "quick") == set()
        assert session.get(Task, waiting[0]) is None


def test_released_images_count_as_never_leased(database: Database, waiting: list[str]) -> None:
    leased = lease(database, "a", 2)
    with database.writing() as session:
        release_tasks(session, leased, "another", LATER)  # not the owner: no effect
        assert session.scalars(select(Task.attempts).where(Task.owner == "a")).all() == [1, 1]
        release_tasks(session, leased, "a", LATER)
    assert set(lease(database, "b", 2)) == set(waiting[:2])


def test_a_failed_transaction_leases_nothing(database: Database, waiting: list[str]) -> None:
    def fails() -> None:
        with database.writing() as session:
            lease_tasks(session, "a", 3, LATER)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert set(lease(database, "b", 3)) == set(waiting[:3])


def test_leasing_uses_the_index_and_no_sort(database: Database, waiting: list[str]) -> None:
    """Otherwise leasing would take longer, the more images wait."""
    statements: list[tuple[str, Any]] = []
    with database.writing() as session:
        connection = session.connection()
        event.listen(
            connection, "before_cursor_execute", lambda *args: statements.append(args[2:4])
        )
        assert len(lease_tasks(session, "a", 16, LATER)) == 16
        explain = "EXPLAIN QUERY PLAN "
        if not database.is_sqlite:  # whose planner would sort so few rows by default
            connection.exec_driver_sql("SET LOCAL enable_sort = off")
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            explain = "EXPLAIN "
        statement, parameters = statements[1]  # the first one is for retried images
        plan = str(connection.exec_driver_sql(explain + statement, parameters).all())
    assert "ix_task_waiting" in plan
    assert "ORDER BY" not in plan
    assert "Sort" not in plan
