"""Worklist: studies by urgency, with filters, search and pages."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session, selectinload

from pneumoscope.clinic.queue.filing import has_patient
from pneumoscope.clinic.queue.patient_identity import PatientIdentity, contradictions
from pneumoscope.clinic.queue.readings import UNREAD_STATUSES
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.tables import (
    Image,
    Judgement,
    Site,
    StoredReading,
    Study,
)
from pneumoscope.clinic.worklist.examination import examination_day, is_earlier
from pneumoscope.clinic.worklist.judgements import JudgementAnswer, latest_judgements
from pneumoscope.support.errors import ClinicError

_NO_URGENCY = -1.0
"""Urgency of studies without a visible probability, which come last."""


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """Filter of the worklist."""

    status: StudyStatus | None = None
    """Status of the studies; None for all."""
    unread: bool = False
    """Whether to select only studies with an image that was not read: outside, rejected or
    failed."""
    disputed: bool = False
    """Whether to select only studies with a reading that somebody disagrees with or is uncertain
    about: the queue for review."""
    search: str | None = None
    """Part of the patient's identifier or name, or of the accession number; case is ignored."""


@dataclass(frozen=True, slots=True)
class Page:
    """Page of the worklist, with the cursor of the next page; None on the last one."""

    studies: tuple[Study, ...]
    cursor: str | None


def worklist(
    session: Session,
    study_filter: StudyFilter,
    limit: int,
    cursor: str | None = None,
    *,
    hide_shadow: bool,
) -> Page:
    """Return a page of studies, most urgent first; equally urgent ones by time of arrival.

    The cursor comes from the previous page; an invalid one raises ClinicError. On demand, readings
    of sites in shadow mode are hidden, in the order of the studies too.
    """
    urgency = _urgency(hide_shadow)
    statement = (
        select(Study, urgency)
        .join(Site)
        .where(*_conditions(study_filter, hide_shadow))
        .order_by(urgency.desc(), Study.received, Study.id)
        .limit(limit + 1)
        .options(selectinload(Study.images).selectinload(Image.reading), selectinload(Study.site))
    )
    if cursor is not None:
        statement = statement.where(_after(urgency, *_decode(cursor)))
    rows = session.execute(statement).all()
    next_cursor = None
    if len(rows) > limit:
        last, last_urgency = rows[limit - 1]
        next_cursor = _encode(last_urgency, last.received, last.id)
    return Page(tuple(study for study, _ in rows[:limit]), next_cursor)


def prior_studies(session: Session, study: Study, limit: int) -> Sequence[Study]:
    """Return the earlier studies of a study's patient at its site, newest first.

    A patient is an identifier with its issuer; patients without one have no other studies. Studies
    that are held, or that contradict this one's name, birth date or sex, may be somebody else's and
    are left out, and so are all of a study that is held itself.
    """
    patient = PatientIdentity.of(study)
    if patient.id is None or study.conflict is not None:
        return []
    rows = session.scalars(
        select(Study)
        .where(
            *has_patient(study.site_id, patient),
            Study.id != study.id,
            Study.conflict.is_(None),
            Study.withdrawn.is_(None),
        )
        .order_by(Study.id)
        .options(selectinload(Study.site))
    )
    earlier = [
        row
        for row in rows
        if is_earlier(row, study) and not contradictions(patient, PatientIdentity.of(row))
    ]
    earlier.sort(key=lambda row: row.acquired or row.received, reverse=True)
    earlier.sort(key=examination_day, reverse=True)
    return earlier[:limit]


def _urgency(hide_shadow: bool) -> ColumnElement[float]:
    urgency = func.coalesce(Study.urgency, _NO_URGENCY)
    return case((Site.displayed, urgency), else_=_NO_URGENCY) if hide_shadow else urgency


def _conditions(study_filter: StudyFilter, hide_shadow: bool) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Study.purged.is_(None), Study.withdrawn.is_(None)]
    if study_filter.status is not None:
        conditions.append(Study.status == study_filter.status)
    if study_filter.unread:
        unread = StoredReading.status.in_(UNREAD_STATUSES)
        conditions.append(Study.images.any(Image.reading.has(unread)))
    if study_filter.disputed:
        disputes = latest_judgements().where(Judgement.answer != JudgementAnswer.AGREE).subquery()
        conditions.append(Study.images.any(Image.id.in_(select(disputes.c.image_id))))
    if hide_shadow and (study_filter.unread or study_filter.disputed):
        conditions.append(Site.displayed.is_(True))
    if study_filter.search:
        columns = (Study.patient_id, Study.patient_name, Study.accession)
        conditions.append(
            or_(*(column.icontains(study_filter.search, autoescape=True) for column in columns))
        )
    return conditions


def _after(
    urgency: ColumnElement[float], last_urgency: float, received: datetime, study_id: str
) -> ColumnElement[bool]:
    return or_(
        urgency < last_urgency,
        and_(urgency == last_urgency, Study.received > received),
        and_(urgency == last_urgency, Study.received == received, Study.id > study_id),
    )


def _encode(urgency: float, received: datetime, study_id: str) -> str:
    text = json.dumps([urgency, received.isoformat(), study_id])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decode(cursor: str) -> tuple[float, datetime, str]:
    try:
        urgency, received, study_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return float(urgency), _parse_time(received), bytes.fromhex(study_id).hex()
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise ClinicError("invalid cursor; start again without one") from error


def _parse_time(text: Any) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("no time zone")
    return time.astimezone(UTC)
