"""Rows of the database by identifier, and the responses of the API that are made from them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy.orm import Session

from pneumoscope.clinic.api import schemas
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.security import visibility
from pneumoscope.clinic.identity.accounts import Actor, Role
from pneumoscope.clinic.queue.patient_identity import PatientIdentity
from pneumoscope.clinic.queue.readings import UNREAD_STATUSES
from pneumoscope.clinic.storage.study_status import StudyStatus, describe_status
from pneumoscope.clinic.storage.table_base import Table
from pneumoscope.clinic.storage.tables import Image, StoredReading, Study
from pneumoscope.clinic.storage.time_zone import parse_time_zone
from pneumoscope.clinic.worklist.examination import acquisition_time, age_at_examination
from pneumoscope.clinic.worklist.leases import reviewers
from pneumoscope.clinic.worklist.visibility import Visibility, Withheld
from pneumoscope.reader.reading import Finding, describe_finding
from pneumoscope.report.post_test_probability import Prevalence

_Row = TypeVar("_Row", bound=Table)


def get_or_404(
    session: Session, table: type[_Row], identifier: str, *, for_update: bool = False
) -> _Row:
    """Return the row of an identifier, locked for the transaction on demand, or answer 404."""
    row = session.get(table, identifier, with_for_update=for_update or None)
    if row is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, f"there is no such {table.__name__.lower()}")
    return row


def file_response(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """Describe a route that answers with a file.

    Examples
    --------
    >>> file_response("image/tiff")[200]["content"]
    {'image/tiff': {'schema': {'type': 'string', 'format': 'binary'}}}
    """
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"description": "The file", "content": dict.fromkeys(media_types, schema)}}


def column_values(row: Table, schema: type[BaseModel]) -> dict[str, Any]:
    """Return the values of a row's columns that a schema has fields for.

    Examples
    --------
    >>> column_values(Study(id="7", sex="F"), schemas.Patient)
    {'id': '7', 'birth_date': None, 'sex': 'F'}
    """
    columns = row.__table__.columns
    return {name: getattr(row, name) for name in schema.model_fields if name in columns}


@dataclass(frozen=True, slots=True)
class StudyContext:
    """Context of responses about studies: visibility of readings, and who has them open."""

    visibility: Visibility
    """Visibility of the readings to the user."""
    reviewers: Mapping[str, Sequence[str]]
    """Names of the people who have a study open, by study; none are named to programs."""


def study_context(session: Session, actor: Actor, studies: Sequence[Study]) -> StudyContext:
    """Return the context of responses to a user about some studies."""
    names: Mapping[str, Sequence[str]] = {}
    if actor.role != Role.SERVICE:
        names = reviewers(session, [study.id for study in studies], datetime.now(UTC))
    return StudyContext(visibility(session, actor, studies), names)


def study_response(study: Study, context: StudyContext) -> schemas.Study:
    """Return a study as somebody may see it, with or without its readings."""
    withheld = context.visibility.withheld(study)
    images = [image_response(image, context.visibility) for image in study.images]
    names = list(context.reviewers.get(study.id, ()))
    return schemas.Study(
        **column_values(study, schemas.Study)
        | {
            "acquired": acquisition_time(study),
            "received": study.received.astimezone(parse_time_zone(study.site.time_zone)),
            "needs_look": study.conflict is not None
            or (study.needs_look and withheld is not Withheld.SHADOW_MODE),
        },
        site=study.site.name,
        patient=schemas.Patient(**asdict(PatientIdentity.of(study))),
        status_text=describe_status(
            StudyStatus(study.status),
            images=len(images),
            waiting=sum(image.state == "waiting" for image in images),
            not_read=list(_reasons_not_read(images)),
            reviewers=names,
            conflict=study.conflict,
        ),
        in_review_by=names,
        age=age_at_examination(study),
        probability=None if withheld else study.urgency,
        withheld=withheld is not None,
        opinion_first=withheld is Withheld.OPINION_FIRST,
        images=images,
    )


def image_response(image: Image, visibility: Visibility) -> schemas.Image:
    """Return an image as somebody may see it; see `study_response`."""
    withheld = visibility.withheld_image(image)
    row, reading = image.reading, None
    if row is not None and image.withdrawn is None and withheld is None:
        reading = _reading_response(row, image.study.site.prevalence)
    return schemas.Image(
        **column_values(image, schemas.Image),
        study=image.study_id,
        state="waiting" if row is None else "done",
        withheld=withheld is not None,
        opinion_first=withheld is Withheld.OPINION_FIRST,
        judged=visibility.is_done(image),
        reading=reading,
    )


def _reading_response(row: StoredReading, prevalence: Prevalence) -> schemas.Reading:
    description = None
    if row.finding is not None:
        is_low = row.operating_point in row.low_confidence
        description = describe_finding(Finding(row.finding), low_confidence=is_low)
    return schemas.Reading(
        **column_values(row, schemas.Reading),
        description=description,
        has_heatmap=row.heatmap is not None,
        post_test=_post_test(row, prevalence),
    )


def _post_test(row: StoredReading, prevalence: Prevalence) -> schemas.PostTestProbability | None:
    share = row.post_test(prevalence)
    if share is None:
        return None
    return schemas.PostTestProbability(
        low=share.low,
        high=share.high,
        value=share.value,
        prevalence_low=prevalence.low,
        prevalence_high=prevalence.high,
        words=str(share),
    )


def _reasons_not_read(images: Iterable[schemas.Image]) -> Iterator[str]:
    """Yield the reason of each image that could not be read."""
    for image in images:
        if image.reading is not None and image.reading.status in UNREAD_STATUSES:
            yield (image.reading.reasons or [image.reading.refusal or image.reading.status])[0]
