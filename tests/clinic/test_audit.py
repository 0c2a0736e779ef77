from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from threading import Barrier

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import make_transient

from pneumoscope.clinic.audit import Verified, record, verify
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import AuditEntry, AuditHead

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ZEROS = "0" * 64


def _record(database: Database, count: int, actor: str = "anna") -> None:
    for number in range(count):
        with database.writing() as session:
            record(session, actor, "see", f"study {number}", {"images": number}, NOW)


def _verify(database: Database) -> Verified:
    with database.reading() as session:
        return verify(session)


def _change(database: Database, number: int, /, **values: object) -> None:
    with database.writing() as session:
        session.execute(update(AuditEntry).where(AuditEntry.number == number).values(**values))


def _remove(database: Database, *numbers: int) -> None:
    with database.writing() as session:
        session.execute(delete(AuditEntry).where(AuditEntry.number.in_(numbers)))


def _entries(database: Database) -> list[AuditEntry]:
    with database.reading() as session:
        return list(session.scalars(select(AuditEntry).order_by(AuditEntry.number)))


def _seal_by_hand(entry: AuditEntry) -> str:
    """Seal an entry of simple words as the definition has it, without the code under test."""
    detail = entry.detail.replace('"', '\\"')
    time = entry.time.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
    return sha256(
        f'[{entry.number},"{time}","{entry.actor}","{entry.action}","{entry.object}",'
        f'"{detail}","{entry.before}"]'.encode()
    ).hexdigest()


def test_seals_are_those_of_the_definition(database: Database) -> None:
    berlin = datetime(2026, 11, 25, 13, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    with database.writing() as session:
        record(session, "anna", "judge", "study 7", {"why": "größer", "agrees": True}, berlin)
        record(session, "ben", "see", "study 8", {}, NOW)
    first = sha256(
        b'[1,"2026-11-25T12:00:00.000005+00:00","anna","judge","study 7",'
        b'"{\\"agrees\\":true,\\"why\\":\\"gr\\\\u00f6\\\\u00dfer\\"}","' + b"0" * 64 + b'"]'
    ).hexdigest()
    second = sha256(
        b'[2,"2026-11-25T12:00:00.000000+00:00","ben","see","study 8","{}","'
        + first.encode()
        + b'"]'
    ).hexdigest()
    assert [entry.seal for entry in _entries(database)] == [first, second]
    assert [entry.before for entry in _entries(database)] == [ZEROS, first]
    assert _verify(database) == Verified(entries=2, seal=second, broken=None, why=None)


def test_an_empty_trail_is_whole(database: Database) -> None:
    assert _verify(database) == Verified(entries=0, seal=ZEROS, broken=None, why=None)


def test_the_same_detail_in_another_order_is_the_same_text(database: Database) -> None:
    with database.writing() as session:
        record(session, "anna", "see", "study", {"b": [1, {"d": 1, "c": 2}], "a": None}, NOW)
        record(session, "anna", "see", "study", {"a": None, "b": [1, {"c": 2, "d": 1}]}, NOW)
    texts = [entry.detail for entry in _entries(database)]
    assert texts == ['{"a":null,"b":[1,{"c":2,"d":1}]}'] * 2


def test_what_json_does_not_have_is_refused_and_leaves_no_gap(database: Database) -> None:
    for wrong in ({"x": float("nan")}, {"x": object()}):
        with pytest.raises((TypeError, ValueError)), database.writing() as session:
            record(session, "anna", "see", "study", wrong, NOW)
    _record(database, 1)
    assert _verify(database).entries == 1


def test_an_entry_goes_with_the_transaction_that_fails(database: Database) -> None:
    def fails() -> None:
        with database.writing() as session:
            record(session, "anna", "judge", "study 1", {}, NOW)
            raise RuntimeError

    _record(database, 1)
    with pytest.raises(RuntimeError):
        fails()
    _record(database, 1)
    assert [entry.number for entry in _entries(database)] == [1, 2]
    assert _verify(database).broken is None


@pytest.mark.parametrize("number", [1, 3, 5])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("number", 99),
        ("number", -1),
        ("time", NOW + timedelta(microseconds=1)),
        ("actor", "ben"),
        ("action", "export"),
        ("object", "study 77"),
        ("detail", '{"images": 2}'),
        ("detail", ""),
        ("before", "1" * 64),
        ("seal", "1" * 64),
    ],
)
def test_a_change_of_any_column_is_found(
    database: Database, number: int, column: str, value: object
) -> None:
    _record(database, 5)
    _change(database, number, **{column: value})
    found = _verify(database)
    assert (found.entries, found.broken) == (number - 1, number)
    assert found.why


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_changed_entry_that_is_sealed_anew_is_found_by_the_next(
    database: Database, number: int
) -> None:
    _record(database, 5)
    _change(database, number, actor="ben")
    _change(database, number, seal=_seal_by_hand(_entries(database)[number - 1]))
    assert _verify(database).broken == min(number + 1, 5)


def test_a_trail_that_is_sealed_anew_to_its_end_is_found_by_its_head(database: Database) -> None:
    _record(database, 5)
    _change(database, 2, actor="ben")
    before = _entries(database)[0].seal
    for number in range(2, 6):
        _change(database, number, before=before)
        before = _seal_by_hand(_entries(database)[number - 1])
        _change(database, number, seal=before)
    found = _verify(database)
    assert (found.broken, found.why) == (5, "it is not the one that the head of the trail names")
    with database.writing() as session:
        session.execute(update(AuditHead).values(seal=before))
    assert _verify(database).broken is None  # which is why the last seal is noted elsewhere


@pytest.mark.parametrize("removed", [[1], [3], [5], [4, 5], [1, 2, 3, 4, 5]])
def test_entries_that_are_removed_are_found(database: Database, removed: list[int]) -> None:
    _record(database, 5)
    _remove(database, *removed)
    found = _verify(database)
    assert (found.broken, found.why) == (removed[0], "it is missing")


def test_two_entries_that_change_places_are_found(database: Database) -> None:
    _record(database, 5)
    for number, to in ((2, 99), (4, 2), (99, 4)):
        _change(database, number, number=to)
    assert _verify(database).broken == 2


def test_a_trail_is_whole_wherever_its_rows_lie(database: Database) -> None:
    _record(database, 5)
    second = _entries(database)[1]
    _remove(database, 2)
    with database.writing() as session:  # PostgreSQL puts it behind the others
        make_transient(second)
        session.add(second)
    with database.reading() as session:
        if not database.is_sqlite:  # and reads it there, once a table is large
            session.execute(text("SET LOCAL enable_indexscan = off"))
        assert verify(session).entries == 5


@pytest.mark.parametrize("number", [-1, 0, 6, 7])
def test_an_entry_that_is_added_past_the_head_is_found(database: Database, number: int) -> None:
    _record(database, 5)
    last = _entries(database)[-1]
    forged = AuditEntry(
        number=number,
        time=NOW,
        actor="ben",
        action="see",
        object="x",
        detail="{}",
        before=last.seal,
    )
    forged.seal = _seal_by_hand(forged)
    with database.writing() as session:
        session.add(forged)
    found = _verify(database)
    assert (found.entries, found.broken) == (5, number)
    assert found.why == "the head of the trail does not know it"


@pytest.mark.parametrize("number", [0, 3, 6])
def test_a_head_of_another_number_is_found(database: Database, number: int) -> None:
    _record(database, 5)
    with database.writing() as session:
        session.execute(update(AuditHead).values(number=number))
    assert _verify(database).broken is not None


def test_a_head_that_is_gone_is_found_and_no_second_trail_begins(database: Database) -> None:
    _record(database, 5)
    with database.writing() as session:
        session.execute(delete(AuditHead))
    assert _verify(database).broken == 1


@pytest.mark.parametrize("garbage", ["'yesterday'", "x'00'", "7", "''"])
@pytest.mark.parametrize("column", ["time", "detail", "seal", "actor"])
def test_what_sqlite_takes_for_a_value_is_found(
    tmp_path: object, column: str, garbage: str
) -> None:
    database = Database(f"sqlite:///{tmp_path}/clinic.db")
    _record(database, 3)
    with database.writing() as session:
        session.execute(text(f"UPDATE audit_entry SET {column} = {garbage} WHERE number = 2"))
    assert _verify(database).broken == 2
    database.close()


def test_threads_that_record_at_once_make_one_chain(database: Database) -> None:
    barrier = Barrier(4)

    def run(actor: str) -> None:
        barrier.wait()
        _record(database, 25, actor)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, ["anna", "ben", "cem", "dora"]))
    entries = _entries(database)
    assert [entry.number for entry in entries] == list(range(1, 101))
    assert {entry.actor: 0 for entry in entries}.keys() == {"anna", "ben", "cem", "dora"}
    assert _verify(database) == Verified(100, entries[-1].seal, None, None)


def test_a_trail_that_grows_meanwhile_is_whole(database: Database) -> None:
    with ThreadPoolExecutor(1) as pool:
        growing: Future[None] = pool.submit(_record, database, 150)
        looks = []
        while not growing.done():
            looks.append(_verify(database))
        growing.result()
    assert len(looks) > 2
    assert {look.broken for look in looks} == {None}


def test_a_long_trail_is_gone_through_in_parts(database: Database) -> None:
    with database.writing() as session:
        for number in range(2500):
            record(session, "anna", "see", f"study {number}", {}, NOW)
    assert _verify(database).entries == 2500
    _change(database, 2001, actor="ben")
    assert _verify(database).broken == 2001
