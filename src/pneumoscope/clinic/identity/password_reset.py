"""The one-time link with which a user chooses a password: no administrator ever knows one."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.identity.accounts import Actor, Role, actor_of, has_identity
from pneumoscope.clinic.identity.credentials import digest, new_token
from pneumoscope.clinic.storage.tables import PasswordLink, User
from pneumoscope.support.errors import ClinicError

VALID_FOR = timedelta(hours=24)

_HOLDS_NOT = (
    "this link does not hold: it works once, for 24 hours; ask an administrator for a new one"
)


def password_token(session: Session, user_id: str, now: datetime) -> str:
    """Return the token of a new link for a user, which replaces any older one.

    Until it is followed, what the user signs in with stays as it is.

    Parameters
    ----------
    session
        In a transaction that writes.
    user_id
        Of a person.
    now
        With a time zone.

    Raises
    ------
    ClinicError
        If there is no such active person.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.identity.accounts import create_user
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> now = datetime.now(UTC)
    >>> with database.writing() as session:
    ...     anna = create_user(session, "anna", Role.CLINICIAN, None, now)
    ...     token = password_token(session, anna.user_id, now)
    ...     print(user_of_token(session, token, now) == redeem(session, token, now) == anna)
    True
    >>> with database.reading() as session:
    ...     user_of_token(session, token, now)
    Traceback (most recent call last):
    pneumoscope.support.errors.ClinicError: this link does not hold: it works once...
    """
    user = session.get(User, user_id)
    if user is None or not user.active or user.role == Role.SERVICE:
        raise ClinicError(
            "there is no active person of this identifier: programs sign in by API token, and an "
            "account that was taken away stays so"
        )
    if has_identity(session, user_id):
        raise ClinicError("this user signs in by the single sign-on, and by no password here")
    session.execute(delete(PasswordLink).where(PasswordLink.user_id == user_id))
    token = new_token()
    session.add(PasswordLink(token_sha256=digest(token), user_id=user_id, created=now))
    return token


def user_of_token(session: Session, token: str, now: datetime) -> Actor:
    """Return whose password a link is for.

    Raises
    ------
    ClinicError
        If the link does not hold (any more).
    """
    found = session.scalars(
        select(User)
        .join(PasswordLink, PasswordLink.user_id == User.id)
        .where(
            PasswordLink.token_sha256 == digest(token),
            PasswordLink.created > now - VALID_FOR,
            User.active,
        )
    ).one_or_none()
    if found is None:
        raise ClinicError(_HOLDS_NOT)
    return actor_of(found)


def redeem(session: Session, token: str, now: datetime) -> Actor:
    """Return whose password a link is for, and use the link up.

    Raises
    ------
    ClinicError
        If the link does not hold (any more).
    """
    actor = user_of_token(session, token, now)
    # Of two that follow it at once, one finds it gone.
    gone = delete(PasswordLink).where(PasswordLink.token_sha256 == digest(token))
    if session.scalars(gone.returning(PasswordLink.user_id)).one_or_none() is None:
        raise ClinicError(_HOLDS_NOT)
    return actor
