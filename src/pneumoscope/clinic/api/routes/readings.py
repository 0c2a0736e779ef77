"""Readings: submission of radiographs, progress of jobs, and results."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, tzinfo
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
    require_not_withdrawn,
    sees_hidden_readings,
    visibility,
)
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.identity.accounts import Actor
from pneumoscope.clinic.queue.filing import lock_patients
from pneumoscope.clinic.queue.header import ImageMetadata
from pneumoscope.clinic.queue.instances import (
    ImageRefusedError,
    KnownImages,
    needs_new_reading,
    register_again,
)
from pneumoscope.clinic.queue.intake import StoredUpload, register_image, store_upload
from pneumoscope.clinic.queue.readings import UNREAD_STATUSES
from pneumoscope.clinic.queue.stated_age import require_possible_birth_date
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
from pneumoscope.clinic.storage.time_zone import parse_time_zone
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
        zone = parse_time_zone(_site(session, site).time_zone)
    metadata = _parse_metadata(about, zone)
    uploads: dict[int, StoredUpload] = {}
    refused: list[schemas.RefusedFile] = []
    for place, file in enumerate(files):
        name = file.filename or ""
        try:
            uploads[place] = store_upload(clinic.store, name, file.file, metadata, zone)
        except UnreadableRadiographError as error:
            refused.append(schemas.RefusedFile(name=name, place=place, reason=str(error)))
    if not uploads:
        raise _all_refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, refused)
    submission = _Submission(actor, site, uploads, idempotency_key)
    try:
        return _register(clinic, submission, refused)
    except IntegrityError:  # the same key, or the same study, arrived at the same moment
        return _register(clinic, submission, refused)


def _all_refused(status: HTTPStatus, refused: list[schemas.RefusedFile]) -> ProblemError:
    return ProblemError(
        status,
        "; ".join(f"{file.name}: {file.reason}" for file in refused[:3]),
        refused=[file.model_dump() for file in refused],
    )


@dataclass(frozen=True, slots=True)
class _Submission:
    """Files of one request that were stored, by their places in it."""

    actor: Actor
    site: str
    uploads: Mapping[int, StoredUpload]
    key: str | None

    @property
    def sorted_by_study(self) -> list[tuple[int, StoredUpload]]:
        """Uploads with their places, in the order in which studies are locked.

        The order is the same in every request, so that no two requests wait for each other.
        """
        return sorted(self.uploads.items(), key=lambda item: item[1].metadata.study_uid or "")

    @property
    def digest(self) -> str:
        """Digest of the content, the same for all requests with one key."""
        uploads = [
            [upload.name, upload.sha256, asdict(upload.metadata)]
            for upload in self.uploads.values()
        ]
        return sha256(json.dumps([self.site, *uploads], default=str).encode()).hexdigest()


def _parse_metadata(about: str, zone: tzinfo) -> ImageMetadata:
    try:
        metadata = RequestMetadata.model_validate_json(about)
    except ValueError as error:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "the field 'about' is not JSON of the schema RequestMetadata",
        ) from error
    today = datetime.now(zone).date()
    if metadata.birth_date is not None and metadata.birth_date > today:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "the birth date is in the future; correct it"
        )
    try:
        require_possible_birth_date(metadata.birth_date, today)
    except ValueError as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{error}; correct it") from error
    return ImageMetadata(**dict(metadata))


@dataclass(slots=True)
class _Registration:
    """Images of a request by the places of their files, and the files that were refused."""

    job: str
    images: dict[int, Image] = field(default_factory=dict)
    already_here: list[int] = field(default_factory=list)
    refused: list[schemas.RefusedFile] = field(default_factory=list)
    repeated: bool = False
    """Whether the request was sent before, with the same Idempotency-Key."""

    def refuse(self, place: int, upload: StoredUpload, error: ImageRefusedError) -> None:
        self.refused.append(schemas.RefusedFile(name=upload.name, place=place, reason=str(error)))


def _register(
    clinic: Clinic, submission: _Submission, refused: list[schemas.RefusedFile]
) -> schemas.Submission:
    actor = submission.actor
    with clinic.database.writing() as session:
        registered = _register_images(session, clinic.store, submission)
        images = [image for _, image in sorted(registered.images.items())]
        job = _followed_job(session, actor, registered.job, images)
        answers = _responses(session, actor, images)
    refused = sorted([*refused, *registered.refused], key=lambda file: file.place)
    if not answers:
        raise _all_refused(HTTPStatus.CONFLICT, refused)
    if registered.repeated or registered.already_here:  # the images may have readings by now
        record_access(clinic, actor, Action.VIEW_READINGS, f"job {job}", images=_ids(answers))
    return schemas.Submission(
        job=job, images=answers, refused=refused, already_here=sorted(registered.already_here)
    )


def _followed_job(session: Session, actor: Actor, job_id: str, images: Sequence[Image]) -> str:
    """Return the job by which the images can be followed: the earlier one if all are of it."""
    jobs = {image.job_id for image in images}
    if len(jobs) == 1 and (earlier := session.get(Job, jobs.pop())) is not None:
        return earlier.id if earlier.created_by == actor.user_id else job_id
    return job_id


def _register_images(session: Session, store: FileStore, submission: _Submission) -> _Registration:
    uploads = submission.uploads
    contents = {upload.sha256: upload.content for upload in uploads.values()}
    keep_until_commit(session, store, contents)
    site = _site(session, submission.site)
    lock_patients(session, site.id, [upload.metadata.patient for upload in uploads.values()])
    known = KnownImages(session, site.id, list(uploads.values()))
    earlier = _earlier_job(session, submission)
    if earlier is not None:
        return _find_again(session, submission, earlier, known)
    now = datetime.now(UTC)
    job = _add_job(session, submission, now)
    registered = _Registration(job.id)
    new: list[Image] = []
    refusals: list[ImageRefusedError] = []
    for place, upload in submission.sorted_by_study:
        try:
            image = known.find(upload)
            if image is None:
                image = register_image(session, upload, site, job, now)
            elif needs_new_reading(image, upload):
                image = register_again(session, image, upload, site, job, now)
        except ImageRefusedError as error:
            registered.refuse(place, upload, error)
            refusals.append(error)
            continue
        if image.job_id == job.id and image not in new:
            known.add(upload, image)
            new.append(image)
        elif image.job_id != job.id:
            registered.already_here.append(place)
        registered.images[place] = image
    session.flush()
    note_new_study(session, site.id)
    _audit_submission(session, submission.actor, job, new, refusals, now)
    return registered


def _earlier_job(session: Session, submission: _Submission) -> Job | None:
    """Return the job of the same request, if it was sent before with the same key."""
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
    return session.get_one(Job, earlier.job_id)


def _find_again(
    session: Session, submission: _Submission, job: Job, known: KnownImages
) -> _Registration:
    """Return what the same request was answered before, which changes nothing."""
    registered = _Registration(job.id, repeated=True)
    images = {
        image.sha256: image
        for image in session.scalars(
            select(Image).where(Image.job_id == job.id, Image.withdrawn.is_(None))
        )
    }
    for place, upload in submission.uploads.items():
        try:
            image = images.get(upload.sha256) or known.find(upload)
        except ImageRefusedError as error:
            registered.refuse(place, upload, error)
            continue
        if image is not None:
            registered.images[place] = image
            registered.already_here += [place] if image.job_id != job.id else []
    return registered


def _add_job(session: Session, submission: _Submission, now: datetime) -> Job:
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
    return job


def _audit_submission(
    session: Session,
    actor: Actor,
    job: Job,
    new: Sequence[Image],
    refusals: Sequence[ImageRefusedError],
    now: datetime,
) -> None:
    detail: dict[str, object] = {"images": len(new)}
    audit.record(session, actor.name, Action.UPLOAD_IMAGES, f"job {job.id}", detail, now)
    for refusal in refusals:
        detail = {"why": str(refusal), "job": job.id}
        object_ = f"image {refusal.image_id}"
        audit.record(session, actor.name, Action.REFUSE_IMAGE, object_, detail, now)
    held = {image.study_id: image.study.conflict for image in new if image.study.conflict}
    for study_id, conflict in held.items():
        detail = {"why": conflict, "job": job.id}
        audit.record(session, actor.name, Action.HOLD_STUDY, f"study {study_id}", detail, now)


def _site(session: Session, name: str) -> Site:
    site = session.scalar(select(Site).where(Site.name == name))
    if site is None:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "there is no such site; ask an administrator to create it",
        )
    return site


@router.get("/jobs/{job_id}")
def get_job(clinic: ClinicDep, actor: CurrentActor, job_id: Identifier) -> schemas.Job:
    """Return the progress of the images of one request, except withdrawn ones."""
    with clinic.database.reading() as session:
        job = _own_job(session, actor, job_id)
        in_job = (Image.job_id == job.id, Image.withdrawn.is_(None))
        images = session.scalar(select(func.count()).select_from(Image).where(*in_job)) or 0
        waiting = (
            session.scalar(select(func.count()).select_from(Task).join(Image).where(*in_job)) or 0
        )
        by_status = session.execute(
            select(StoredReading.status, func.count())
            .join(Image)
            .join(Study)
            .join(Site)
            .where(*in_job, *_shown(actor))
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
    """List the images of one request with their readings, a page at a time.

    Withdrawn images are left out.
    """
    with clinic.database.reading() as session:
        _own_job(session, actor, job_id)
        rows = session.scalars(
            select(Image)
            .where(Image.job_id == job_id, Image.withdrawn.is_(None), Image.id > after)
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
        require_not_withdrawn(row.withdrawn)
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
