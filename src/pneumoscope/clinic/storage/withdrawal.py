"""Reasons why an image was withdrawn from its study; apart from the tables, for clients."""

from enum import StrEnum


class Withdrawal(StrEnum):
    """Reason of a withdrawal; the last two are the server's own, when a new image takes over."""

    WRONG_PATIENT = "wrong patient"
    WRONG_FILE = "wrong file"
    DUPLICATE = "duplicate"
    OTHER = "other"
    SENT_AGAIN = "sent again"
    """The same file was sent again with an age, since it had no finding without one."""
    AGE_CORRECTED = "age corrected"
    """The birth date was corrected, and the file is read again for the right age."""

    @property
    def is_superseded(self) -> bool:
        """Whether another image of the same file took its place."""
        return self in (Withdrawal.SENT_AGAIN, Withdrawal.AGE_CORRECTED)
