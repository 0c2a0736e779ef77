from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from pneumoscope.clinic.queue.tasks import LEASE_DURATION, enqueue, complete_tasks, release_tasks, lease_tasks
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Image, Site, Study, Task

START = datetime(2026, 11, 25, 8, tzinfo=UTC)


@pytest.fixture
def waiting(database: Database) -> list[str]:
    """Queue forty images, a second apart, and return their identifiers in that order."""
    with database.writing() as session:
        site = Site(name="Ward")
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


def take_in_turn(database: Database, owner: str, most: int, now: datetime = LATER) -> list[str]:
    with database.writing() as session:
        return [lease.image_id for lease in lease_tasks(session, owner, most, now)]


def test_what_came_first_is_taken_first_and_once(database: Database, waiting: list[str]) -> None:
    assert set(take_in_turn(database, "a", 3)) == set(waiting[:3])
    assert set(take_in_turn(database, "b", 2)) == set(waiting[3:5])


def test_nothing_is_taken_before_its_time(database: Database, waiting: list[str]) -> None:
    assert set(take_in_turn(database, "a", 40, START + timedelta(seconds=2))) == set(waiting[:3])


def test_many_workers_share_everything_and_nothing_twice(
    database: Database, waiting: list[str]
) -> None:
    def work(owner: str) -> list[str]:
        mine: list[str] = []
        while part := take_in_turn(database, owner, 3):
            mine += part
        return mine

    with ThreadPoolExecutor(4) as pool:
        taken = [image for part in pool.map(work, "abcd") for image in part]
    assert sorted(taken) == sorted(waiting)


def test_a_lease_that_ran_out_is_given_anew_and_alone(
    database: Database, waiting: list[str]
) -> None:
    first = take_in_turn(database, "killed", 4)
    assert not set(take_in_turn(database, "a", 4)) & set(first)
    late = LATER + LEASE_DURATION
    with database.writing() as session:
        (again,) = lease_tasks(session, "b", 4, late)
    assert again.image_id == waiting[0]
    assert again.attempts == 2


def test_only_the_owner_finishes(database: Database, waiting: list[str]) -> None:
    take_in_turn(database, "slow", 1)
    take_in_turn(database, "quick", 1, LATER + LEASE_DURATION)
    with database.writing() as session:
        assert complete_tasks(session, waiting[:2], "slow") == set()
        assert complete_tasks(session, waiting[:2], "quick") == {waiting[0]}
        assert complete_tasks(session, waiting[:2], "quick") == set()
        assert session.get(Task, waiting[0]) is None


def test_what_is_given_back_counts_as_never_taken(database: Database, waiting: list[str]) -> None:
    taken = take_in_turn(database, "a", 2)
    with database.writing() as session:
        release_tasks(session, taken, "another", LATER)  # who has no right to
        assert session.scalars(select(Task.attempts).where(Task.owner == "a")).all() == [1, 1]
        release_tasks(session, taken, "a", LATER)
    assert set(take_in_turn(database, "b", 2)) == set(waiting[:2])


def test_a_transaction_that_fails_takes_nothing(database: Database, waiting: list[str]) -> None:
    def fails() -> None:
        with database.writing() as session:
            lease_tasks(session, "a", 3, LATER)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert set(take_in_turn(database, "b", 3)) == set(waiting[:3])


def test_what_waits_is_not_sorted_to_take_some_of_it(
    database: Database, waiting: list[str]
) -> None:
    """Else a worker would spend the longer on it, the more there is to be read."""
    asked: list[tuple[str, Any]] = []
    with database.writing() as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *told: asked.append(told[2:4]))
        assert len(lease_tasks(session, "a", 16, LATER)) == 16
        explain = "EXPLAIN QUERY PLAN "
        if not database.is_sqlite:  # which sorts so few, unless it is to avoid that
            connection.exec_driver_sql("SET LOCAL enable_sort = off")
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            explain = "EXPLAIN "
        statement, parameters = asked[1]  # the first looks for what comes back
        plan = str(connection.exec_driver_sql(explain + statement, parameters).all())
    assert "ix_task_waiting" in plan
    assert "ORDER BY" not in plan
    assert "Sort" not in plan
