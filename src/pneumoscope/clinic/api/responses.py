"""Responses of the API, made from rows of the database."""

from typing import Any

from pneumoscope.clinic.api import schemas
from pneumoscope.clinic.storage.tables import Image, StoredReading, Study


def file_response(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """Describe a route that answers with a file.

    Examples
    --------
    >>> file_response("image/tiff")[200]["content"]
    {'image/tiff': {'schema': {'type': 'string', 'format': 'binary'}}}
    """
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"description": "The file", "content": dict.fromkeys(media_types, schema)}}


def study_response(study: Study, *, sees_hidden: bool) -> schemas.Study:
    """Return a study as somebody may see it.

    Parameters
    ----------
    study
        Study, in an open database session.
    sees_hidden
        Whether the reader of the response sees readings of sites in shadow mode.
    """
    withheld = not (sees_hidden or study.site.displayed)
    return schemas.Study(
        id=study.id,
        site=study.site.name,
        study_uid=study.study_uid,
        accession=study.accession,
        patient=schemas.Patient(
            id=study.patient_id,
            name=study.patient_name,
            birth_date=study.birth_date,
            sex=study.sex,
        ),
        acquired=study.acquired,
        received=study.received,
        purged=study.purged,
        status=study.status,
        probability=None if withheld else study.urgency,
        withheld=withheld,
        images=[image_response(image, sees_hidden=sees_hidden) for image in study.images],
    )


def image_response(image: Image, *, sees_hidden: bool) -> schemas.Image:
    """Return an image as somebody may see it; see `study_response`."""
    withheld = not (sees_hidden or image.study.site.displayed)
    reading = image.reading
    return schemas.Image(
        id=image.id,
        study=image.study_id,
        name=image.name,
        media_type=image.media_type,
        size=image.size,
        sha256=image.sha256,
        received=image.received,
        purged=image.purged,
        state="waiting" if reading is None else "done",
        withheld=withheld,
        reading=None if withheld or reading is None else _reading_response(reading),
    )


def _reading_response(reading: StoredReading) -> schemas.Reading:
    names = schemas.Reading.model_fields.keys() - {"has_heatmap"}
    values = {name: getattr(reading, name) for name in names}
    return schemas.Reading(**values, has_heatmap=reading.heatmap is not None)
