"""What may come in: the forms of identifiers and texts that every database takes."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime

Identifier = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
"""One of ours, in an address."""


def _writable(text: str) -> str:
    # PostgreSQL cannot keep NUL; half of a surrogate pair, which JSON can name, has no UTF-8.
    if any(letter == "\x00" or "\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("has a character that no text has (NUL, or half a surrogate pair)")
    return text


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is not between the years 1 and 9999 in UTC") from None


Text = Annotated[str, AfterValidator(_writable)]
"""What people write."""

Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A point in time, in any time zone."""
