"""Schemas of studies, images and readings, for several routes and for clients.

The module imports no server: `pneumoscope.client` uses it, too. Schemas of a single route stand
beside that route.
"""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from pneumoscope.clinic.api.fields import Text
from pneumoscope.clinic.storage.study_status import StudyStatus

Finding = Literal["pneumonia", "uncertain", "normal"]

LocalTime = Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str)]
"""Time on a clock, always with its offset from UTC in digits: ``2026-11-24T08:05:00+01:00``."""


class QualityFinding(BaseModel):
    """Finding about the decoding, the population or the quality of an image."""

    code: str
    severity: str
    message: str


class Reading(BaseModel):
    """Reading of an image; without a probability if it is outside, was rejected, or failed.

    ``outside``: the bundle may not answer for the patient or the image. ``refusal`` is the code of
    the first reason why the image was not read. ``assumed_population`` is set where the patient's
    age is unknown and the site's setting chose the bundle.
    """

    status: Literal["read", "flagged", "outside", "rejected", "failed"]
    finding: Finding | None
    operating_point: str
    findings: Annotated[dict[str, Finding], Field(description="by operating point")]
    probability: float | None
    refusal: str | None
    assumed_population: str | None
    reasons: list[str]
    quality: list[QualityFinding]
    view: str | None
    laterality: str | None
    has_heatmap: bool
    bundle: str
    created: datetime
    milliseconds: float


class Image(BaseModel):
    """Image; ``reading`` is null while it waits to be read and where readings are withheld."""

    id: str
    study: str
    name: str
    media_type: str
    size: int
    sha256: str
    received: datetime
    purged: datetime | None
    withdrawn: datetime | None
    state: Literal["waiting", "done"]
    withheld: bool
    reading: Reading | None


class Patient(BaseModel):
    """Patient, as far as the files identify one; ``issuer`` is that of the identifier."""

    id: str | None
    issuer: str | None
    name: str | None
    birth_date: date | None
    sex: str | None


class Study(BaseModel):
    """Study with its images; ``probability`` is the highest of theirs.

    ``conflict`` says why a person must check whose study it is; until then it has no report.
    ``study_date`` is the date in the files, in no time zone; ``acquired`` is the time on the clock
    of the site, with its offset. ``age`` is that at the examination, in words. ``withdrawn`` is set
    when no image is left. ``version`` is to be sent with corrections.
    """

    id: str
    site: str
    study_uid: str | None
    accession: str | None
    patient: Patient
    conflict: str | None
    age: str | None
    study_date: date | None
    acquired: LocalTime | None
    received: datetime
    purged: datetime | None
    withdrawn: datetime | None
    version: int
    status: StudyStatus
    probability: float | None
    withheld: bool
    images: list[Image]


class StudySearch(BaseModel):
    """Filters of the worklist; in the body, because addresses are logged."""

    model_config = ConfigDict(extra="forbid")

    status: StudyStatus | None = None
    unread: Annotated[
        bool,
        Field(description="only studies with an image that is outside, was rejected, or failed"),
    ] = False
    disputed: Annotated[
        bool,
        Field(description="only studies with a reading that somebody disagrees with or doubts"),
    ] = False
    text: Annotated[
        Text | None,
        Field(max_length=64, description="part of a patient's identifier or name, or accession"),
    ] = None
    cursor: Annotated[Text | None, Field(max_length=500, description="`next` of a page")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class StudyPage(BaseModel):
    """Page of studies; ``next`` is the cursor of the next page, null on the last one."""

    studies: list[Study]
    next: str | None


class ImagePage(BaseModel):
    """Page of images; ``next`` is the cursor of the next page, null on the last one."""

    images: list[Image]
    next: str | None


class RefusedFile(BaseModel):
    """File that was not accepted; ``place`` is its index in the request, from 0."""

    name: str
    place: int
    reason: str


class Submission(BaseModel):
    """Images accepted by one request, their job, and the files that were refused.

    ``images`` has one for each accepted file. ``already_here`` are the places of files that were
    here before: their images are those, and nothing is read twice.
    """

    job: str
    images: list[Image]
    refused: list[RefusedFile]
    already_here: list[int]


class Job(BaseModel):
    """Progress of the images of one request."""

    id: str
    created: datetime
    images: int
    waiting: int
    by_status: dict[str, int]
