"""Audit trail: an append-only hash chain of who did what, when, to which object.

The seal of an entry is the SHA-256, in hexadecimal, of this array as JSON without whitespace and
with all non-ASCII characters escaped::

    [number, time, actor, action, object, detail, before]

``time`` is ISO 8601 in UTC with microseconds (``2026-11-25T11:00:00.000000+00:00``), ``detail`` is
the stored text, ``before`` the seal of the previous entry or 64 zeros. The seals use no secret:
whoever can write to the database can reseal the whole trail. Its last seal then differs, so keep a
copy of the last seal elsewhere.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import func, or_, select, type_coerce, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from pneumoscope.clinic.storage.tables import AuditEntry, AuditHead

_FIRST_BEFORE = "0" * 64
_HEAD_ID = 1
_ROWS_PER_FETCH = 1000
_SELECT_HEAD = select(AuditHead.number, AuditHead.seal).where(AuditHead.id == _HEAD_ID)


class Action(StrEnum):
    """Actions of audit entries. Their values are stored and sealed, so they never change."""

    SET_UP = "set up"
    SIGN_IN = "sign in"
    REQUEST_CODE = "ask for a code"
    FAIL_SIGN_IN = "fail to sign in"
    FAIL_CONFIRMATION = "fail to prove"
    SIGN_OUT = "sign out"
    END_SESSIONS = "end sessions"
    CHANGE_PASSWORD = "change password"
    CREATE_PASSWORD_LINK = "make password link"
    RESET_PASSWORD = "choose password"
    ENABLE_SECOND_FACTOR = "set up second factor"
    DISABLE_SECOND_FACTOR = "end second factor"
    RESET_SECOND_FACTOR = "reset second factor"
    ISSUE_TOKEN = "issue token"
    REVOKE_TOKEN = "revoke token"
    CREATE_USER = "make user"
    CHANGE_USER = "change user"
    CREATE_SITE = "make site"
    CHANGE_SITE = "display site"
    UPLOAD_IMAGES = "hand in"
    REFUSE_IMAGE = "refuse image"
    HOLD_STUDY = "hold study"
    CORRECT_PATIENT = "correct patient"
    WITHDRAW_IMAGE = "withdraw image"
    RESTORE_IMAGE = "restore image"
    VIEW_CORRECTIONS = "see corrections"
    VIEW_WORKLIST = "see worklist"
    VIEW_STUDY = "see study"
    OPEN_STUDY = "open study"
    CLOSE_STUDY = "close study"
    VIEW_PRIORS = "see priors"
    VIEW_FILE = "see file"
    VIEW_HEADER = "see header"
    VIEW_PIXELS = "see pixels"
    VIEW_HEAT_MAP = "see heat map"
    VIEW_READING = "see reading"
    VIEW_READINGS = "see readings"
    VIEW_JUDGEMENTS = "see judgements"
    JUDGE = "judge"
    EXPORT_REPORT = "export report"
    EXPORT_STUDIES = "export studies"
    CHECK_MONITORING = "look at monitoring"
    BEGIN_ALERT = "begin alert"
    END_ALERT = "end alert"
    ACKNOWLEDGE_ALERT = "acknowledge alert"
    CHANGE_RETENTION = "change retention"
    PURGE_PIXELS = "purge pixels"
    PURGE_STUDY = "purge study"


@dataclass(frozen=True)
class TrailVerification:
    """Result of verifying the audit trail from its first entry."""

    entries: int
    """Number of intact entries, from the first one on without a gap."""
    seal: str
    """Seal of the last intact entry."""
    broken_entry: int | None
    """Number of the first broken entry; None if all are intact."""
    reason: str | None
    """Reason why that entry counts as broken."""


class _SealedEntry(NamedTuple):
    """Content of an entry that its seal covers, in the order of the seal's array."""

    number: int
    time: datetime | str
    actor: str
    action: str
    object: str
    detail: str
    before: str

    def seal(self) -> str:
        array = [self.number, _in_utc(self.time), *self[2:]]
        return sha256(_as_json(array).encode()).hexdigest()


class _Head(NamedTuple):
    number: int = 0
    seal: str = _FIRST_BEFORE


def record(
    session: Session,
    actor_name: str,
    action: Action,
    object: str,
    detail: Mapping[str, object],
    now: datetime,
) -> None:
    """Append an entry to the trail; it is committed or rolled back with the transaction.

    The transaction holds a lock on the head of the trail from here to its end, for which other
    transactions that record must wait. So record last. The actor is a user or a part of the server,
    the object its kind and identifier, such as ``study 7``, and the detail must be valid JSON.
    """
    head = _lock_head(session)
    entry = _SealedEntry(
        head.number + 1, now, actor_name, Action(action), object, _as_json(detail), head.seal
    )
    seal = entry.seal()
    session.add(AuditEntry(**entry._asdict(), seal=seal))
    session.execute(
        update(AuditHead).where(AuditHead.id == _HEAD_ID).values(number=entry.number, seal=seal)
    )


def verify_trail(session: Session) -> TrailVerification:
    """Verify the trail and find the first entry that was changed, removed, moved or added.

    Entries recorded meanwhile are not an error; the next verification covers them.

    Examples
    --------
    >>> from sqlalchemy import delete
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> with database.writing() as session:
    ...     for i in range(5):
    ...         record(session, "anna", Action.VIEW_STUDY, f"study {i}", {}, datetime.now(UTC))
    ...     _ = session.execute(delete(AuditEntry).where(AuditEntry.number == 3))
    >>> with database.reading() as session:
    ...     result = verify_trail(session)
    >>> result.entries, result.broken_entry, result.reason
    (2, 3, 'it is missing')
    """
    row = session.execute(_SELECT_HEAD).one_or_none()
    head = _Head(*row) if row else _Head()
    result = _verify_chain(session, head)
    if result.broken_entry is not None:
        return result
    if result.seal != head.seal:
        reason = "its seal differs from the one in the head of the trail"
        return TrailVerification(result.entries, result.seal, result.entries, reason)
    outside = _first_outside_head(session)
    if outside is not None:
        reason = "it lies outside of the range that the head of the trail covers"
        return TrailVerification(result.entries, result.seal, outside, reason)
    return result


def _lock_head(session: Session) -> _Head:
    statement = _SELECT_HEAD.with_for_update()
    row = session.execute(statement).one_or_none()
    if row is None:
        with suppress(IntegrityError), session.begin_nested():  # another session may be first
            session.add(AuditHead(id=_HEAD_ID, **_Head()._asdict()))
        row = session.execute(statement).one()
    return _Head(*row)


def _verify_chain(session: Session, head: _Head) -> TrailVerification:
    """Verify the entries from the first one to the one that the head names."""
    statement = (
        select(
            AuditEntry.number,
            # Raw: what somebody wrote into a tampered SQLite file need not be a time.
            type_coerce(AuditEntry.time, NullType()),
            AuditEntry.actor,
            AuditEntry.action,
            AuditEntry.object,
            AuditEntry.detail,
            AuditEntry.before,
            AuditEntry.seal,
        )
        .where(AuditEntry.number.between(1, head.number))
        .order_by(AuditEntry.number)
        .execution_options(yield_per=_ROWS_PER_FETCH)
    )
    last = _Head()
    with session.execute(statement) as rows:
        for row in rows:
            entry, seal = _SealedEntry._make(row[:-1]), row[-1]
            reason = _find_fault(entry, seal, last)
            if reason:
                return TrailVerification(last.number, last.seal, last.number + 1, reason)
            last = _Head(last.number + 1, seal)
    if last.number < head.number:
        return TrailVerification(last.number, last.seal, last.number + 1, "it is missing")
    return TrailVerification(last.number, last.seal, None, None)


def _find_fault(entry: _SealedEntry, seal: str, last: _Head) -> str | None:
    if entry.number != last.number + 1:
        return "it is missing"
    if entry.before != last.seal:
        return "it does not continue the chain of the entry before it"
    try:
        intact = entry.seal() == seal
    except (TypeError, ValueError):
        intact = False
    return None if intact else "its content does not match its seal"


def _first_outside_head(session: Session) -> int | None:
    """Return the first number that the head does not cover, read together with the head."""
    last = select(AuditHead.number).where(AuditHead.id == _HEAD_ID).scalar_subquery()
    outside = or_(AuditEntry.number < 1, AuditEntry.number > func.coalesce(last, 0))
    return session.scalar(select(func.min(AuditEntry.number)).where(outside))


def _as_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _in_utc(time: datetime | str) -> str:
    if not isinstance(time, datetime):  # raw text of SQLite: UTC without an offset
        time = datetime.fromisoformat(time).replace(tzinfo=UTC)
    return time.astimezone(UTC).isoformat(timespec="microseconds")
