"""Field types of requests: identifiers, texts and times that every database can store."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, StringConstraints

Identifier = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
"""Identifier of a row, 32 hexadecimal digits."""


def _require_storable(text: str) -> str:
    # PostgreSQL cannot store NUL, and a lone surrogate, which JSON can contain, has no UTF-8 form.
    if any(letter == "\x00" or "\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("contains a character that cannot be stored (NUL or a lone surrogate)")
    return text


def _convert_to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is not between the years 1 and 9999 in UTC") from None


Text = Annotated[str, AfterValidator(_require_storable)]
"""Free text."""

NonEmptyText = Annotated[
    Text | None,
    BeforeValidator(lambda text: text.strip() or None if isinstance(text, str) else text),
]
"""Free text without spaces around it; None if nothing is left."""

StatedText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1),
    AfterValidator(_require_storable),
]
"""Free text without spaces around it, which must not be empty."""

Moment = Annotated[AwareDatetime, AfterValidator(_convert_to_utc)]
"""Point in time with a time zone, converted to UTC."""
