"""Lookup of the row that an address names."""

from http import HTTPStatus
from typing import TypeVar

from sqlalchemy.orm import Session

from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.storage.table_base import Table

_Row = TypeVar("_Row", bound=Table)


def get_or_404(
    session: Session, table: type[_Row], identifier: str, *, for_update: bool = False
) -> _Row:
    """Return the row of an identifier, locked for the transaction on demand, or answer 404."""
    row = session.get(table, identifier, with_for_update=for_update or None)
    if row is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, f"there is no such {table.__name__.lower()}")
    return row
