"""Schemas of studies, images and readings, for several routes and for clients.

The module imports no server: `pneumoscope.client` uses it, too. Schemas of a single route stand
beside that route.
"""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from pneumoscope.clinic.api.fields import Identifier, Text
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.worklist.order import StudyOrder
from pneumoscope.report.estimate import Estimate

Finding = Literal["pneumonia suspected", "no sign of pneumonia", "uncertain"]

LocalTime = Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str)]
"""Time on a clock, always with its offset from UTC in digits: ``2026-11-24T08:05:00+01:00``."""


class QualityFinding(BaseModel):
    """Finding about the decoding, the population or the quality of an image."""

    code: str
    severity: str
    message: str


class PostTestProbability(BaseModel):
    """Share of patients with this finding who have pneumonia, at the site's prevalence.

    ``value`` is null where the prevalence is a range; ``words`` says the same for people.
    """

    low: float
    high: float
    value: float | None
    prevalence_low: float
    prevalence_high: float
    words: str


class Reading(BaseModel):
    """Reading of an image; without a probability if it is outside, was rejected, or failed.

    ``description`` is the finding with its confidence, in words; ``low_confidence`` names the
    operating points in whose uncertain band the probability lies. ``likelihood_ratio`` is that of
    the finding, as the bundle states it, and ``post_test`` what follows from it.

    ``outside``: the bundle may not answer for the patient or the image. ``refusal`` is the code of
    the first reason why the image was not read. ``assumed_population`` is set where the patient's
    age is unknown and the site's setting chose the bundle.
    """

    status: Literal["read", "flagged", "outside", "rejected", "failed"]
    finding: Finding | None
    operating_point: str
    description: str | None
    findings: Annotated[dict[str, Finding], Field(description="by operating point")]
    low_confidence: list[str]
    likelihood_ratio: Estimate | None
    post_test: PostTestProbability | None
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
    """Image; ``reading`` is null while it waits to be read and where readings are withheld.

    ``opinion_first``: withheld until you have saved your own opinion. ``judged``: you have judged
    the image, by an answer if its reading is shown; for a program: anybody has.
    """

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
    opinion_first: bool
    judged: bool
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

    ``needs_look``: an image could not be read, and nobody has reviewed the study since, or
    there is a conflict.
    ``status_text`` is its progress in words, and ``in_review_by`` names who has it open.
    ``opinion_first``: readings are withheld until you have saved your own opinion of each image.

    ``conflict`` says why a person must check whose study it is; until then it has no report.
    ``study_date`` is the date in the files, in no time zone; ``acquired`` and ``received`` are
    times on the clock of the site, with its offset. ``age`` is that at the examination, in words.
    ``withdrawn`` is set when no image is left. ``version`` is to be sent with corrections, and as
    ``study_version`` with judgements.
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
    received: LocalTime
    purged: datetime | None
    withdrawn: datetime | None
    version: int
    status: StudyStatus
    status_text: str
    needs_look: bool
    in_review_by: list[str]
    probability: float | None
    withheld: bool
    opinion_first: bool
    images: list[Image]


class PriorStudy(Study):
    """Earlier study of the same patient; ``caution`` says why a person must check that it is."""

    caution: str | None


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
        Field(
            max_length=64,
            description="words, each part of a patient ID, a name or an accession number",
        ),
    ] = None
    site: Annotated[Identifier | None, Field(description="only studies of this site")] = None
    first_date: Annotated[
        date | None, Field(description="first study date, by the calendar of the site")
    ] = None
    last_date: Annotated[date | None, Field(description="last study date")] = None
    sort: Annotated[StudyOrder, Field(description="order after the studies that need a look")] = (
        StudyOrder.URGENCY
    )
    cursor: Annotated[Text | None, Field(max_length=500, description="`next` of a page")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class StudyPage(BaseModel):
    """Page of studies; ``next`` is the cursor of the next page, null on the last one.

    Studies that need a look come first; ``order`` says in words how the others are sorted.
    """

    studies: list[Study]
    order: str
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
    """Progress of the images of one request; ``by_status`` leaves out withheld readings."""

    id: str
    created: datetime
    images: int
    waiting: int
    by_status: dict[str, int]
