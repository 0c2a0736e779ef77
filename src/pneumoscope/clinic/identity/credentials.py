"""Credentials of requests: browser sessions and API tokens.

Tokens are 256 random bits. Only their SHA-256 is stored, so a stolen database contains none that
can be used.
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import ColumnElement, and_, delete, not_, select, update
from sqlalchemy.orm import Session

from pneumoscope.clinic.identity.accounts import Actor, actor_of
from pneumoscope.clinic.storage.table_base import new_id
from pneumoscope.clinic.storage.tables import ApiToken, User, UserSession
from pneumoscope.support.errors import ClinicError

SESSION_IDLE = timedelta(minutes=15)
"""Time without a request after which a session ends."""

SESSION_LIFETIME = timedelta(hours=12)
"""Time after signing in at which a session ends, used or not."""

TOKEN_PREFIX = "pns_"
"""Prefix of API tokens, by which secret scanners recognise them."""

MAX_TOKEN_DAYS = 366
"""Longest lifetime of an API token."""

_TOUCH_INTERVAL = timedelta(minutes=1)
_MAX_NAME_LENGTH = 100


@dataclass(frozen=True)
class Browser:
    """Browser of a session, for its user to recognise."""

    address: str | None = None
    """IP address."""
    agent: str | None = None
    """User-Agent header."""


@dataclass(frozen=True)
class ActiveSession:
    """Valid session of a browser."""

    actor: Actor
    csrf: str
    """CSRF token, which only the server's own pages can send along."""
    touch_due: bool
    """Whether the time of last use is due for an update; see `touch`."""


def new_token() -> str:
    """Return 256 random bits as text that is safe in URLs and cookies."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal, the form in which it is stored.

    Examples
    --------
    >>> digest("abc")
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    """
    return sha256(token.encode()).hexdigest()


def open_session(
    session: Session, actor: Actor, now: datetime, browser: Browser | None = None
) -> tuple[str, str]:
    """Open a session and return its token, for the cookie, and its CSRF token.

    Call it in the transaction that signed the actor in, so that a simultaneous change of the
    password ends this session too. Expired sessions of the actor are deleted.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.identity.accounts import Role, create_user
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> now = datetime.now(UTC)
    >>> with database.writing() as session:
    ...     anna = create_user(session, "anna", Role.CLINICIAN, None, now)
    ...     token, csrf = open_session(session, anna, now)
    >>> with database.reading() as session:
    ...     print(actor_of_session(session, token, now).actor == anna)
    ...     print(actor_of_session(session, token, now + SESSION_IDLE))
    True
    None
    >>> with database.writing() as session:
    ...     touch(session, token, now + timedelta(minutes=10))
    ...     print(actor_of_session(session, token, now + SESSION_IDLE) is None)
    ...     close_session(session, token)
    ...     print(actor_of_session(session, token, now))
    False
    None
    """
    session.execute(
        delete(UserSession).where(UserSession.user_id == actor.user_id, not_(_is_open(now)))
    )
    token, csrf = new_token(), new_token()
    browser = browser or Browser()
    session.add(
        UserSession(
            token_sha256=digest(token),
            user_id=actor.user_id,
            csrf=csrf,
            created=now,
            last_seen=now,
            address=browser.address,
            agent=browser.agent,
        )
    )
    return token, csrf


def actor_of_session(session: Session, token: str, now: datetime) -> ActiveSession | None:
    """Return the open session with a token, or None."""
    row = session.execute(
        select(User, UserSession.csrf, UserSession.last_seen)
        .join(UserSession, UserSession.user_id == User.id)
        .where(UserSession.token_sha256 == digest(token), User.active, _is_open(now))
    ).one_or_none()
    if row is None:
        return None
    user, csrf, last_seen = row
    return ActiveSession(actor_of(user), csrf, touch_due=last_seen <= now - _TOUCH_INTERVAL)


def touch(session: Session, token: str, now: datetime) -> None:
    """Set the time of last use of a session that has not expired."""
    session.execute(
        update(UserSession)
        .where(UserSession.token_sha256 == digest(token), _is_open(now))
        .values(last_seen=now)
    )


def close_session(session: Session, token: str) -> None:
    """End the session with a token; `accounts.end_sessions` ends all sessions of a user."""
    session.execute(delete(UserSession).where(UserSession.token_sha256 == digest(token)))


def sessions_of(session: Session, user_id: str, now: datetime) -> Sequence[UserSession]:
    """Return a user's open sessions, most recently used first."""
    return session.scalars(
        select(UserSession)
        .where(UserSession.user_id == user_id, _is_open(now))
        .order_by(UserSession.last_seen.desc(), UserSession.token_sha256)
    ).all()


def end_session(session: Session, user_id: str, session_id: str) -> bool:
    """End the session of a user with an identifier; return whether there was one.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.identity.accounts import Role, create_user
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> now = datetime.now(UTC)
    >>> with database.writing() as session:
    ...     anna = create_user(session, "anna", Role.CLINICIAN, None, now)
    ...     _ = open_session(session, anna, now, Browser("192.0.2.7", "Firefox"))
    ...     opened = sessions_of(session, anna.user_id, now)[0]
    ...     print(opened.address, end_session(session, anna.user_id, session_id(opened)))
    ...     print(end_session(session, anna.user_id, session_id(opened)))
    192.0.2.7 True
    False
    """
    ended = delete(UserSession).where(
        UserSession.user_id == user_id, UserSession.token_sha256.startswith(session_id)
    )
    return session.scalars(ended.returning(UserSession.csrf)).first() is not None


def session_id(user_session: UserSession) -> str:
    """Return the identifier of a session: part of its token's digest, useless for signing in."""
    return user_session.token_sha256[:32]


def issue_token(
    session: Session, user_id: str, name: str, now: datetime, days: int
) -> tuple[str, str]:
    """Issue an API token; return its identifier and the token, which cannot be shown again.

    Raises
    ------
    ClinicError
        If there is no such active user, or the name or the lifetime is out of range.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.identity.accounts import Role, create_user
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> now = datetime.now(UTC)
    >>> with database.writing() as session:
    ...     pacs = create_user(session, "pacs", Role.SERVICE, None, now)
    ...     token_id, token = issue_token(session, pacs.user_id, "archive", now, days=90)
    ...     print(token[:4], actor_of_token(session, token, now) == pacs)
    ...     revoke_token(session, token_id, now)
    ...     print(actor_of_token(session, token, now))
    ...     print([api_token.name for api_token in tokens_of(session, pacs.user_id)])
    pns_ True
    None
    ['archive']
    """
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise ClinicError(f"choose a lifetime of 1 to {MAX_TOKEN_DAYS} days")
    if not (0 < len(name) <= _MAX_NAME_LENGTH and name.isprintable()):
        raise ClinicError(
            f"the name of an API token must have 1 to {_MAX_NAME_LENGTH} printable characters; "
            "choose another"
        )
    user = session.get(User, user_id)
    if user is None or not user.active:
        raise ClinicError("there is no active user with this identifier; see the list of users")
    token = TOKEN_PREFIX + new_token()
    issued = ApiToken(
        id=new_id(),
        token_sha256=digest(token),
        user_id=user_id,
        name=name,
        created=now,
        expires=now + timedelta(days=days),
    )
    session.add(issued)
    return issued.id, token


def actor_of_token(session: Session, token: str, now: datetime) -> Actor | None:
    """Return the user of a valid API token, or None."""
    user = session.scalars(
        select(User)
        .join(ApiToken, ApiToken.user_id == User.id)
        .where(ApiToken.token_sha256 == digest(token), User.active, _is_valid(now))
    ).one_or_none()
    return actor_of(user) if user else None


def users_of_tokens(session: Session, digests: Collection[str], now: datetime) -> dict[str, Actor]:
    """Return the users of those sessions and API tokens that are valid, by the token's digest.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pneumoscope.clinic.identity.accounts import Role, create_user
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> now = datetime.now(UTC)
    >>> with database.writing() as session:
    ...     anna = create_user(session, "anna", Role.CLINICIAN, None, now)
    ...     cookie, _ = open_session(session, anna, now)
    ...     _, token = issue_token(session, anna.user_id, "script", now, days=1)
    ...     session.flush()
    ...     digests = [digest(secret) for secret in (cookie, token, "invalid")]
    ...     actors = users_of_tokens(session, digests, now)
    ...     print(actors == {digest(cookie): anna, digest(token): anna})
    True
    """
    by_session = (
        select(UserSession.token_sha256, User)
        .join(User, UserSession.user_id == User.id)
        .where(UserSession.token_sha256.in_(digests), User.active, _is_open(now))
    )
    by_token = (
        select(ApiToken.token_sha256, User)
        .join(User, ApiToken.user_id == User.id)
        .where(ApiToken.token_sha256.in_(digests), User.active, _is_valid(now))
    )
    return {
        token_sha256: actor_of(user)
        for statement in (by_session, by_token)
        for token_sha256, user in session.execute(statement)
    }


def revoke_token(session: Session, token_id: str, now: datetime) -> None:
    """Revoke an API token, or raise ClinicError if there is none with this identifier."""
    token = session.get(ApiToken, token_id)
    if token is None:
        raise ClinicError(
            "there is no API token with this identifier; see the user's list of tokens"
        )
    token.revoked = token.revoked or now


def tokens_of(session: Session, user_id: str) -> Sequence[ApiToken]:
    """Return a user's API tokens, revoked and expired ones included, newest first."""
    return session.scalars(
        select(ApiToken)
        .where(ApiToken.user_id == user_id)
        .order_by(ApiToken.created.desc(), ApiToken.id)
    ).all()


def _is_open(now: datetime) -> ColumnElement[bool]:
    return and_(
        UserSession.last_seen > now - SESSION_IDLE,
        UserSession.created > now - SESSION_LIFETIME,
    )


def _is_valid(now: datetime) -> ColumnElement[bool]:
    return and_(ApiToken.revoked.is_(None), ApiToken.expires > now)
