"""The audit trail: who did what, when, to what; each entry seals the one before it.

The seal of an entry is the SHA-256, in hexadecimal, of this array as JSON without blanks, in
which all characters but those of ASCII are escaped::

    [number, time, actor, action, object, detail, before]

``time`` is ISO 8601 in UTC with microseconds (``2026-11-25T11:00:00.000000+00:00``), ``detail``
the text that is stored, ``before`` the seal of the entry before it, or 64 zeros. Nothing in it is
secret: who can write to the database can seal all entries anew. Such a trail has another last
seal, so note that elsewhere from time to time.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import func, or_, select, type_coerce, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from pneumoscope.clinic.storage.tables import AuditEntry, AuditHead

_BEFORE_THE_FIRST = "0" * 64
_HEAD = 1
_AT_ONCE = 1000
_THE_HEAD = select(AuditHead.number, AuditHead.seal).where(AuditHead.id == _HEAD)


@dataclass(frozen=True)
class Verified:
    """What was found on going through the trail from its first entry."""

    entries: int
    """That are as they were sealed, from the first on without a gap."""
    seal: str
    """Of the last of them."""
    broken: int | None
    """Number of the first that is not; None if all are."""
    why: str | None
    """What is wrong with it."""


class _Sealed(NamedTuple):
    """What a seal covers, in its order."""

    number: int
    time: datetime | str
    actor: str
    action: str
    object: str
    detail: str
    before: str

    def seal(self) -> str:
        words = [self.number, _in_utc(self.time), *self[2:]]
        return sha256(_as_json(words).encode()).hexdigest()


class _Head(NamedTuple):
    number: int = 0
    seal: str = _BEFORE_THE_FIRST


def record(
    session: Session,
    actor_name: str,
    action: str,
    object: str,
    detail: Mapping[str, object],
    now: datetime,
) -> None:
    """Add an entry to the trail; it is there if, and only if, the transaction is kept.

    From here to its end the transaction holds the trail's head, and others that record wait: so
    record last.

    Parameters
    ----------
    session
        In a transaction that writes.
    actor_name
        Who did it.
    action, object
        What was done, and to what.
    detail
        More about it, as JSON has it.
    now
        With a time zone.

    Raises
    ------
    TypeError, ValueError
        If JSON has no such detail.

    Examples
    --------
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> with database.writing() as session:
    ...     record(session, "anna", "judge", "study 7", {"agrees": True}, datetime.now(UTC))
    >>> with database.reading() as session:
    ...     print(verify(session).entries)
    1
    """
    head = _locked_head(session)
    sealed = _Sealed(head.number + 1, now, actor_name, action, object, _as_json(detail), head.seal)
    seal = sealed.seal()
    session.add(AuditEntry(**sealed._asdict(), seal=seal))
    session.execute(
        update(AuditHead).where(AuditHead.id == _HEAD).values(number=sealed.number, seal=seal)
    )


def verify(session: Session) -> Verified:
    """Go through the trail and find the first entry that was changed, removed, moved or added.

    Others may record meanwhile: what they add is left to the next time.

    Examples
    --------
    >>> from sqlalchemy import delete
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> with database.writing() as session:
    ...     for number in range(5):
    ...         record(session, "anna", "see", f"study {number}", {}, datetime.now(UTC))
    ...     _ = session.execute(delete(AuditEntry).where(AuditEntry.number == 3))
    >>> with database.reading() as session:
    ...     found = verify(session)
    >>> found.entries, found.broken, found.why
    (2, 3, 'it is missing')
    """
    row = session.execute(_THE_HEAD).one_or_none()
    head = _Head(*row) if row else _Head()
    reached = _follow(session, head)
    if reached.broken is not None:
        return reached
    if reached.seal != head.seal:
        why = "it is not the one that the head of the trail names"
        return Verified(reached.entries, reached.seal, reached.entries, why)
    outside = _outside(session)
    if outside is not None:
        why = "the head of the trail does not know it"
        return Verified(reached.entries, reached.seal, outside, why)
    return reached


def _locked_head(session: Session) -> _Head:
    statement = _THE_HEAD.with_for_update()
    row = session.execute(statement).one_or_none()
    if row is None:
        with suppress(IntegrityError), session.begin_nested():  # another may be first
            session.add(AuditHead(id=_HEAD, **_Head()._asdict()))
        row = session.execute(statement).one()
    return _Head(*row)


def _follow(session: Session, head: _Head) -> Verified:
    """Check the chain from its first entry to the one that the head names."""
    statement = (
        select(
            AuditEntry.number,
            # As stored: what a stranger wrote into SQLite need not be a time.
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
        .execution_options(yield_per=_AT_ONCE)
    )
    reached = _Head()
    with session.execute(statement) as rows:
        for row in rows:
            entry, seal = _Sealed._make(row[:-1]), row[-1]
            why = _fault(entry, seal, reached)
            if why:
                return Verified(reached.number, reached.seal, reached.number + 1, why)
            reached = _Head(reached.number + 1, seal)
    if reached.number < head.number:
        return Verified(reached.number, reached.seal, reached.number + 1, "it is missing")
    return Verified(reached.number, reached.seal, None, None)


def _fault(entry: _Sealed, seal: str, before: _Head) -> str | None:
    if entry.number != before.number + 1:
        return "it is missing"
    if entry.before != before.seal:
        return "it does not follow the entry before it"
    try:
        same = entry.seal() == seal
    except (TypeError, ValueError):
        same = False
    return None if same else "it is not as it was sealed"


def _outside(session: Session) -> int | None:
    """Return the first number that the head does not cover, in one look at both."""
    last = select(AuditHead.number).where(AuditHead.id == _HEAD).scalar_subquery()
    outside = or_(AuditEntry.number < 1, AuditEntry.number > func.coalesce(last, 0))
    return session.scalar(select(func.min(AuditEntry.number)).where(outside))


def _as_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _in_utc(time: datetime | str) -> str:
    if not isinstance(time, datetime):  # SQLite's text, which is UTC without saying so
        time = datetime.fromisoformat(time).replace(tzinfo=UTC)
    return time.astimezone(UTC).isoformat(timespec="microseconds")
