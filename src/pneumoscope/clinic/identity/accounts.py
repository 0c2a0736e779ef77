"""User accounts and their roles."""

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

_MAX_NAME_LENGTH = 100


class Role(StrEnum):
    """Role of a user; a ``service`` is another program, which signs in with API tokens only."""

    CLINICIAN = "clinician"
    REVIEWER = "reviewer"
    ADMINISTRATOR = "administrator"
    SERVICE = "service"


@dataclass(frozen=True)
class Actor:
    """Authenticated user."""

    user_id: str
    name: str
    role: Role


def actor_of(user: User) -> Actor:
    """Return a user as an authenticated one."""
    return Actor(user.id, user.name, Role(user.role))


def hash_new_password(database: Database, name: str, password: str) -> PasswordHash:
    """Check the strength of a user's new password and return its hash.

    Call it before the transaction that stores the hash: hashing is slow.

    Raises
    ------
    ClinicError
        If the password is too weak.
    """
    with database.reading() as session:
        sites = session.scalars(select(Site.name)).all()
    require_strong_password(password, _normalize_name(name), sites)
    return hash_password(password)


def create_user(
    session: Session, name: str, role: Role, password: PasswordHash | None, now: datetime
) -> Actor:
    """Create a user; names are stored in lower case, so ``Anna`` and ``ANNA`` are the same user.

    Users of the single sign-on and services have no password.

    Raises
    ------
    ClinicError
        If the name is taken or not allowed.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> password = hash_new_password(database, "Anna", "four words and a number 7")
    >>> with database.writing() as session:
    ...     anna = create_user(session, "Anna", Role.REVIEWER, None, datetime.now(UTC))
    ...     set_role(session, anna.user_id, Role.CLINICIAN)
    ...     set_password(session, anna.user_id, password)
    >>> with database.reading() as session:
    ...     print([(user.name, user.role) for user in list_users(session)])
    [('anna', 'clinician')]
    """
    name = _normalize_name(name)
    if not _is_valid_name(name):
        raise ClinicError(
            f"the user name must have 1 to {_MAX_NAME_LENGTH} printable characters; choose another"
        )
    user = User(name=name, role=role, password_hash=password, created=now)
    try:
        with session.begin_nested():
            session.add(user)
    except IntegrityError as error:
        raise ClinicError("this user name is taken; choose another") from error
    return actor_of(user)


def list_users(session: Session) -> Sequence[User]:
    """Return all users, inactive ones included, sorted by name."""
    return session.scalars(select(User).order_by(User.name)).all()


def set_password(
    session: Session, user_id: str, password: PasswordHash, keep_session: str | None = None
) -> None:
    """Change a user's password; this ends any lockout, and the user's sessions.

    The session whose token has the digest ``keep_session`` stays open.

    Raises
    ------
    ClinicError
        If there is no such user.
    """
    user = _get_user(session, user_id)
    user.password_hash = password
    user.failures, user.locked_until = 0, None
    end_sessions(session, user_id, keep_session)


def set_role(session: Session, user_id: str, role: Role) -> None:
    """Change a user's role, with effect from the user's next request.

    Raises
    ------
    ClinicError
        If there is no such user, or the user is the last administrator.
    """
    if role is not Role.ADMINISTRATOR:
        _require_another_administrator(session, user_id)
    _get_user(session, user_id).role = role


def deactivate(session: Session, user_id: str, now: datetime) -> None:
    """Deactivate an account for good: its sessions end and its API tokens are revoked.

    The row stays, for the user's judgements and audit entries.

    Raises
    ------
    ClinicError
        If there is no such user, or the user is the last administrator.
    """
    _require_another_administrator(session, user_id)
    _get_user(session, user_id).active = False
    end_sessions(session, user_id)
    session.execute(
        update(ApiToken)
        .where(ApiToken.user_id == user_id, ApiToken.revoked.is_(None))
        .values(revoked=now)
    )


def uses_single_sign_on(session: Session, user_id: str) -> bool:
    """Return whether a user signs in with the single sign-on."""
    identity = select(Identity.user_id).where(Identity.user_id == user_id)
    return session.scalars(identity).one_or_none() is not None


def end_sessions(session: Session, user_id: str, keep_session: str | None = None) -> None:
    """End all sessions of a user, except the one with the given token digest."""
    session.execute(
        delete(UserSession).where(
            UserSession.user_id == user_id, UserSession.token_sha256 != (keep_session or "")
        )
    )


def user_by_name(session: Session, name: str, *, lock: bool = False) -> User | None:
    """Return the user of a name in any spelling; with ``lock``, locked for the transaction."""
    name = _normalize_name(name)
    if not _is_valid_name(name):  # PostgreSQL would reject a query with NUL
        return None
    statement = select(User).where(User.name == name)
    return session.scalars(statement.with_for_update() if lock else statement).one_or_none()


def _normalize_name(name: str) -> str:
    """Return a name in its stored spelling: compatibility-normalised and case-folded."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _is_valid_name(name: str) -> bool:
    return 0 < len(name) <= _MAX_NAME_LENGTH and name.isprintable()


def _get_user(session: Session, user_id: str) -> User:
    user = session.get(User, user_id)
    if user is None:
        raise ClinicError("there is no user with this identifier; see the list of users")
    return user


def _require_another_administrator(session: Session, user_id: str) -> None:
    """Raise ClinicError if a user is the last administrator.

    The rows are locked, so that two administrators cannot remove each other at the same time.
    """
    administrators = session.scalars(
        select(User.id)
        .where(User.role == Role.ADMINISTRATOR, User.active)
        .order_by(User.id)
        .with_for_update()
    ).all()
    if administrators == [user_id]:
        raise ClinicError(
            "this is the last administrator; make another user an administrator first"
        )
