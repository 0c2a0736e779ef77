"""The durable queue: images that wait to be read, taken by lease, in the clinic's own database."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from pneumoscope.clinic.storage.tables import Image, Task

LEASE = timedelta(minutes=2)
"""How long a worker may take to read what it took; then another one may take it."""

MOST_ATTEMPTS = 3
"""An image that ended so many workers is not given to a further one."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An image that a worker has taken, for how many times it has been taken by now."""

    image_id: str
    attempts: int


def enqueue(session: Session, image: Image, now: datetime) -> None:
    """Have an image read; it becomes visible with the transaction that it came in."""
    session.add(Task(image=image, queued=now, available=now))


def waiting(session: Session, now: datetime, most: int) -> int:
    """Return how many images could be taken, counted up to so many."""
    some = select(Task.image_id).where(Task.available <= now).limit(most).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def take(session: Session, owner: str, most: int, now: datetime) -> list[Lease]:
    """Take images that wait, those that came first first, and no other worker takes them.

    An image whose reading did not come to an end, because its worker was killed or by the image
    itself, comes back after `LEASE` and is then given alone, so that it takes no other with it.

    Parameters
    ----------
    session
        In a transaction of its own, which is to be kept before the images are read.
    owner
        Name of the worker, unlike that of any other.
    most
        How many at most.
    now
        The moment.

    Returns
    -------
    list of Lease
        None if nothing waits.

    Notes
    -----
    The end of the lease is a visibility timeout, as Amazon's SQS calls it. SKIP LOCKED is what the
    manual of PostgreSQL names for queues; SQLite, which has one writer at a time, needs none.
    """
    return _take(session, owner, 1, now, again=True) or _take(
        session, owner, most, now, again=False
    )


def _take(session: Session, owner: str, most: int, now: datetime, *, again: bool) -> list[Lease]:
    before = Task.attempts > 0 if again else Task.attempts == 0
    waiting = (
        select(Task.image_id)
        .where(Task.available <= now, before)
        .order_by(Task.queued, Task.image_id)
        .limit(most)
        .with_for_update(skip_locked=True)
        .cte("waiting")
    )
    taken = session.execute(
        update(Task)
        .where(Task.image_id.in_(select(waiting.c.image_id)))
        .values(owner=owner, available=now + LEASE, attempts=Task.attempts + 1)
        .returning(Task.image_id, Task.attempts)
        .execution_options(synchronize_session=False)
    )
    return [Lease(image_id, attempts) for image_id, attempts in taken]


def finish(session: Session, image_ids: Collection[str], owner: str) -> set[str]:
    """Take images off the queue, in the transaction that stores their readings.

    Returns
    -------
    set of str
        Those that still were the owner's: the readings of others are another's to store.
    """
    done = session.scalars(
        delete(Task)
        .where(Task.image_id.in_(image_ids), Task.owner == owner)
        .returning(Task.image_id)
        .execution_options(synchronize_session=False)
    )
    return set(done)


def give_back(session: Session, image_ids: Sequence[str], owner: str, now: datetime) -> None:
    """Give images back that were taken and not begun with, as if they had never been taken."""
    session.execute(
        update(Task)
        .where(Task.image_id.in_(image_ids), Task.owner == owner)
        .values(owner=None, available=now, attempts=Task.attempts - 1)
        .execution_options(synchronize_session=False)
    )
