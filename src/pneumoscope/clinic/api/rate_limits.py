"""Rate limiting per account and address, and the limit of queued images per account."""

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

MAX_SIGN_IN_ATTEMPTS = RateLimitItemPerMinute(20)
"""Attempts to sign in or set up from one address: more than a person needs, too few to guess."""

MAX_REQUESTS = RateLimitItemPerMinute(3000)
"""Requests of one account to one server: no person comes near it; programs can send files in one
request."""

MAX_QUEUED_IMAGES_PER_ACCOUNT = 20_000

_QUEUE_RETRY_SECONDS = 60


class RateLimits:
    """Rate limiters of one server process, which count in memory."""

    def __init__(self) -> None:
        self._attempts = MovingWindowRateLimiter(MemoryStorage())
        self._requests = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count_attempt(self, address: str) -> None:
        """Count an attempt to sign in; 429, with the seconds to wait, if there are too many."""
        _count(self._attempts, MAX_SIGN_IN_ATTEMPTS, address, "too many attempts")

    def count_request(self, user_id: str) -> None:
        """Count a request of an account; 429 as for `count_attempt`."""
        message = "this account sent too many requests in a minute"
        _count(self._requests, MAX_REQUESTS, user_id, message)


def require_queue_space(session: Session, user_id: str, new_images: int) -> None:
    """Answer 429 if an account submits images faster than they are read."""
    # Counting the whole queue is fast, however long it is; counting one account's part is not.
    queued = session.scalar(select(func.count()).select_from(Task)) or 0
    if queued + new_images <= MAX_QUEUED_IMAGES_PER_ACCOUNT:
        return
    queued_by_account = session.scalar(
        select(func.count())
        .select_from(Task)
        .join(Image, Image.id == Task.image_id)
        .join(Job, Job.id == Image.job_id)
        .where(Job.created_by == user_id)
    )
    if (queued_by_account or 0) + new_images > MAX_QUEUED_IMAGES_PER_ACCOUNT:
        raise ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"{queued_by_account:,} images of this account are queued, of at most "
            f"{MAX_QUEUED_IMAGES_PER_ACCOUNT:,}; send these again when fewer are",
            {"Retry-After": str(_QUEUE_RETRY_SECONDS)},
        )


def _count(limiter: RateLimiter, limit: RateLimitItem, key: str, message: str) -> None:
    if limiter.hit(limit, key):
        return
    seconds = max(1, round(limiter.get_window_stats(limit, key).reset_time - time.time()))
    raise ProblemError(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"{message}; try again in {seconds} seconds",
        {"Retry-After": str(seconds)},
    )
