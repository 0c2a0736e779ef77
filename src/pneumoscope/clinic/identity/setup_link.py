"""One-time link to create the first administrator, in place of a default password."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.identity.accounts import Actor, Role, create_user
from pneumoscope.clinic.identity.credentials import digest, new_token
from pneumoscope.clinic.identity.passwords import PasswordHash
from pneumoscope.clinic.identity.tables import SetupLink
from pneumoscope.clinic.storage.tables import User
from pneumoscope.support.errors import ClinicError

LINK_LIFETIME = timedelta(hours=24)


def create_setup_token(session: Session, now: datetime) -> str | None:
    """Create a setup link, in place of any older one, and return its token.

    There is none if there is an administrator already.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.identity.accounts import hash_new_password
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> now = datetime.now(UTC)
    >>> with database.writing() as session:
    ...     token = create_setup_token(session, now)
    >>> password = hash_new_password(database, "Anna", "four words and a number 7")
    >>> with database.writing() as session:
    ...     anna = complete_setup(session, token, "Anna", password, now)
    ...     print(anna.name, anna.role, create_setup_token(session, now))
    anna administrator None
    """
    if _has_administrator(session):
        return None
    session.execute(delete(SetupLink))
    token = new_token()
    session.add(SetupLink(token_sha256=digest(token), created=now))
    return token


def complete_setup(
    session: Session, token: str, name: str, password: PasswordHash, now: datetime
) -> Actor:
    """Create the first administrator with the token of a setup link, which is then used up.

    Raises
    ------
    ClinicError
        If the link is invalid, used or expired, or the name is not allowed.
    """
    # All links are locked, so that two simultaneous setups cannot both find no administrator.
    links = session.scalars(
        select(SetupLink).order_by(SetupLink.token_sha256).with_for_update()
    ).all()
    link = next((link for link in links if link.token_sha256 == digest(token)), None)
    if (
        link is None
        or link.used
        or now >= link.created + LINK_LIFETIME
        or _has_administrator(session)
    ):
        raise ClinicError(
            "this setup link is invalid, used or expired (it works once, for 24 hours, while there "
            "is no administrator); restart the server for a new one, or ask an administrator for "
            "an account"
        )
    link.used = now
    return create_user(session, name, Role.ADMINISTRATOR, password, now)


def _has_administrator(session: Session) -> bool:
    # Not whether there is any user: others may have come from the single sign-on first.
    administrator = select(User.id).where(User.role == Role.ADMINISTRATOR).limit(1)
    return session.scalars(administrator).first() is not None
