"""Tables for retention, purging and pseudonyms."""

from contextlib import suppress
from secrets import token_hex

from sqlalchemy import String, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from pneumoscope.clinic.storage.table_base import HASH, Table

_INSTALLATION_ID = 1


class Installation(Table):
    """Settings of the whole installation: a single row."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    secret: Mapped[str] = mapped_column(String(64))
    """256 random bits from which pseudonyms are derived; whoever has it can reverse them."""
    pixels_days: Mapped[int | None]
    """Days after a study's last change at which its files are purged; None for never."""
    studies_days: Mapped[int | None]
    """Days after a study's last change at which its identifying data are purged; None for never."""


class UnwantedFile(Table):
    """File of a purged image, to be removed unless another image has the same file."""

    __tablename__ = "unwanted_file"

    sha256: Mapped[str] = mapped_column(HASH, primary_key=True)


def installation(session: Session) -> Installation:
    """Return the installation's row, locked for the transaction; create it if missing.

    Examples
    --------
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> with database.writing() as session:
    ...     installation(session).secret == installation(session).secret
    True
    """
    statement = select(Installation).where(Installation.id == _INSTALLATION_ID).with_for_update()
    row = session.scalars(statement).one_or_none()
    if row is None:
        with suppress(IntegrityError), session.begin_nested():  # another session may be first
            session.add(Installation(id=_INSTALLATION_ID, secret=token_hex(32)))
        row = session.scalars(statement).one()
    return row
