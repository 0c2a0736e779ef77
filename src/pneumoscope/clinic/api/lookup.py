"""What an address names, or that there is no such thing."""

from http import HTTPStatus
from typing import TypeVar

from sqlalchemy.orm import Session

from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.storage.table_base import Table

_Row = TypeVar("_Row", bound=Table)


def existing(session: Session, table: type[_Row], identifier: str) -> _Row:
    """Return the row of an identifier.

    Raises
    ------
    ProblemError
        404 if there is none.
    """
    found = session.get(table, identifier)
    if found is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, f"there is no such {table.__name__.lower()}")
    return found
