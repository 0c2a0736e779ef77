"""Tables of one-time links, in the clinic's database."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from pneumoscope.clinic.storage.table_base import HASH, Table


class SetupLink(Table):
    """One-time link to create the first administrator."""

    __tablename__ = "setup_link"

    token_sha256: Mapped[str] = mapped_column(HASH, primary_key=True)
    created: Mapped[datetime]
    used: Mapped[datetime | None]


class PasswordLink(Table):
    """One-time link to set or reset a password; deleted when used."""

    __tablename__ = "password_link"

    token_sha256: Mapped[str] = mapped_column(HASH, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), unique=True)
    created: Mapped[datetime]
