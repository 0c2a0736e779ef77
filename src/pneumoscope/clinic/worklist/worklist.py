"""Worklist: studies that need a look, then the most urgent; filters, search and pages."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select, true
from sqlalchemy.orm import Session, selectinload

from pneumoscope.clinic.queue.filing import has_patient
from pneumoscope.clinic.queue.patient_identity import (
    PatientIdentity,
    contradictions,
    details_agree,
)
from pneumoscope.clinic.queue.readings import UNREAD_STATUSES
from pneumoscope.clinic.storage.search_text import fold_text
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.tables import (
    Image,
    Site,
    StoredReading,
    Study,
)
from pneumoscope.clinic.worklist.examination import examination_day, is_earlier
from pneumoscope.clinic.worklist.judgements import disputed_images
from pneumoscope.clinic.worklist.order import StudyOrder, describe_order
from pneumoscope.clinic.worklist.visibility import hides_order
from pneumoscope.support.errors import ClinicError

_NO_URGENCY = -1.0
"""Urgency of studies without a visible probability, which come last."""

_ISSUER_CAUTION = "patient ID without issuer: check that it is the same person"

_STUDY_TIME = func.coalesce(Study.acquired, Study.received)
"""Time of the examination within its day; of arrival, where the files have none."""


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
    """Words that must each be part of the patient's identifier or name, or of the accession number;
    case and the separators of names are ignored."""
    site: str | None = None
    """Identifier of the site; None for all."""
    first_date: date | None = None
    """First study date, by the calendar of the site; None for any."""
    last_date: date | None = None
    """Last study date; None for any."""


@dataclass(frozen=True, slots=True)
class Page:
    """Page of the worklist, with its order in words and the cursor of the next page.

    The cursor is None on the last page.
    """

    studies: tuple[Study, ...]
    cursor: str | None
    order: str


def worklist(
    session: Session,
    study_filter: StudyFilter,
    limit: int,
    cursor: str | None = None,
    *,
    hide_shadow: bool,
    order: StudyOrder = StudyOrder.URGENCY,
) -> Page:
    """Return a page of studies: those that need a look first, then the others in an order.

    Equally urgent studies are ordered by time of arrival. The cursor comes from the previous page
    of the same search; any other raises ClinicError. On demand, the readings that sites withhold
    are hidden in the order of the studies, too: in shadow mode the order is that of arrival; where
    opinions are given first, studies that need a look still come first, since that tells of no
    finding.
    """
    keys = _keys(order, hide_shadow)
    search = _digest(study_filter, order, hide_shadow)
    statement = (
        select(Study, *(key.column for key in keys))
        .join(Site)
        .where(*_conditions(study_filter, hide_shadow))
        .order_by(*(key.column.desc() if key.descends else key.column for key in keys))
        .limit(limit + 1)
        .options(selectinload(Study.images).selectinload(Image.reading), selectinload(Study.site))
    )
    if cursor is not None:
        statement = statement.where(_after(keys, _decode(cursor, search, order)))
    rows = session.execute(statement).all()
    next_cursor = None
    if len(rows) > limit:
        _, *last = rows[limit - 1]
        next_cursor = _encode(search, last)
    words = _order_in_words(session, study_filter, order, hide_shadow)
    return Page(tuple(study for study, *_ in rows[:limit]), next_cursor, words)


@dataclass(frozen=True, slots=True)
class PriorStudy:
    """Earlier study of a patient, and why a person must check that it is the same; None if not."""

    study: Study
    caution: str | None


def prior_studies(session: Session, study: Study, limit: int) -> Sequence[PriorStudy]:
    """Return the earlier studies of a study's patient at its site, newest first.

    A patient is an identifier with its issuer; patients without one have no other studies. Studies
    that are held, or that contradict this one's name, birth date or sex, may be somebody else's and
    are left out, and so are all of a study that is held itself.

    Files of a site may begin to state an issuer. Earlier studies of the identifier without one are
    returned with a caution if name, birth date and sex all agree.
    """
    patient = PatientIdentity.of(study)
    if patient.id is None or study.conflict is not None:
        return []
    without_issuer = has_patient(study.site_id, replace(patient, issuer=None))
    rows = session.scalars(
        select(Study)
        .where(
            or_(and_(*has_patient(study.site_id, patient)), and_(*without_issuer)),
            Study.id != study.id,
            Study.conflict.is_(None),
            Study.withdrawn.is_(None),
        )
        .order_by(Study.id)
        .options(selectinload(Study.site))
    )
    earlier = [row for row in rows if is_earlier(row, study) and _may_be_prior(patient, row)]
    earlier.sort(key=lambda row: row.acquired or row.received, reverse=True)
    earlier.sort(key=examination_day, reverse=True)
    return [
        PriorStudy(row, _ISSUER_CAUTION if row.patient_id_issuer != patient.issuer else None)
        for row in earlier[:limit]
    ]


def _may_be_prior(patient: PatientIdentity, study: Study) -> bool:
    other = PatientIdentity.of(study)
    if other.issuer != patient.issuer:
        return details_agree(patient, other)
    return not contradictions(patient, other)


@dataclass(frozen=True, slots=True)
class _Key:
    """Sort key of the worklist."""

    column: ColumnElement[Any]
    descends: bool = False


def _keys(order: StudyOrder, hide_shadow: bool) -> tuple[_Key, ...]:
    """Return the sort keys of an order; together they tell any two studies apart."""
    shows_look = Site.displayed.is_(True) if hide_shadow else true()
    needs_look = or_(Study.conflict.is_not(None), and_(Study.needs_look.is_(True), shows_look))
    look = _Key(case((needs_look, 1), else_=0), descends=True)
    arrival, identifier = _Key(Study.received.expression), _Key(Study.id.expression)
    if order is StudyOrder.ARRIVAL:
        return look, arrival, identifier
    if order is StudyOrder.STUDY_DATE:
        day, time = _Key(Study.examined.expression, descends=True), _Key(_STUDY_TIME, descends=True)
        return look, day, time, identifier
    urgency: ColumnElement[float] = func.coalesce(Study.urgency, _NO_URGENCY)
    if hide_shadow:
        urgency = case((hides_order(), _NO_URGENCY), else_=urgency)
    return look, _Key(urgency, descends=True), arrival, identifier


def _order_in_words(
    session: Session, study_filter: StudyFilter, order: StudyOrder, hide_shadow: bool
) -> str:
    if not hide_shadow:
        return describe_order(order, ranked=True, hidden=False)
    statement = select(case((hides_order(), 1), else_=0)).distinct()
    if study_filter.site is not None:
        statement = statement.where(Site.id == study_filter.site)
    kinds = set(session.scalars(statement))
    return describe_order(order, ranked=0 in kinds, hidden=1 in kinds)


def _conditions(study_filter: StudyFilter, hide_shadow: bool) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Study.purged.is_(None), Study.withdrawn.is_(None)]
    if study_filter.status is not None:
        conditions.append(Study.status == study_filter.status)
    if study_filter.unread:
        unread = StoredReading.status.in_(UNREAD_STATUSES)
        conditions.append(Study.images.any(Image.reading.has(unread)))
        if hide_shadow:
            conditions.append(Site.displayed.is_(True))
    if study_filter.disputed:
        conditions.append(Study.images.any(Image.id.in_(disputed_images())))
        if hide_shadow:
            conditions.append(~hides_order())
    if study_filter.site is not None:
        conditions.append(Study.site_id == study_filter.site)
    if study_filter.first_date is not None:
        conditions.append(study_filter.first_date <= Study.examined)
    if study_filter.last_date is not None:
        conditions.append(study_filter.last_date >= Study.examined)
    words = fold_text(study_filter.search).split()
    return conditions + [Study.search_text.contains(word, autoescape=True) for word in words]


def _after(keys: Sequence[_Key], last: Sequence[Any]) -> ColumnElement[bool]:
    """Return the SQL condition that a study comes after the last one of a page."""
    alternatives = []
    for number, key in enumerate(keys):
        same = [before.column == value for before, value in zip(keys[:number], last, strict=False)]
        later = key.column < last[number] if key.descends else key.column > last[number]
        alternatives.append(and_(*same, later))
    return or_(*alternatives)


def _digest(study_filter: StudyFilter, order: StudyOrder, hide_shadow: bool) -> str:
    """Return a digest of a search, by which its cursors are recognised."""
    text = json.dumps([*astuple(study_filter), order, hide_shadow], default=str)
    return sha256(text.encode()).hexdigest()[:16]


def _encode(search: str, last: Sequence[Any]) -> str:
    values = [value.isoformat() if isinstance(value, date) else value for value in last]
    return base64.urlsafe_b64encode(json.dumps([search, *values]).encode()).decode()


def _decode(cursor: str, search: str, order: StudyOrder) -> Sequence[Any]:
    try:
        of_search, look, *values, study_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if of_search != search:
            raise ClinicError("this cursor is of another search; start again without one")
        first: list[float | date] = []
        if order is StudyOrder.URGENCY:
            first = [float(values.pop(0))]
        elif order is StudyOrder.STUDY_DATE:
            first = [date.fromisoformat(values.pop(0))]
        (time,) = values
        return [int(look), *first, _parse_time(time), bytes.fromhex(study_id).hex()]
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise ClinicError("invalid cursor; start again without one") from error


def _parse_time(text: Any) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("no time zone")
    return time.astimezone(UTC)
