"""What the API says: the shapes of its answers, and how they are made from the tables."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel

from pneumoscope.clinic.storage.tables import Image, StoredReading, Study


def answers_with(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """Describe a route whose answer is a file.

    Examples
    --------
    >>> answers_with("image/tiff")[200]["content"]
    {'image/tiff': {'schema': {'type': 'string', 'format': 'binary'}}}
    """
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"description": "The file", "content": dict.fromkeys(media_types, schema)}}


class QualityView(BaseModel):
    """Something that speaks against reading an image."""

    code: str
    severity: str
    message: str


class ReadingView(BaseModel):
    """What the reader said of an image; a probability unless it was rejected or failed."""

    status: Literal["read", "flagged", "rejected", "failed"]
    finding: Literal["pneumonia", "uncertain", "normal"] | None
    operating_point: str
    findings: dict[str, str]
    probability: float | None
    reasons: list[str]
    quality: list[QualityView]
    view: str | None
    laterality: str | None
    has_heatmap: bool
    bundle: str
    created: datetime
    milliseconds: float

    @classmethod
    def of(cls, reading: StoredReading) -> "ReadingView":
        """Show a stored reading."""
        return cls.model_validate(
            {name: getattr(reading, name) for name in cls.model_fields if name != "has_heatmap"}
            | {"has_heatmap": reading.heatmap is not None}
        )


class ImageView(BaseModel):
    """An image; ``reading`` is null while it waits, and where readings are withheld."""

    id: str
    study: str
    name: str
    media_type: str
    size: int
    sha256: str
    received: datetime
    purged: datetime | None
    state: Literal["waiting", "done"]
    withheld: bool
    reading: ReadingView | None

    @classmethod
    def of(cls, image: Image, *, sees_hidden: bool) -> "ImageView":
        """Show an image to someone."""
        withheld = not (sees_hidden or image.study.site.displayed)
        reading = image.reading
        return cls(
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
            reading=None if withheld or reading is None else ReadingView.of(reading),
        )


class PatientView(BaseModel):
    """Whose study it is, as far as the files say."""

    id: str | None
    name: str | None
    birth_date: date | None
    sex: str | None


class StudyView(BaseModel):
    """A study with its images; ``probability`` is the highest of them."""

    id: str
    site: str
    study_uid: str | None
    accession: str | None
    patient: PatientView
    acquired: datetime | None
    received: datetime
    purged: datetime | None
    status: str
    probability: float | None
    withheld: bool
    images: list[ImageView]

    @classmethod
    def of(cls, study: Study, *, sees_hidden: bool) -> "StudyView":
        """Show a study to someone."""
        withheld = not (sees_hidden or study.site.displayed)
        return cls(
            id=study.id,
            site=study.site.name,
            study_uid=study.study_uid,
            accession=study.accession,
            patient=PatientView(
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
            images=[ImageView.of(image, sees_hidden=sees_hidden) for image in study.images],
        )


class StudyPage(BaseModel):
    """Some studies; ``next`` is the cursor of those after them, null at the end."""

    studies: list[StudyView]
    next: str | None


class RefusedView(BaseModel):
    """A file that was not accepted; ``place`` is its place in the request, from 0."""

    name: str
    place: int
    reason: str


class AcceptedView(BaseModel):
    """What became of the files that were handed in."""

    job: str
    images: list[ImageView]
    refused: list[RefusedView]


class JobView(BaseModel):
    """How far the files that were handed in together have come."""

    id: str
    created: datetime
    images: int
    waiting: int
    by_status: dict[str, int]


class ImagePage(BaseModel):
    """Some images; ``next`` is the cursor of those after them, null at the end."""

    images: list[ImageView]
    next: str | None
