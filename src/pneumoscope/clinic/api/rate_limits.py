"""How much may be asked at most: by an address that tries, and by an account that goes on."""

import time
from http import HTTPStatus

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import (
    MovingWindowRateLimiter,
    RateLimiter,
    SlidingWindowCounterRateLimiter,
)
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.storage.tables import Image, Job, Task

TRIES = RateLimitItemPerMinute(20)
"""To sign in or set up, from one address: more than a person needs, fewer than a guesser."""

REQUESTS = RateLimitItemPerMinute(3000)
"""Of one account, to one server: no person comes near it, and a program may send files together."""

MOST_WAITING = 20_000
"""Images of one account that wait to be read."""

_LOOK_AGAIN = 60
"""Seconds after which some will have been read."""


class Quotas:
    """What one server has counted."""

    def __init__(self) -> None:
        self._tries = MovingWindowRateLimiter(MemoryStorage())
        self._requests = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count_try(self, address: str) -> None:
        """Count a try to sign in.

        Raises
        ------
        ProblemError
            429, and after how many seconds to try again.
        """
        _count(self._tries, TRIES, address, "too many tries")

    def count_request(self, user_id: str) -> None:
        """Count a request of an account.

        Raises
        ------
        ProblemError
            429, and after how many seconds to go on.
        """
        _count(self._requests, REQUESTS, user_id, "too many requests of this account in a minute")


def require_room(session: Session, user_id: str, more: int) -> None:
    """Stop an account that hands in faster than its images are read.

    Raises
    ------
    ProblemError
        429, and when to look again.
    """
    # Of all together is counted in no time, however many wait.
    of_all = session.scalar(select(func.count()).select_from(Task)) or 0
    if of_all + more <= MOST_WAITING:
        return
    waiting = session.scalar(
        select(func.count())
        .select_from(Task)
        .join(Image, Image.id == Task.image_id)
        .join(Job, Job.id == Image.job_id)
        .where(Job.created_by == user_id)
    )
    if (waiting or 0) + more > MOST_WAITING:
        raise ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"{waiting:,} images of this account wait to be read, and at most {MOST_WAITING:,} "
            "may; hand these in when fewer do",
            {"Retry-After": str(_LOOK_AGAIN)},
        )


def _count(limiter: RateLimiter, item: RateLimitItem, key: str, said: str) -> None:
    if limiter.hit(item, key):
        return
    again = max(1, round(limiter.get_window_stats(item, key).reset_time - time.time()))
    raise ProblemError(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"{said}; try again in {again} seconds",
        {"Retry-After": str(again)},
    )
