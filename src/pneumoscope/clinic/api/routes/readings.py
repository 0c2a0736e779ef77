"""Readings: submission of radiographs, progress of jobs, and results."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, File, Form, Header, Query, UploadFile
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from pneumoscope.clinic import audit
from pneumoscope.clinic.api import schemas
from pneumoscope.clinic.api.access_log import record_access
from pneumoscope.clinic.api.fields import Identifier, Text
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.rate_limits import require_queue_space
from pneumoscope.clinic.api.request_metadata import RequestMetadata
from pneumoscope.clinic.api.responses import get_or_404, image_response
from pneumoscope.clinic.api.security import (
    ClinicDep,
    CurrentActor,
    sees_hidden_readings,
    visibility,
)
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.identity.accounts import Actor
from pneumoscope.clinic.queue.intake import (
    ImageMetadata,
    StoredUpload,
    register_image,
    store_upload,
)
from pneumoscope.clinic.queue.readings import UNREAD_STATUSES
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.held_files import keep_until_commit
from pneumoscope.clinic.storage.tables import (
    IdempotentRequest,
    Image,
    Job,
    Site,
    StoredReading,
    Study,
    Task,
)
from pneumoscope.clinic.worklist.changes import note_new_study
from pneumoscope.support.errors import UnreadableRadiographError

MAX_FILES_PER_REQUEST = 1000
DEFAULT_SITE = "default"

router = APIRouter(prefix="/v1", tags=["readings"])


@router.post("/readings", status_code=HTTPStatus.ACCEPTED)
def create_readings(
    clinic: ClinicDep,
    actor: CurrentActor,
    files: Annotated[list[UploadFile], File(max_length=MAX_FILES_PER_REQUEST)],
    about: Annotated[str, Form(description="JSON of the schema RequestMetadata")] = "{}",
    site: Annotated[Text, Form(max_length=100, description="name of the site")] = DEFAULT_SITE,
    idempotency_key: Annotated[Text | None, Header(max_length=255)] = None,
) -> schemas.Submission:
    """Submit radiographs to be read.

    The answer does not wait for the readings: see the job for its progress. With an
    Idempotency-Key, the same request sent again gets the same answer and no image is read twice, so
    that it is safe to retry. An account that has 20,000 images in the queue is answered 429.
    """
    with clinic.database.reading() as session:  # before any file is stored
        require_queue_space(session, actor.user_id, len(files))
    metadata = _parse_metadata(about)
    uploads: list[StoredUpload] = []
    refused: list[schemas.RefusedFile] = []
    for place, file in enumerate(files):
        name = file.filename or ""
        try:
            uploads.append(store_upload(clinic.store, name, file.file, metadata))
        except UnreadableRadiographError as error:
            refused.append(schemas.RefusedFile(name=name, place=place, reason=str(error)))
    if not uploads:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "; ".join(f"{file.name}: {file.reason}" for file in refused[:3]),
            refused=[file.model_dump() for file in refused],
        )
    submission = _Submission(actor, site, uploads, idempotency_key)
    try:
        return _register(clinic, submission, refused)
    except IntegrityError:  # the same key, or the same study, arrived at the same moment
        return _register(clinic, submission, refused)


@dataclass(frozen=True, slots=True)
class _Submission:
    """Accepted files of one request."""

    actor: Actor
    site: str
    uploads: Sequence[StoredUpload]
    key: str | None

    @property
    def sorted_by_study(self) -> list[tuple[int, StoredUpload]]:
        """Uploads with their places, in the order in which studies are locked.

        The order is the same in every request, so that no two requests wait for each other.
        """
        return sorted(enumerate(self.uploads), key=lambda item: item[1].metadata.study_uid or "")

    @property
    def digest(self) -> str:
        """Digest of the content, the same for all requests with one key."""
        uploads = [[upload.name, upload.sha256, asdict(upload.metadata)] for upload in self.uploads]
        return sha256(json.dumps([self.site, *uploads], default=str).encode()).hexdigest()


def _parse_metadata(about: str) -> ImageMetadata:
    try:
        metadata = RequestMetadata.model_validate_json(about)
    except ValueError as error:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "the field 'about' is not JSON of the schema RequestMetadata",
        ) from error
    return ImageMetadata(**dict(metadata))


def _register(
    clinic: Clinic, submission: _Submission, refused: list[schemas.RefusedFile]
) -> schemas.Submission:
    with clinic.database.writing() as session:
        images = _earlier_images(session, submission)
        repeated = images is not None
        if images is None:
            images = _register_images(session, clinic.store, submission)
        answers = _responses(session, submission.actor, images)
        job = images[0].job_id or ""
    if repeated:  # the images may have readings by now
        record_access(
            clinic, submission.actor, Action.VIEW_READINGS, f"job {job}", images=_ids(answers)
        )
    return schemas.Submission(job=job, images=answers, refused=refused)


def _earlier_images(session: Session, submission: _Submission) -> list[Image] | None:
    """Return the images that the same request created before, if there was one."""
    if submission.key is None:
        return None
    earlier = session.get(IdempotentRequest, (submission.actor.user_id, submission.key))
    if earlier is None:
        return None
    if earlier.digest != submission.digest:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "this Idempotency-Key was used for other files; use a new one for each request",
        )
    places = {
        (upload.name, upload.sha256): place for place, upload in enumerate(submission.uploads)
    }
    images = session.scalars(select(Image).where(Image.job_id == earlier.job_id))
    return sorted(images, key=lambda image: places[image.name, image.sha256])


def _register_images(session: Session, store: FileStore, submission: _Submission) -> list[Image]:
    contents = {upload.sha256: upload.content for upload in submission.uploads}
    keep_until_commit(session, store, contents)
    now = datetime.now(UTC)
    site = session.scalar(select(Site).where(Site.name == submission.site))
    if site is None:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "there is no such site; ask an administrator to create it",
        )
    job = Job(created=now, created_by=submission.actor.user_id)
    session.add(job)
    session.flush()
    if submission.key is not None:
        session.add(
            IdempotentRequest(
                user_id=submission.actor.user_id,
                key=submission.key,
                digest=submission.digest,
                job_id=job.id,
                created=now,
            )
        )
    images = {
        place: register_image(session, upload, site, job, now)
        for place, upload in submission.sorted_by_study
    }
    session.flush()
    note_new_study(session, site.id)
    detail = {"images": len(images)}
    audit.record(session, submission.actor.name, Action.UPLOAD_IMAGES, f"job {job.id}", detail, now)
    return [images[place] for place in range(len(images))]


@router.get("/jobs/{job_id}")
def get_job(clinic: ClinicDep, actor: CurrentActor, job_id: Identifier) -> schemas.Job:
    """Return the progress of the images of one request."""
    with clinic.database.reading() as session:
        job = _own_job(session, actor, job_id)
        in_job = Image.job_id == job.id
        images = session.scalar(select(func.count()).select_from(Image).where(in_job)) or 0
        waiting = (
            session.scalar(select(func.count()).select_from(Task).join(Image).where(in_job)) or 0
        )
        by_status = session.execute(
            select(StoredReading.status, func.count())
            .join(Image)
            .join(Study)
            .join(Site)
            .where(in_job, *_shown(actor))
            .group_by(StoredReading.status)
        ).all()
        return schemas.Job(
            id=job.id,
            created=job.created,
            images=images,
            waiting=waiting,
            by_status=dict(by_status),
        )


@router.get("/jobs/{job_id}/images")
def list_job_images(
    clinic: ClinicDep,
    actor: CurrentActor,
    job_id: Identifier,
    after: Annotated[
        str, Query(pattern="^[0-9a-f]*$", max_length=32, description="`next` of a page")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> schemas.ImagePage:
    """List the images of one request with their readings, a page at a time."""
    with clinic.database.reading() as session:
        _own_job(session, actor, job_id)
        rows = session.scalars(
            select(Image)
            .where(Image.job_id == job_id, Image.id > after)
            .order_by(Image.id)
            .limit(limit + 1)
            .options(
                selectinload(Image.reading),
                selectinload(Image.study).selectinload(Study.site),
                selectinload(Image.study).selectinload(Study.images).selectinload(Image.reading),
            )
        ).all()
        images = _responses(session, actor, rows[:limit])
    record_access(clinic, actor, Action.VIEW_READINGS, f"job {job_id}", images=_ids(images))
    return schemas.ImagePage(images=images, next=images[-1].id if len(rows) > limit else None)


@router.get("/readings/{image_id}")
def get_reading(clinic: ClinicDep, actor: CurrentActor, image_id: Identifier) -> schemas.Image:
    """Return an image with its reading; the reading is null while the image is queued."""
    with clinic.database.reading() as session:
        row = get_or_404(session, Image, image_id)
        (image,) = _responses(session, actor, [row])
    record_access(clinic, actor, Action.VIEW_READING, f"image {image_id}")
    return image


def _own_job(session: Session, actor: Actor, job_id: str) -> Job:
    """Return a job of the user's; jobs of others are answered as if they did not exist."""
    job = session.get(Job, job_id)
    if job is None or job.created_by != actor.user_id:
        raise ProblemError(HTTPStatus.NOT_FOUND, "you have no such job")
    return job


def _shown(actor: Actor) -> list[ColumnElement[bool]]:
    """Return the SQL conditions of readings whose status a user may see.

    Of sites that ask for opinions first, it is only that an image could not be read.
    """
    if sees_hidden_readings(actor):
        return []
    unread = StoredReading.status.in_(UNREAD_STATUSES)
    return [Site.displayed.is_(True), or_(Site.opinion_first.is_(False), unread)]


def _responses(session: Session, actor: Actor, images: Sequence[Image]) -> list[schemas.Image]:
    seen = visibility(session, actor, {image.study for image in images})
    return [image_response(image, seen) for image in images]


def _ids(images: Sequence[schemas.Image]) -> list[str]:
    return [image.id for image in images]
