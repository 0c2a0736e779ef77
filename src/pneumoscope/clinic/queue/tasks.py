"""Durable task queue of images to read, in the clinic's database; workers take tasks by lease."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from pneumoscope.clinic.storage.tables import Image, Study, Task

LEASE_DURATION = timedelta(minutes=2)
"""Time in which a worker must finish what it leased; then another worker may lease it."""

MAX_ATTEMPTS = 3
"""Number of leases after which an image is given up."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Lease of one image by a worker."""

    image_id: str
    attempts: int
    """Number of leases of the image so far, this one included."""


def enqueue(session: Session, image: Image, now: datetime) -> None:
    """Queue an image to be read; workers see it once the transaction is committed."""
    session.add(Task(image=image, queued=now, available=now))


def count_waiting(session: Session, now: datetime, limit: int) -> int:
    """Return the number of images that could be leased, counted up to a limit."""
    waiting = select(Task.image_id).where(Task.available <= now).limit(limit).subquery()
    return session.scalar(select(func.count()).select_from(waiting)) or 0


def has_waiting_image() -> ColumnElement[bool]:
    """Return the SQL condition that an image of a study waits to be read."""
    return select(Task.image_id).join(Image).where(Image.study_id == Study.id).exists()


def lease_tasks(session: Session, owner: str, limit: int, now: datetime) -> list[Lease]:
    """Lease waiting images, oldest first, so that no other worker takes them.

    An image whose reading did not finish, because its worker was killed or because of the image
    itself, becomes available again after `LEASE_DURATION`. It is then leased alone, so that it can
    stop no other image from being read. The transaction must be committed before images are read.

    Notes
    -----
    The lease is a visibility timeout, as in Amazon SQS. PostgreSQL's manual recommends SKIP LOCKED
    for queues; SQLite, which allows one writer at a time, does not need it.
    """
    return _lease(session, owner, 1, now, retried=True) or _lease(
        session, owner, limit, now, retried=False
    )


def _lease(
    session: Session, owner: str, limit: int, now: datetime, *, retried: bool
) -> list[Lease]:
    waiting = (
        select(Task.image_id)
        .where(Task.available <= now, Task.attempts > 0 if retried else Task.attempts == 0)
        .order_by(Task.queued, Task.image_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("waiting")
    )
    rows = session.execute(
        update(Task)
        .where(Task.image_id.in_(select(waiting.c.image_id)))
        .values(owner=owner, available=now + LEASE_DURATION, attempts=Task.attempts + 1)
        .returning(Task.image_id, Task.attempts)
        .execution_options(synchronize_session=False)
    )
    return [Lease(image_id, attempts) for image_id, attempts in rows]


def complete_tasks(session: Session, image_ids: Collection[str], owner: str) -> set[str]:
    """Delete a worker's tasks, in the transaction that stores their readings; return their images.

    Images that are not leased by this worker any more are for another worker to store.
    """
    completed = session.scalars(
        delete(Task)
        .where(Task.image_id.in_(image_ids), Task.owner == owner)
        .returning(Task.image_id)
        .execution_options(synchronize_session=False)
    )
    return set(completed)


def release_tasks(session: Session, image_ids: Sequence[str], owner: str, now: datetime) -> None:
    """Return leased images that were not begun to the queue, as if never leased."""
    session.execute(
        update(Task)
        .where(Task.image_id.in_(image_ids), Task.owner == owner)
        .values(owner=None, available=now, attempts=Task.attempts - 1)
        .execution_options(synchronize_session=False)
    )
