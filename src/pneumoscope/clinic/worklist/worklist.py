"""The worklist: studies by urgency, filtered and searched, a page at a time."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session, selectinload

from pneumoscope.clinic.storage.tables import (
    Image,
    Judgement,
    Site,
    StoredReading,
    Study,
    StudyStatus,
)
from pneumoscope.clinic.worklist.judgements import Answer, latest_judgements
from pneumoscope.support.errors import ClinicError

_UNREAD = -1.0
"""Below every probability: what has none yet, or none to be shown, comes after what has one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which studies are asked for.

    Parameters
    ----------
    status
        Of the studies, or None for all.
    rejected
        Only studies with an image that was rejected or failed.
    disputed
        Only studies with a reading that somebody does not agree with, or is not sure of: the queue
        of what is to be reviewed.
    search
        A part of the patient's identifier or name, or of the accession number.
    """

    status: StudyStatus | None = None
    rejected: bool = False
    disputed: bool = False
    search: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some studies, and where the next ones begin; None at the end."""

    studies: tuple[Study, ...]
    cursor: str | None


def worklist(
    session: Session, wanted: Wanted, limit: int, cursor: str | None = None, *, hidden: bool
) -> Page:
    """Return studies, the most urgent first and of equal ones the longest waiting.

    Parameters
    ----------
    session
        To look with.
    wanted
        Which ones.
    limit
        How many at most.
    cursor
        Of the page before.
    hidden
        Whether readings of sites in shadow mode are to be kept from who asks: then the order tells
        nothing of them either.

    Raises
    ------
    ClinicError
        If the cursor is none of ours.
    """
    urgency = _urgency(hidden)
    statement = (
        select(Study, urgency)
        .join(Site)
        .where(*_conditions(wanted, hidden))
        .order_by(urgency.desc(), Study.received, Study.id)
        .limit(limit + 1)
        .options(selectinload(Study.images).selectinload(Image.reading), selectinload(Study.site))
    )
    if cursor is not None:
        statement = statement.where(_after(urgency, *_decode(cursor)))
    rows = session.execute(statement).all()
    following = None
    if len(rows) > limit:
        study, at = rows[limit - 1]
        following = _encode(at, study.received, study.id)
    return Page(tuple(study for study, _ in rows[:limit]), following)


def priors(session: Session, study: Study, limit: int) -> Sequence[Study]:
    """Return the other studies of a study's patient at its site, the newest first.

    A study is as old as its images, or where the files do not say when they were taken, as when it
    came. Of a patient without an identifier no other study is known.

    Parameters
    ----------
    session
        To look with.
    study
        That they are compared with.
    limit
        How many at most.
    """
    if study.patient_id is None:
        return []
    return session.scalars(
        select(Study)
        .where(
            Study.site_id == study.site_id,
            Study.patient_id == study.patient_id,
            Study.id != study.id,
        )
        .order_by(func.coalesce(Study.acquired, Study.received).desc(), Study.id)
        .limit(limit)
        .options(selectinload(Study.images).selectinload(Image.reading), selectinload(Study.site))
    ).all()


def _urgency(hidden: bool) -> ColumnElement[float]:
    known = func.coalesce(Study.urgency, _UNREAD)
    return case((Site.displayed, known), else_=_UNREAD) if hidden else known


def _conditions(wanted: Wanted, hidden: bool) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Study.purged.is_(None)]
    if wanted.status is not None:
        conditions.append(Study.status == wanted.status)
    if wanted.rejected:
        refused = StoredReading.status.in_(["rejected", "failed"])
        conditions.append(Study.images.any(Image.reading.has(refused)))
        if hidden:
            conditions.append(Site.displayed.is_(True))
    if wanted.disputed:
        doubts = latest_judgements().where(Judgement.answer != Answer.AGREE).subquery()
        conditions.append(Study.images.any(Image.id.in_(select(doubts.c.image_id))))
        if hidden:
            conditions.append(Site.displayed.is_(True))
    if wanted.search:
        columns = (Study.patient_id, Study.patient_name, Study.accession)
        conditions.append(
            or_(*(column.icontains(wanted.search, autoescape=True) for column in columns))
        )
    return conditions


def _after(
    urgency: ColumnElement[float], at: float, received: datetime, study_id: str
) -> ColumnElement[bool]:
    return or_(
        urgency < at,
        and_(urgency == at, Study.received > received),
        and_(urgency == at, Study.received == received, Study.id > study_id),
    )


def _encode(at: float, received: datetime, study_id: str) -> str:
    text = json.dumps([at, received.isoformat(), study_id])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decode(cursor: str) -> tuple[float, datetime, str]:
    try:
        at, received, study_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return float(at), _moment(received), bytes.fromhex(study_id).hex()
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise ClinicError("the cursor is not one that was given here; begin without one") from error


def _moment(text: Any) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment.astimezone(UTC)
