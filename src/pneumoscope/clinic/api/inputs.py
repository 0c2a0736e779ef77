"""What may come in: the forms of identifiers and texts that every database takes."""

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator

Identifier = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
"""One of ours, in an address."""


def _without_nul(text: str) -> str:
    if "\x00" in text:  # which PostgreSQL cannot keep
        raise ValueError("has a character that no text has (NUL)")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
"""What people write."""
