"""Radiographs handed in, and what the reader says of them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, File, Form, Header, Query, UploadFile
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.access_log import note_seen
from pneumoscope.clinic.api.fields import Identifier, Text
from pneumoscope.clinic.api.lookup import existing
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.rate_limits import require_room
from pneumoscope.clinic.api.request_metadata import Described
from pneumoscope.clinic.api.responses import (
    AcceptedView,
    ImagePage,
    ImageView,
    JobView,
    RefusedView,
)
from pneumoscope.clinic.api.security import Anyone, TheClinic, sees_hidden_readings
from pneumoscope.clinic.identity.accounts import Actor
from pneumoscope.clinic.queue.intake import Kept, Upload, accept, keep
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.held_files import keep_until_commit
from pneumoscope.clinic.storage.tables import HandedIn, Image, Job, Site, StoredReading, Study, Task
from pneumoscope.clinic.worklist.changes import note_new_study
from pneumoscope.support.errors import UnreadableRadiographError

MOST_FILES = 1000
DEFAULT_SITE = "default"

router = APIRouter(prefix="/v1", tags=["readings"])


@router.post("/readings", status_code=HTTPStatus.ACCEPTED)
def hand_in(
    clinic: TheClinic,
    actor: Anyone,
    files: Annotated[list[UploadFile], File(max_length=MOST_FILES)],
    about: Annotated[str, Form(description="JSON; see the schema Described")] = "{}",
    site: Annotated[Text, Form(max_length=100)] = DEFAULT_SITE,
    idempotency_key: Annotated[Text | None, Header(max_length=255)] = None,
) -> AcceptedView:
    """Hand in radiographs, one or many; each is read soon, and the answer does not wait for it.

    With an Idempotency-Key, sending the same once more gives the same answer and reads nothing
    twice: retry as often as the network asks for. While 20,000 images of an account wait, it is
    told when to come again.
    """
    with clinic.database.reading() as session:  # before anything is kept
        require_room(session, actor.user_id, len(files))
    origin = _described(about).origin()
    kept: list[Kept] = []
    refused: list[RefusedView] = []
    for place, file in enumerate(files):
        name = file.filename or ""
        try:
            kept.append(keep(clinic.store, Upload(name, file.file, origin)))
        except UnreadableRadiographError as error:
            refused.append(RefusedView(name=name, place=place, reason=str(error)))
    if not kept:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "; ".join(f"{one.name}: {one.reason}" for one in refused[:3]),
            refused=[one.model_dump() for one in refused],
        )
    order = _Order(actor, site, kept, idempotency_key)
    try:
        return _entered(clinic, order, refused)
    except IntegrityError:  # the same key, or the same study, came at the same moment
        return _entered(clinic, order, refused)


@dataclass(frozen=True, slots=True)
class _Order:
    """What one request hands in."""

    actor: Actor
    site: str
    kept: Sequence[Kept]
    key: str | None

    @property
    def sorted_by_study(self) -> list[tuple[int, Kept]]:
        """In the one order in which studies are locked, so that no two wait in a circle."""
        return sorted(enumerate(self.kept), key=lambda one: one[1].origin.study_uid or "")

    @property
    def digest(self) -> str:
        """Two requests of one key must agree in it."""
        what = [self.site, *([one.name, one.sha256, asdict(one.origin)] for one in self.kept)]
        return sha256(json.dumps(what, default=str).encode()).hexdigest()


def _described(about: str) -> Described:
    try:
        return Described.model_validate_json(about)
    except ValueError as error:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "the field 'about' is not JSON as the schema Described has it",
        ) from error


def _entered(clinic: Clinic, order: _Order, refused: list[RefusedView]) -> AcceptedView:
    sees_hidden = sees_hidden_readings(order.actor)
    with clinic.database.writing() as session:
        images = _before(session, order)
        again = images is not None
        if images is None:
            images = _enter(session, clinic.store, order)
        shown = [ImageView.of(image, sees_hidden=sees_hidden) for image in images]
        job = images[0].job_id or ""
    if again:  # and meanwhile they may have readings
        note_seen(clinic, order.actor, "see readings", f"job {job}", images=_ids(shown))
    return AcceptedView(job=job, images=shown, refused=refused)


def _before(session: Session, order: _Order) -> list[Image] | None:
    """Return what the same request got before, if there was one."""
    if order.key is None:
        return None
    known = session.get(HandedIn, (order.actor.user_id, order.key))
    if known is None:
        return None
    if known.digest != order.digest:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "this Idempotency-Key was used for other files; take a new one for each request",
        )
    places = {(kept.name, kept.sha256): place for place, kept in enumerate(order.kept)}
    images = session.scalars(select(Image).where(Image.job_id == known.job_id))
    return sorted(images, key=lambda image: places[image.name, image.sha256])


def _enter(session: Session, store: FileStore, order: _Order) -> list[Image]:
    keep_until_commit(session, store, {one.sha256: one.content for one in order.kept})
    now = datetime.now(UTC)
    site = session.scalar(select(Site).where(Site.name == order.site))
    if site is None:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "there is no such site; an administrator can make it"
        )
    job = Job(created=now, created_by=order.actor.user_id)
    session.add(job)
    session.flush()
    if order.key is not None:
        session.add(
            HandedIn(
                user_id=order.actor.user_id,
                key=order.key,
                digest=order.digest,
                job_id=job.id,
                created=now,
            )
        )
    entered = {
        place: accept(session, kept, site, job, now) for place, kept in order.sorted_by_study
    }
    images = [entered[place] for place in range(len(order.kept))]
    session.flush()
    note_new_study(session, site.id)
    audit.record(
        session, order.actor.name, "hand in", f"job {job.id}", {"images": len(images)}, now
    )
    return images


@router.get("/jobs/{job_id}")
def job(clinic: TheClinic, actor: Anyone, job_id: Identifier) -> JobView:
    """Say how far the files of one request have come."""
    with clinic.database.reading() as session:
        found = _own_job(session, actor, job_id)
        of_job = Image.job_id == found.id
        images = session.scalar(select(func.count()).select_from(Image).where(of_job)) or 0
        waiting = (
            session.scalar(select(func.count()).select_from(Task).join(Image).where(of_job)) or 0
        )
        statuses = session.execute(
            select(StoredReading.status, func.count())
            .join(Image)
            .where(of_job)
            .group_by(StoredReading.status)
        ).all()
        return JobView(
            id=found.id,
            created=found.created,
            images=images,
            waiting=waiting,
            by_status=dict(statuses),
        )


@router.get("/jobs/{job_id}/images")
def job_images(
    clinic: TheClinic,
    actor: Anyone,
    job_id: Identifier,
    after: Annotated[str, Query(pattern="^[0-9a-f]*$", max_length=32)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ImagePage:
    """Return the images of one request with their readings, a page at a time."""
    sees_hidden = sees_hidden_readings(actor)
    with clinic.database.reading() as session:
        _own_job(session, actor, job_id)
        images = session.scalars(
            select(Image)
            .where(Image.job_id == job_id, Image.id > after)
            .order_by(Image.id)
            .limit(limit + 1)
            .options(
                selectinload(Image.reading),
                selectinload(Image.study).selectinload(Study.site),
            )
        ).all()
        shown = [ImageView.of(image, sees_hidden=sees_hidden) for image in images[:limit]]
    note_seen(clinic, actor, "see readings", f"job {job_id}", images=_ids(shown))
    return ImagePage(images=shown, next=shown[-1].id if len(images) > limit else None)


@router.get("/readings/{image_id}")
def reading(clinic: TheClinic, actor: Anyone, image_id: Identifier) -> ImageView:
    """Return an image with its reading, or that it still waits."""
    with clinic.database.reading() as session:
        image = existing(session, Image, image_id)
        shown = ImageView.of(image, sees_hidden=sees_hidden_readings(actor))
    note_seen(clinic, actor, "see reading", f"image {image_id}")
    return shown


def _own_job(session: Session, actor: Actor, job_id: str) -> Job:
    """Return a job of the actor's: others' are as if they were not."""
    found = session.get(Job, job_id)
    if found is None or found.created_by != actor.user_id:
        raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such job of yours")
    return found


def _ids(shown: Sequence[ImageView]) -> list[str]:
    return [one.id for one in shown]
