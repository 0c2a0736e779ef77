"""The audit trail's hash chain, and what verification detects."""

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from threading import Barrier

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import make_transient

from pneumoscope.clinic import audit
from pneumoscope.clinic.audit import Action, TrailVerification, record, verify_trail
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import AuditEntry, AuditHead

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ZEROS = "0" * 64


def _record(database: Database, count: int, actor: str = "anna") -> None:
    for number in range(count):
        with database.writing() as session:
            record(session, actor, Action.VIEW_STUDY, f"study {number}", {"images": number}, NOW)


def _verify(database: Database) -> TrailVerification:
    with database.reading() as session:
        return verify_trail(session)


def _change(database: Database, number: int, /, **values: object) -> None:
    with database.writing() as session:
        session.execute(update(AuditEntry).where(AuditEntry.number == number).values(**values))


def _remove(database: Database, *numbers: int) -> None:
    with database.writing() as session:
        session.execute(delete(AuditEntry).where(AuditEntry.number.in_(numbers)))


def _entries(database: Database) -> list[AuditEntry]:
    with database.reading() as session:
        return list(session.scalars(select(AuditEntry).order_by(AuditEntry.number)))


def _add(database: Database, *entries: AuditEntry) -> None:
    with database.writing() as session:
        for entry in entries:
            make_transient(entry)
            session.add(entry)


def _seal_by_definition(entry: AuditEntry) -> str:
    """Seal an entry of plain ASCII words by the definition, without the code under test."""
    detail = entry.detail.replace('"', '\\"')
    time = entry.time.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
    return sha256(
        f'[{entry.number},"{time}","{entry.actor}","{entry.action}","{entry.object}",'
        f'"{detail}","{entry.before}"]'.encode()
    ).hexdigest()


def test_seals_follow_the_definition(database: Database) -> None:
    berlin = datetime(2026, 11, 25, 13, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    with database.writing() as session:
        detail = {"why": "größer", "agrees": True}
        record(session, "anna", Action.JUDGE, "study 7", detail, berlin)
        record(session, "ben", Action.VIEW_STUDY, "study 8", {}, NOW)
    first = sha256(
        b'[1,"2026-11-25T12:00:00.000005+00:00","anna","judge","study 7",'
        b'"{\\"agrees\\":true,\\"why\\":\\"gr\\\\u00f6\\\\u00dfer\\"}","' + b"0" * 64 + b'"]'
    ).hexdigest()
    second = sha256(
        b'[2,"2026-11-25T12:00:00.000000+00:00","ben","see study","study 8","{}","'
        + first.encode()
        + b'"]'
    ).hexdigest()
    assert [entry.seal for entry in _entries(database)] == [first, second]
    assert [entry.before for entry in _entries(database)] == [ZEROS, first]
    assert _verify(database) == TrailVerification(2, second, broken_entry=None, reason=None)


STORED_ACTIONS = (
    "set up, sign in, ask for a code, fail to sign in, fail to prove, sign out, end sessions, "
    "change password, make password link, choose password, set up second factor, "
    "end second factor, reset second factor, issue token, revoke token, make user, change user, "
    "make site, display site, hand in, see worklist, see study, see priors, see file, see pixels, "
    "see heat map, see reading, see readings, see judgements, judge, export report, "
    "export studies, look at monitoring, begin alert, end alert, acknowledge alert, "
    "change retention, purge pixels, purge study"
)
"""Actions in the trails of version 0.1.0, which searches of a trail must still find."""


def test_actions_are_stored_under_the_names_of_the_first_version() -> None:
    assert set(STORED_ACTIONS.split(", ")) <= set(Action)


def test_an_action_that_is_not_in_the_enum_is_rejected(database: Database) -> None:
    with pytest.raises(ValueError, match="gossip"), database.writing() as session:
        record(session, "anna", "gossip", "study 7", {}, NOW)
    assert _entries(database) == []


def test_a_trail_with_actions_of_older_versions_is_intact_and_can_grow(database: Database) -> None:
    before = ZEROS
    with database.writing() as session:
        for number, action in enumerate(["see", "look over", "hand in"], start=1):
            old = AuditEntry(
                number=number,
                time=NOW,
                actor="anna",
                action=action,
                object=f"study {number}",
                detail='{"images":1}',
                before=before,
            )
            old.seal = before = _seal_by_definition(old)
            session.add(old)
        session.add(AuditHead(id=1, number=3, seal=before))
    assert _verify(database) == TrailVerification(3, before, None, None)
    _record(database, 1)
    assert _verify(database).entries == 4
    assert _entries(database)[-1].before == before


def test_an_empty_trail_is_intact(database: Database) -> None:
    assert _verify(database) == TrailVerification(0, ZEROS, broken_entry=None, reason=None)


def test_the_order_of_keys_does_not_change_the_stored_detail(database: Database) -> None:
    with database.writing() as session:
        record(
            session,
            "anna",
            Action.VIEW_STUDY,
            "study",
            {"b": [1, {"d": 1, "c": 2}], "a": None},
            NOW,
        )
        record(
            session,
            "anna",
            Action.VIEW_STUDY,
            "study",
            {"a": None, "b": [1, {"c": 2, "d": 1}]},
            NOW,
        )
    texts = [entry.detail for entry in _entries(database)]
    assert texts == ['{"a":null,"b":[1,{"c":2,"d":1}]}'] * 2


def test_a_detail_that_is_not_json_is_rejected_and_leaves_no_gap(database: Database) -> None:
    for wrong in ({"x": float("nan")}, {"x": object()}):
        with pytest.raises((TypeError, ValueError)), database.writing() as session:
            record(session, "anna", Action.VIEW_STUDY, "study", wrong, NOW)
    _record(database, 1)
    assert _verify(database).entries == 1


def test_an_entry_is_rolled_back_with_its_transaction(database: Database) -> None:
    def fails() -> None:
        with database.writing() as session:
            record(session, "anna", Action.JUDGE, "study 1", {}, NOW)
            raise RuntimeError

    _record(database, 1)
    with pytest.raises(RuntimeError):
        fails()
    _record(database, 1)
    assert [entry.number for entry in _entries(database)] == [1, 2]
    assert _verify(database).broken_entry is None


def test_a_change_of_any_column_is_detected(database: Database) -> None:
    _record(database, 5)
    changes = {
        "number": (99, -1),
        "time": (NOW + timedelta(microseconds=1),),
        "actor": ("ben",),
        "action": ("export",),
        "object": ("study 77",),
        "detail": ('{"images": 2}', ""),
        "before": ("1" * 64,),
        "seal": ("1" * 64,),
    }
    assert set(changes) == {column.name for column in AuditEntry.__table__.columns}
    for number in (1, 3, 5):
        entry = _entries(database)[number - 1]
        for column, values in changes.items():
            for value in values:
                _change(database, number, **{column: value})
                result = _verify(database)
                broken = (result.entries, result.broken_entry, bool(result.reason))
                assert broken == (number - 1, number, True), (number, column, value)
                changed = value if isinstance(value, int) else number
                _change(database, changed, **{column: getattr(entry, column)})
    assert _verify(database).broken_entry is None


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_changed_and_resealed_entry_is_detected_by_the_next_one(
    database: Database, number: int
) -> None:
    _record(database, 5)
    _change(database, number, actor="ben")
    _change(database, number, seal=_seal_by_definition(_entries(database)[number - 1]))
    assert _verify(database).broken_entry == min(number + 1, 5)


def test_a_trail_resealed_to_its_end_is_detected_by_its_head(database: Database) -> None:
    _record(database, 5)
    _change(database, 2, actor="ben")
    before = _entries(database)[0].seal
    for number in range(2, 6):
        _change(database, number, before=before)
        before = _seal_by_definition(_entries(database)[number - 1])
        _change(database, number, seal=before)
    result = _verify(database)
    assert result.broken_entry == 5
    assert result.reason == "its seal differs from the one in the head of the trail"
    with database.writing() as session:
        session.execute(update(AuditHead).values(seal=before))
    assert _verify(database).broken_entry is None  # hence a copy of the last seal elsewhere


def test_removed_entries_are_detected(database: Database) -> None:
    _record(database, 5)
    entries = _entries(database)
    for removed in ([1], [3], [5], [4, 5], [1, 2, 3, 4, 5]):
        _remove(database, *removed)
        result = _verify(database)
        assert (result.broken_entry, result.reason) == (removed[0], "it is missing"), removed
        _add(database, *(entries[number - 1] for number in removed))
    assert _verify(database).broken_entry is None


def test_two_swapped_entries_are_detected(database: Database) -> None:
    _record(database, 5)
    for number, new_number in ((2, 99), (4, 2), (99, 4)):
        _change(database, number, number=new_number)
    assert _verify(database).broken_entry == 2


def test_the_physical_order_of_rows_does_not_matter(database: Database) -> None:
    _record(database, 5)
    second = _entries(database)[1]
    _remove(database, 2)
    _add(database, second)  # PostgreSQL appends it to the table
    with database.reading() as session:
        if not database.is_sqlite:  # and reads it in that order, as it does in large tables
            session.execute(text("SET LOCAL enable_indexscan = off"))
        assert verify_trail(session).entries == 5


def test_an_entry_added_outside_the_head_is_detected(database: Database) -> None:
    _record(database, 5)
    last = _entries(database)[-1]
    for number in (-1, 0, 6, 7):
        forged = AuditEntry(
            number=number,
            time=NOW,
            actor="ben",
            action=Action.VIEW_STUDY,
            object="x",
            detail="{}",
            before=last.seal,
        )
        forged.seal = _seal_by_definition(forged)
        _add(database, forged)
        result = _verify(database)
        assert (result.entries, result.broken_entry) == (5, number)
        assert result.reason == "it lies outside of the range that the head of the trail covers"
        _remove(database, number)
    assert _verify(database).broken_entry is None


def test_a_head_with_another_number_is_detected(database: Database) -> None:
    _record(database, 5)
    for number in (0, 3, 6):
        with database.writing() as session:
            session.execute(update(AuditHead).values(number=number))
        assert _verify(database).broken_entry is not None, number


def test_a_deleted_head_is_detected(database: Database) -> None:
    _record(database, 5)
    with database.writing() as session:
        session.execute(delete(AuditHead))
    assert _verify(database).broken_entry == 1


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_values_of_wrong_types_in_sqlite_are_detected(database: Database) -> None:
    _record(database, 3)
    entry = _entries(database)[1]
    for column in ("time", "detail", "seal", "actor"):
        for garbage in ("'yesterday'", "x'00'", "7", "''"):
            change = f"UPDATE audit_entry SET {column} = {garbage} WHERE number = 2"
            with database.writing() as session:
                session.execute(text(change))
            assert _verify(database).broken_entry == 2, change
            _change(database, 2, **{column: getattr(entry, column)})
    assert _verify(database).broken_entry is None


def test_threads_that_record_simultaneously_make_one_chain(database: Database) -> None:
    barrier = Barrier(4)

    def run(actor: str) -> None:
        barrier.wait()
        _record(database, 25, actor)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, ["anna", "ben", "cem", "dora"]))
    entries = _entries(database)
    assert [entry.number for entry in entries] == list(range(1, 101))
    assert {entry.actor: 0 for entry in entries}.keys() == {"anna", "ben", "cem", "dora"}
    assert _verify(database) == TrailVerification(100, entries[-1].seal, None, None)


def test_a_trail_that_grows_during_verification_is_intact(database: Database) -> None:
    with ThreadPoolExecutor(1) as pool:
        growing: Future[None] = pool.submit(_record, database, 60)
        results = []
        while not growing.done():
            results.append(_verify(database))
        growing.result()
    assert len(results) > 2
    assert {result.broken_entry for result in results} == {None}


def test_a_long_trail_is_verified_in_parts(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_ROWS_PER_FETCH", 10)
    _record(database, 25)
    assert _verify(database).entries == 25
    _change(database, 21, actor="ben")
    assert _verify(database).broken_entry == 21
