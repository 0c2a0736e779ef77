"""Progress of a study and its words; apart from the tables so that clients import no SQLAlchemy."""

from collections.abc import Sequence
from enum import StrEnum


class StudyStatus(StrEnum):
    """Progress of a study: whether people have still to review it.

    Reading is what a radiologist does, so that a study which only software has read awaits review.
    """

    AWAITING_REVIEW = "awaiting review"
    REVIEWED = "reviewed"


def describe_status(
    status: StudyStatus,
    *,
    images: int,
    waiting: int,
    not_read: Sequence[str],
    reviewers: Sequence[str],
    conflict: str | None = None,
) -> str:
    """Return the words for the progress of a study: the same in the page, the API and the help.

    Parameters
    ----------
    status
        Status of the study.
    images, waiting
        Number of its images, and of those that wait for the software.
    not_read
        Reason of each image that the software could not read.
    reviewers
        Names of the people who have the study open.
    conflict
        Reason why a person must check whose study it is.

    Examples
    --------
    >>> status = StudyStatus.AWAITING_REVIEW
    >>> describe_status(status, images=2, waiting=0, not_read=[], reviewers=["anna"])
    'in review by anna'
    >>> describe_status(status, images=2, waiting=1, not_read=[], reviewers=[])
    'waiting to be read by the software'
    >>> describe_status(status, images=1, waiting=0, not_read=["a blank image"], reviewers=[])
    'not read: a blank image'
    >>> describe_status(status, images=2, waiting=0, not_read=["a blank image"], reviewers=[])
    '1 of 2 images not read: a blank image'
    >>> describe_status(StudyStatus.REVIEWED, images=1, waiting=0, not_read=[], reviewers=[])
    'reviewed'
    """
    if conflict is not None:
        return f"needs a person: {conflict}"
    if status is StudyStatus.REVIEWED:
        return str(status)
    if reviewers:
        return f"in review by {', '.join(reviewers)}"
    if waiting:
        return "waiting to be read by the software"
    if not_read:
        share = "" if len(not_read) == images else f"{len(not_read)} of {images} images "
        return f"{share}not read: {not_read[0]}"
    return str(status)
