"""What the clinic's database holds for the sake of privacy."""

from contextlib import suppress
from secrets import token_hex

from sqlalchemy import String, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from pneumoscope.clinic.storage.table_base import HASH, Table

_THE_ONE = 1


class Installation(Table):
    """What holds for the whole installation: one row."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    secret: Mapped[str] = mapped_column(String(64))
    """256 random bits, of which pseudonyms are made; who has it can tell who they stand for."""
    pixels_days: Mapped[int | None]
    studies_days: Mapped[int | None]
    """How many days after a study's last change its files, and all that says whose it is, are
    purged; None for never."""


class UnwantedFile(Table):
    """A file that a purged image had: it goes unless another image has it too."""

    __tablename__ = "unwanted_file"

    sha256: Mapped[str] = mapped_column(HASH, primary_key=True)


def installation(session: Session) -> Installation:
    """Return the installation's row, locked and made at the first time.

    Parameters
    ----------
    session
        In a transaction that writes.

    Examples
    --------
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> with database.writing() as session:
    ...     installation(session).secret == installation(session).secret
    True
    """
    statement = select(Installation).where(Installation.id == _THE_ONE).with_for_update()
    found = session.scalars(statement).one_or_none()
    if found is None:
        with suppress(IntegrityError), session.begin_nested():  # another may be first
            session.add(Installation(id=_THE_ONE, secret=token_hex(32)))
        found = session.scalars(statement).one()
    return found
