"""Accounts: who may use the clinic, and in which role."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pneumoscope.clinic.identity.passwords import (
    PasswordHash,
    hash_password,
    require_strong_password,
)
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import ApiToken, Identity, Site, User, UserSession
from pneumoscope.support.errors import ClinicError

_LONGEST_NAME = 100


class Role(StrEnum):
    """What a user may do; ``service`` is another program, which has API tokens alone."""

    CLINICIAN = "clinician"
    REVIEWER = "reviewer"
    ADMINISTRATOR = "administrator"
    SERVICE = "service"


@dataclass(frozen=True)
class Actor:
    """Who does something: a user that has proved who they are."""

    user_id: str
    name: str
    role: Role


def actor_of(user: User) -> Actor:
    """Return the user as the one who acts."""
    return Actor(user.id, user.name, Role(user.role))


def new_password(database: Database, name: str, password: str) -> PasswordHash:
    """Return what to keep of a new password of a user; before the transaction that keeps it.

    Raises
    ------
    ClinicError
        If the password is easily guessed.
    """
    with database.reading() as session:
        sites = session.scalars(select(Site.name)).all()
    require_strong_password(password, _kept_name(name), sites)
    return hash_password(password)


def create_user(
    session: Session, name: str, role: Role, password: PasswordHash | None, now: datetime
) -> Actor:
    """Add a user.

    Parameters
    ----------
    session
        In a transaction that writes.
    name
        To sign in with; kept in lower case, so that ``Anna`` and ``ANNA`` are the same.
    role
        What the user may do.
    password
        Of `new_password`; None for those who sign in elsewhere, or by token alone.
    now
        With a time zone.

    Raises
    ------
    ClinicError
        If the name is taken or is none.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> password = new_password(database, "Anna", "four words and a number 7")
    >>> with database.writing() as session:
    ...     anna = create_user(session, "Anna", Role.REVIEWER, None, datetime.now(UTC))
    ...     set_role(session, anna.user_id, Role.CLINICIAN)
    ...     set_password(session, anna.user_id, password)
    >>> with database.reading() as session:
    ...     print([(user.name, user.role) for user in users(session)])
    [('anna', 'clinician')]
    """
    name = _kept_name(name)
    if not _can_be_a_name(name):
        raise ClinicError(
            f"the user's name is empty, longer than {_LONGEST_NAME} characters, or has some that "
            "cannot be seen; choose another"
        )
    user = User(name=name, role=role, password_hash=password, created=now)
    try:
        with session.begin_nested():
            session.add(user)
    except IntegrityError as error:
        raise ClinicError("there is a user of this name; choose another name") from error
    return actor_of(user)


def users(session: Session) -> Sequence[User]:
    """Return all users by name, also those that are not active."""
    return session.scalars(select(User).order_by(User.name)).all()


def set_password(
    session: Session, user_id: str, password: PasswordHash, keep: str | None = None
) -> None:
    """Give a user another password, of `new_password`: it ends the user's sessions and lock-out.

    Parameters
    ----------
    session
        In a transaction that writes.
    user_id
        Of the user.
    password
        What is kept of it.
    keep
        Digest of a session's token: that one stays.

    Raises
    ------
    ClinicError
        If there is no such user.
    """
    user = _user(session, user_id)
    user.password_hash = password
    user.failures, user.locked_until = 0, None
    end_sessions(session, user_id, keep)


def set_role(session: Session, user_id: str, role: Role) -> None:
    """Give a user another role, which holds from the user's next request on.

    Raises
    ------
    ClinicError
        If there is no such user, or nobody would be left to administer.
    """
    if role is not Role.ADMINISTRATOR:
        _keep_an_administrator(session, but=user_id)
    _user(session, user_id).role = role


def deactivate(session: Session, user_id: str, now: datetime) -> None:
    """Let a user in no more: the sessions end, the API tokens are revoked, what was done stays.

    Raises
    ------
    ClinicError
        If there is no such user, or nobody would be left to administer.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> with database.writing() as session:
    ...     anna = create_user(session, "anna", Role.ADMINISTRATOR, None, datetime.now(UTC))
    ...     deactivate(session, anna.user_id, datetime.now(UTC))
    Traceback (most recent call last):
    pneumoscope.support.errors.ClinicError: this is the last administrator; make another ...
    """
    _keep_an_administrator(session, but=user_id)
    _user(session, user_id).active = False
    end_sessions(session, user_id)
    session.execute(
        update(ApiToken)
        .where(ApiToken.user_id == user_id, ApiToken.revoked.is_(None))
        .values(revoked=now)
    )


def has_identity(session: Session, user_id: str) -> bool:
    """Return whether a user signs in by the single sign-on."""
    known = select(Identity.user_id).where(Identity.user_id == user_id)
    return session.scalars(known).one_or_none() is not None


def end_sessions(session: Session, user_id: str, keep: str | None = None) -> None:
    """Sign a user out of every browser, but for the one whose session's digest is given."""
    session.execute(
        delete(UserSession).where(
            UserSession.user_id == user_id, UserSession.token_sha256 != (keep or "")
        )
    )


def by_name(session: Session, name: str, *, lock: bool = False) -> User | None:
    """Return the user of a name, however it is written; locked for the transaction on demand."""
    name = _kept_name(name)
    if not _can_be_a_name(name):  # PostgreSQL would refuse the question itself
        return None
    wanted = select(User).where(User.name == name)
    return session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()


def _kept_name(name: str) -> str:
    """Return the one form of a name that may be written in several."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _can_be_a_name(name: str) -> bool:
    return 0 < len(name) <= _LONGEST_NAME and name.isprintable()


def _user(session: Session, user_id: str) -> User:
    user = session.get(User, user_id)
    if user is None:
        raise ClinicError("there is no user of this identifier; look it up in the list of users")
    return user


def _keep_an_administrator(session: Session, *, but: str) -> None:
    """Refuse to lose the last one; locked, so that two cannot remove each other at once."""
    administrators = session.scalars(
        select(User.id)
        .where(User.role == Role.ADMINISTRATOR, User.active)
        .order_by(User.id)
        .with_for_update()
    ).all()
    if administrators == [but]:
        raise ClinicError("this is the last administrator; make another user one first")
