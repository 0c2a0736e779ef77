"""Signing in with a password, and a code: compared outside of transactions, counted in them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy.orm import Session

from pneumoscope.clinic.identity import second_factor
from pneumoscope.clinic.identity.accounts import Actor, actor_of, by_name
from pneumoscope.clinic.identity.passwords import PasswordHash, hash_password, is_outdated, matches
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.secret_box import SecretBox
from pneumoscope.clinic.storage.tables import User

WRONG_IN_A_ROW = 5
"""So many wrong passwords or codes lock an account, and so many more lock it again."""

LOCKED_FOR = timedelta(minutes=15)


class Asked(Enum):
    """What a right password is not enough without."""

    CODE = "code"


@dataclass(frozen=True, slots=True)
class Compared:
    """A password that was compared with what is kept of a user's."""

    name: str
    against: str | None = field(repr=False)
    """What was kept at that moment."""
    right: bool
    renewed: PasswordHash | None = field(repr=False)
    """What is to be kept instead, if its parameters are outdated."""


def check_password(database: Database, name: str, password: str) -> Compared:
    """Compare a password, before the transaction that signs in: others write meanwhile.

    An unknown name, a wrong password, a locked account and one that is not active take the same
    work.

    Parameters
    ----------
    database
        With the users.
    name, password
        As they were typed.
    """
    with database.reading() as session:
        user = by_name(session, name)
    kept = user.password_hash if user else None
    right = matches(password, kept)
    renew = right and kept is not None and is_outdated(kept)
    return Compared(name, kept, right, hash_password(password) if renew else None)


def sign_in(
    session: Session, vault: SecretBox, compared: Compared, now: datetime, code: str | None = None
) -> Actor | Asked | None:
    """Return who it is, or None; which of name, password, code and account is wrong stays unsaid.

    Five wrong passwords or codes in a row lock an account for 15 minutes: of those that were
    compared at once with a right one, that counts which comes here before the fifth wrong one. A
    password that was changed after it was compared signs nobody in. Where the account has a second
    factor, who comes with the right password and no code is asked for it: that neither counts as
    wrong nor ends a row.

    Parameters
    ----------
    session
        In a transaction that is to be kept in either case: it counts what is wrong.
    vault
        That second factors are sealed in.
    compared
        The password.
    now
        With a time zone.
    code
        Of the second factor, or a recovery code.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.identity.accounts import Role, create_user, new_password
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> now, vault = datetime.now(UTC), SecretBox(getfixture("tmp_path") / "key")
    >>> password = new_password(database, "anna", "four words and a number 7")
    >>> with database.writing() as session:
    ...     _ = create_user(session, "anna", Role.CLINICIAN, password, now)
    >>> for typed in ("five words and a number 7", "four words and a number 7"):
    ...     compared = check_password(database, "Anna", typed)
    ...     with database.writing() as session:
    ...         print(sign_in(session, vault, compared, now))
    None
    Actor(user_id='...', name='anna', role=<Role.CLINICIAN: 'clinician'>)
    """
    user = _whose(session, compared, now)
    if user is None:
        return None
    if second_factor.is_active(session, user.id):
        if code is None:
            return Asked.CODE
        if not _takes(session, vault, user, code, now):
            return None
    user.failures, user.locked_until = 0, None
    user.password_hash = compared.renewed or user.password_hash
    return actor_of(user)


def confirm_password(session: Session, compared: Compared, now: datetime) -> bool:
    """Return whether a password is that of who is signed in already; wrong ones count as ever.

    Parameters
    ----------
    session
        In a transaction that is to be kept in either case.
    compared
        The password.
    now
        With a time zone.
    """
    return _whose(session, compared, now) is not None


def confirm_with_code(
    session: Session, vault: SecretBox, compared: Compared, code: str, now: datetime
) -> bool:
    """Return whether password and code are of who is signed in already, as `confirm_password`."""
    user = _whose(session, compared, now)
    return user is not None and _takes(session, vault, user, code, now)


def _takes(session: Session, vault: SecretBox, user: User, code: str, now: datetime) -> bool:
    taken = second_factor.verify_code(session, vault, user.id, code, now)
    if not taken:
        _count_wrong(user, now)
    return taken


def _whose(session: Session, compared: Compared, now: datetime) -> User | None:
    # Locked, so that many wrong passwords at the same time are counted one by one.
    user = by_name(session, compared.name, lock=True)
    if user is None or not user.active or _is_locked(user, now):
        return None
    if user.password_hash != compared.against:
        return None
    if not compared.right:
        _count_wrong(user, now)
        return None
    return user


def _is_locked(user: User, now: datetime) -> bool:
    return user.locked_until is not None and now < user.locked_until


def _count_wrong(user: User, now: datetime) -> None:
    user.failures += 1
    if user.failures % WRONG_IN_A_ROW == 0:
        user.locked_until = now + LOCKED_FOR
