"""Signing in by the hospital's single sign-on: tries that come back once, and their accounts."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pneumoscope.clinic import audit
from pneumoscope.clinic.identity.accounts import Actor, Role, actor_of, create_user, set_role
from pneumoscope.clinic.identity.credentials import digest, new_token
from pneumoscope.clinic.identity.oidc import Person
from pneumoscope.clinic.storage.tables import Identity, SignOnTry, User
from pneumoscope.support.errors import ClinicError

VALID_FOR = timedelta(minutes=10)
"""So long a person may take to sign in there."""

_LONGEST_SUBJECT = 255


class NotAdmittedError(ClinicError):
    """Who has signed in elsewhere has no account here."""


@dataclass(frozen=True, slots=True)
class Started:
    """What belongs to one try to sign in.

    Parameters
    ----------
    state
        Goes to the single sign-on and comes back.
    browser
        Stays in the browser, which must be the same when it comes back.
    nonce
        Comes back in the ID token.
    verifier
        Is shown to the issuer with the code, and was known to it by its hash before.
    """

    state: str
    browser: str
    nonce: str
    verifier: str


def begin_login(session: Session, now: datetime) -> Started:
    """Begin to sign a browser in; tries that have run out are removed.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> now = datetime.now(UTC)
    >>> with database.writing() as session:
    ...     started = begin_login(session, now)
    ...     print(finish_callback(session, started.state, "of another browser", now))
    ...     print(finish_callback(session, started.state, started.browser, now) == started)
    ...     print(finish_callback(session, started.state, started.browser, now))
    None
    True
    None
    """
    session.execute(delete(SignOnTry).where(SignOnTry.created <= now - VALID_FOR))
    started = Started(new_token(), new_token(), new_token(), new_token())
    session.add(
        SignOnTry(
            state_sha256=digest(started.state),
            browser_sha256=digest(started.browser),
            nonce=started.nonce,
            verifier=started.verifier,
            created=now,
        )
    )
    return started


def finish_callback(session: Session, state: str, browser: str, now: datetime) -> Started | None:
    """Return the try that a browser comes back with, this once; None if it began none such."""
    found = session.execute(
        delete(SignOnTry)
        .where(
            SignOnTry.state_sha256 == digest(state),
            SignOnTry.browser_sha256 == digest(browser),
            SignOnTry.created > now - VALID_FOR,
        )
        .returning(SignOnTry.nonce, SignOnTry.verifier)
    ).one_or_none()
    return None if found is None else Started(state, browser, *found)


def provision_user(session: Session, issuer: str, person: Person, now: datetime) -> Actor:
    """Return the account of a person, made at the first time, with the role that they have now.

    Parameters
    ----------
    session
        In a transaction that writes; what is made or changed is in its audit trail.
    issuer
        Who says it.
    person
        Who has signed in there.
    now
        With a time zone.

    Raises
    ------
    NotAdmittedError
        If no role is theirs, the account was taken away, or the name will not do or is
        another's here.
    ClinicError
        If nobody would be left to administer.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> with database.writing() as session:
    ...     anna = Person("f1d2", "Anna", Role.CLINICIAN)
    ...     print(provision_user(session, "https://login.example", anna, datetime.now(UTC)).role)
    clinician
    """
    if person.role is None:
        raise NotAdmittedError(
            "the single sign-on gives you no role here; ask those who keep it, or an administrator "
            "of this clinic"
        )
    if not (len(person.subject) <= _LONGEST_SUBJECT and person.subject.isprintable()):
        raise NotAdmittedError("the single sign-on knows you by what is no identifier; ask there")
    user = _known(session, issuer, person.subject)
    if user is None:
        user = _made(session, issuer, person, person.role, now)
    if not user.active:
        raise NotAdmittedError("this account was taken away; ask an administrator of this clinic")
    if user.role != person.role:
        set_role(session, user.id, person.role)
        _record(session, "change user", user, person.role, now)
    return actor_of(user)


def _known(session: Session, issuer: str, subject: str) -> User | None:
    return session.scalars(
        select(User)
        .join(Identity, Identity.user_id == User.id)
        .where(Identity.issuer == issuer, Identity.subject == subject)
    ).one_or_none()


def _made(session: Session, issuer: str, person: Person, role: Role, now: datetime) -> User:
    try:
        actor = create_user(session, person.name, role, None, now)
    except ClinicError as error:
        # The same person may have come in another window at this moment.
        at_once = _known(session, issuer, person.subject)
        if at_once is not None:
            return at_once
        raise NotAdmittedError(
            "no account can be made for you: there is one of your name here that is not of the "
            "single sign-on, or the name will not do; ask an administrator of this clinic"
        ) from error
    session.add(Identity(issuer=issuer, subject=person.subject, user_id=actor.user_id, created=now))
    user = session.get_one(User, actor.user_id)
    _record(session, "make user", user, role, now)
    return user


def _record(session: Session, action: str, user: User, role: Role, now: datetime) -> None:
    audit.record(session, "single sign-on", action, f"user {user.id}", {"role": role}, now)
