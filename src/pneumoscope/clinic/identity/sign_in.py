"""Sign-in with a password and a second factor.

Passwords are checked before the transaction, since that is slow; failures are counted in it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy.orm import Session

from pneumoscope.clinic.identity import second_factor
from pneumoscope.clinic.identity.accounts import Actor, actor_of, user_by_name
from pneumoscope.clinic.identity.passwords import (
    PasswordHash,
    hash_password,
    needs_rehash,
    verify_password,
)
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.secret_box import SecretBox
from pneumoscope.clinic.storage.tables import User

MAX_FAILURES = 5
"""Wrong passwords or codes in a row that lock an account; each further five lock it again."""

LOCKOUT_DURATION = timedelta(minutes=15)


class Challenge(Enum):
    """Further proof that a user with the right password must give."""

    CODE = "code"


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """Result of comparing a typed password with a user's stored hash."""

    name: str
    stored_hash: str | None = field(repr=False)
    """Hash at the time of the check; None if the user is unknown or has no password."""
    correct: bool
    new_hash: PasswordHash | None = field(repr=False)
    """Hash to store instead, if the parameters of the stored one are outdated."""


def check_password(database: Database, name: str, password: str) -> PasswordCheck:
    """Compare a typed password with the user's stored hash.

    Call it before the transaction that signs in, so that others can write meanwhile. An unknown
    name, a wrong password, a locked and an inactive account take the same time.
    """
    with database.reading() as session:
        user = user_by_name(session, name)
    stored_hash = user.password_hash if user else None
    correct = verify_password(password, stored_hash)
    outdated = correct and stored_hash is not None and needs_rehash(stored_hash)
    return PasswordCheck(name, stored_hash, correct, hash_password(password) if outdated else None)


def sign_in(
    session: Session,
    secret_box: SecretBox,
    check: PasswordCheck,
    now: datetime,
    code: str | None = None,
) -> Actor | Challenge | None:
    """Sign a user in with a password and, if the account has a second factor, a code.

    Five wrong passwords or codes in a row lock the account for 15 minutes. Simultaneous attempts
    are counted one by one, so a right password works only before the fifth wrong one. A check made
    before a change of the password signs nobody in. A right password without the required code
    neither counts as a failure nor resets the count. The transaction must be committed even after a
    failure, which it counts.

    Returns
    -------
    Actor, Challenge or None
        The user; `Challenge.CODE` if a code is required and missing; None if the attempt failed,
        without telling whether name, password, code or account was the reason.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.identity.accounts import Role, create_user, hash_new_password
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> now, secret_box = datetime.now(UTC), SecretBox(getfixture("tmp_path") / "key")
    >>> password = hash_new_password(database, "anna", "four words and a number 7")
    >>> with database.writing() as session:
    ...     _ = create_user(session, "anna", Role.CLINICIAN, password, now)
    >>> for typed in ("five words and a number 7", "four words and a number 7"):
    ...     check = check_password(database, "Anna", typed)
    ...     with database.writing() as session:
    ...         print(sign_in(session, secret_box, check, now))
    None
    Actor(user_id='...', name='anna', role=<Role.CLINICIAN: 'clinician'>)
    """
    user = _user_of_check(session, check, now)
    if user is None:
        return None
    if second_factor.is_active(session, user.id):
        if code is None:
            return Challenge.CODE
        if not _verify_code(session, secret_box, user, code, now):
            return None
    user.failures, user.locked_until = 0, None
    user.password_hash = check.new_hash or user.password_hash
    return actor_of(user)


def confirm_password(
    session: Session,
    secret_box: SecretBox,
    check: PasswordCheck,
    now: datetime,
    code: str | None = None,
) -> bool:
    """Return whether the password of a signed-in user was right, and so was the code, if given.

    Failures are counted as in `sign_in`, whose parameters these are.
    """
    user = _user_of_check(session, check, now)
    return user is not None and (code is None or _verify_code(session, secret_box, user, code, now))


def _verify_code(
    session: Session, secret_box: SecretBox, user: User, code: str, now: datetime
) -> bool:
    correct = second_factor.verify_code(session, secret_box, user.id, code, now)
    if not correct:
        _count_failure(user, now)
    return correct


def _user_of_check(session: Session, check: PasswordCheck, now: datetime) -> User | None:
    # Locked, so that simultaneous failures are counted one by one.
    user = user_by_name(session, check.name, lock=True)
    if user is None or not user.active:
        return None
    if user.locked_until is not None and now < user.locked_until:
        return None
    if user.password_hash != check.stored_hash:
        return None
    if not check.correct:
        _count_failure(user, now)
        return None
    return user


def _count_failure(user: User, now: datetime) -> None:
    user.failures += 1
    if user.failures % MAX_FAILURES == 0:
        user.locked_until = now + LOCKOUT_DURATION
