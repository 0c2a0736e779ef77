"""Rows of the database by identifier, and the responses of the API that are made from them."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy.orm import Session

from pneumoscope.clinic.api import schemas
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.queue.patient_identity import PatientIdentity
from pneumoscope.clinic.storage.table_base import Table
from pneumoscope.clinic.storage.tables import Image, Study
from pneumoscope.clinic.worklist.examination import acquisition_time, age_at_examination

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


def study_response(study: Study, *, sees_hidden: bool) -> schemas.Study:
    """Return a study as somebody may see it, with or without readings of sites in shadow mode."""
    withheld = not (sees_hidden or study.site.displayed)
    return schemas.Study(
        **column_values(study, schemas.Study) | {"acquired": acquisition_time(study)},
        site=study.site.name,
        patient=schemas.Patient(**asdict(PatientIdentity.of(study))),
        age=age_at_examination(study),
        probability=None if withheld else study.urgency,
        withheld=withheld,
        images=[image_response(image, sees_hidden=sees_hidden) for image in study.images],
    )


def image_response(image: Image, *, sees_hidden: bool) -> schemas.Image:
    """Return an image as somebody may see it; see `study_response`."""
    withheld = not (sees_hidden or image.study.site.displayed)
    row, reading = image.reading, None
    if row is not None and image.withdrawn is None and not withheld:
        has_heatmap = row.heatmap is not None
        reading = schemas.Reading(**column_values(row, schemas.Reading), has_heatmap=has_heatmap)
    return schemas.Image(
        **column_values(image, schemas.Image),
        study=image.study_id,
        state="waiting" if row is None else "done",
        withheld=withheld,
        reading=reading,
    )
