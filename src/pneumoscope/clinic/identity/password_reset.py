"""One-time links to set or reset a password, so that no administrator ever knows one."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.identity.accounts import Actor, Role, actor_of, uses_single_sign_on
from pneumoscope.clinic.identity.credentials import digest, new_token
from pneumoscope.clinic.identity.tables import PasswordLink
from pneumoscope.clinic.storage.tables import User
from pneumoscope.support.errors import ClinicError

LINK_LIFETIME = timedelta(hours=24)

_INVALID_LINK = (
    "this link is invalid, used or expired (links work once and last 24 hours); ask an "
    "administrator for a new one"
)


def create_reset_token(session: Session, user_id: str, now: datetime) -> str:
    """Create a link for a user, in place of any older one, and return its token.

    The user's current password stays valid until the link is redeemed.

    Raises
    ------
    ClinicError
        If there is no such active person, or the person uses the single sign-on.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.identity.accounts import create_user
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> now = datetime.now(UTC)
    >>> with database.writing() as session:
    ...     anna = create_user(session, "anna", Role.CLINICIAN, None, now)
    ...     token = create_reset_token(session, anna.user_id, now)
    ...     print(user_of_token(session, token, now) == redeem(session, token, now) == anna)
    True
    >>> with database.reading() as session:
    ...     user_of_token(session, token, now)
    Traceback (most recent call last):
    pneumoscope.support.errors.ClinicError: this link is invalid, used or expired ...
    """
    user = session.get(User, user_id)
    if user is None or not user.active or user.role == Role.SERVICE:
        raise ClinicError(
            "there is no active person with this identifier; services sign in with API tokens, and "
            "deactivated accounts cannot be restored"
        )
    if uses_single_sign_on(session, user_id):
        raise ClinicError("this user signs in with the single sign-on and has no password here")
    session.execute(delete(PasswordLink).where(PasswordLink.user_id == user_id))
    token = new_token()
    session.add(PasswordLink(token_sha256=digest(token), user_id=user_id, created=now))
    return token


def user_of_token(session: Session, token: str, now: datetime) -> Actor:
    """Return the user of a link, or raise ClinicError if it is invalid, used or expired."""
    user = session.scalars(
        select(User)
        .join(PasswordLink, PasswordLink.user_id == User.id)
        .where(
            PasswordLink.token_sha256 == digest(token),
            PasswordLink.created > now - LINK_LIFETIME,
            User.active,
        )
    ).one_or_none()
    if user is None:
        raise ClinicError(_INVALID_LINK)
    return actor_of(user)


def redeem(session: Session, token: str, now: datetime) -> Actor:
    """Use a link up and return its user, or raise ClinicError as `user_of_token` does."""
    actor = user_of_token(session, token, now)
    # Of two simultaneous requests with the same link, only one deletes the row.
    used = delete(PasswordLink).where(PasswordLink.token_sha256 == digest(token))
    if session.scalars(used.returning(PasswordLink.user_id)).one_or_none() is None:
        raise ClinicError(_INVALID_LINK)
    return actor
