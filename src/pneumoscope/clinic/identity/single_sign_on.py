"""Single sign-on: login attempts of browsers, and the accounts of users who sign in that way."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pneumoscope.clinic import audit
from pneumoscope.clinic.identity.accounts import Actor, Role, actor_of, create_user, set_role
from pneumoscope.clinic.identity.credentials import digest, new_token
from pneumoscope.clinic.identity.oidc import ExternalUser
from pneumoscope.clinic.storage.tables import Identity, PendingLogin, User
from pneumoscope.support.errors import ClinicError

LOGIN_LIFETIME = timedelta(minutes=10)
"""Time that a user may take to sign in at the identity provider."""

_MAX_SUBJECT_LENGTH = 255


class NotAdmittedError(ClinicError):
    """User of the identity provider who may not sign in here."""


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """Secrets of one login attempt."""

    state: str
    """OAuth 2.0 ``state``, returned by the identity provider."""
    browser_token: str
    """Cookie that binds the attempt to the browser that began it."""
    nonce: str
    """OpenID Connect ``nonce``, returned in the ID token."""
    verifier: str
    """PKCE code verifier."""


def begin_login(session: Session, now: datetime) -> LoginAttempt:
    """Begin a login attempt; expired attempts are deleted.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> now = datetime.now(UTC)
    >>> with database.writing() as session:
    ...     attempt = begin_login(session, now)
    ...     print(finish_callback(session, attempt.state, "another browser", now))
    ...     print(finish_callback(session, attempt.state, attempt.browser_token, now) == attempt)
    ...     print(finish_callback(session, attempt.state, attempt.browser_token, now))
    None
    True
    None
    """
    session.execute(delete(PendingLogin).where(PendingLogin.created <= now - LOGIN_LIFETIME))
    attempt = LoginAttempt(new_token(), new_token(), new_token(), new_token())
    session.add(
        PendingLogin(
            state_sha256=digest(attempt.state),
            browser_sha256=digest(attempt.browser_token),
            nonce=attempt.nonce,
            verifier=attempt.verifier,
            created=now,
        )
    )
    return attempt


def finish_callback(
    session: Session, state: str, browser_token: str, now: datetime
) -> LoginAttempt | None:
    """Return the attempt that a browser comes back from, once; None if it is unknown or expired."""
    row = session.execute(
        delete(PendingLogin)
        .where(
            PendingLogin.state_sha256 == digest(state),
            PendingLogin.browser_sha256 == digest(browser_token),
            PendingLogin.created > now - LOGIN_LIFETIME,
        )
        .returning(PendingLogin.nonce, PendingLogin.verifier)
    ).one_or_none()
    return None if row is None else LoginAttempt(state, browser_token, *row)


def provision_user(
    session: Session, issuer: str, external_user: ExternalUser, now: datetime
) -> Actor:
    """Return the account of a user of an issuer, created or updated as necessary.

    Changes go into the audit trail.

    Raises
    ------
    NotAdmittedError
        If the user has no role here or a deactivated account, or the name is taken or not allowed.
    ClinicError
        If the change of role would leave no administrator.
    """
    role, subject = external_user.role, external_user.subject
    if role is None:
        raise NotAdmittedError(
            "the single sign-on gives you no role here; ask its administrators, or an "
            "administrator of this clinic"
        )
    if not (len(subject) <= _MAX_SUBJECT_LENGTH and subject.isprintable()):
        raise NotAdmittedError(
            "the single sign-on sends an invalid identifier for you; ask its administrators"
        )
    user = _user_of_subject(session, issuer, subject)
    if user is None:
        user = _create_user(session, issuer, external_user, role, now)
    if not user.active:
        raise NotAdmittedError("this account was deactivated; ask an administrator of this clinic")
    if user.role != role:
        set_role(session, user.id, role)
        _record(session, audit.Action.CHANGE_USER, user, role, now)
    return actor_of(user)


def _user_of_subject(session: Session, issuer: str, subject: str) -> User | None:
    return session.scalars(
        select(User)
        .join(Identity, Identity.user_id == User.id)
        .where(Identity.issuer == issuer, Identity.subject == subject)
    ).one_or_none()


def _create_user(
    session: Session, issuer: str, external_user: ExternalUser, role: Role, now: datetime
) -> User:
    subject = external_user.subject
    try:
        actor = create_user(session, external_user.name, role, None, now)
    except ClinicError as error:
        # The same user may have signed in from another window at the same time.
        existing = _user_of_subject(session, issuer, subject)
        if existing is not None:
            return existing
        raise NotAdmittedError(
            "no account can be created for you: your name is taken by an account without single "
            "sign-on, or it is not allowed; ask an administrator of this clinic"
        ) from error
    session.add(Identity(issuer=issuer, subject=subject, user_id=actor.user_id, created=now))
    user = session.get_one(User, actor.user_id)
    _record(session, audit.Action.CREATE_USER, user, role, now)
    return user


def _record(session: Session, action: audit.Action, user: User, role: Role, now: datetime) -> None:
    audit.record(session, "single sign-on", action, f"user {user.id}", {"role": role}, now)
