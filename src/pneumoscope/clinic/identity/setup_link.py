"""The one-time link with which the first administrator is made: there is no default password."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.identity.accounts import Actor, Role, create_user
from pneumoscope.clinic.identity.credentials import digest, new_token
from pneumoscope.clinic.identity.passwords import PasswordHash
from pneumoscope.clinic.storage.tables import SetupLink, User
from pneumoscope.support.errors import ClinicError

VALID_FOR = timedelta(hours=24)


def setup_token(session: Session, now: datetime) -> str | None:
    """Return the token of a new setup link, which replaces any older; None if it is not needed.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.identity.accounts import new_password
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> now = datetime.now(UTC)
    >>> with database.writing() as session:
    ...     token = setup_token(session, now)
    >>> password = new_password(database, "Anna", "four words and a number 7")
    >>> with database.writing() as session:
    ...     first = complete_setup(session, token, "Anna", password, now)
    ...     print(first.name, first.role, setup_token(session, now))
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
    """Make the first administrator with the token of a setup link, which is then used up.

    Raises
    ------
    ClinicError
        If the link does not hold (any more), or the name will not do.
    """
    # All links are locked, so that two that are followed at once do not both see no administrator.
    links = session.scalars(
        select(SetupLink).order_by(SetupLink.token_sha256).with_for_update()
    ).all()
    link = next((one for one in links if one.token_sha256 == digest(token)), None)
    if link is None or link.used or now >= link.created + VALID_FOR or _has_administrator(session):
        raise ClinicError(
            "this setup link does not hold: it works once, for 24 hours, while there is no "
            "administrator; start the server again for a new one, or ask one for an account"
        )
    link.used = now
    return create_user(session, name, Role.ADMINISTRATOR, password, now)


def _has_administrator(session: Session) -> bool:
    """Tell whether anybody administers; others may have come by the single sign-on before."""
    administrator = select(User.id).where(User.role == Role.ADMINISTRATOR).limit(1)
    return session.scalars(administrator).first() is not None
