"""What proves who sends a request: a browser's session, or a program's API token.

Both are 256 random bits of which only the SHA-256 is kept: who reads the database can use none.
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

UNUSED_FOR = timedelta(minutes=15)
"""A session ends when it was not used for so long."""

IN_ALL = timedelta(hours=12)
"""A session ends so long after signing in, used or not."""

TOKEN_PREFIX = "pns_"
"""By which those who search files for secrets know an API token."""

MOST_DAYS = 366
"""That an API token may be valid."""

_TOUCH_EVERY = timedelta(minutes=1)
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Browser:
    """By what people know a session of theirs again."""

    address: str | None = None
    agent: str | None = None
    """What it calls itself."""


@dataclass(frozen=True)
class SignedIn:
    """A browser's session that holds."""

    actor: Actor
    csrf: str
    """What a form or script of our own pages sends along, and no other site can."""
    touch_due: bool
    """Whether its last use is to be written down: `touch`, in a transaction that writes."""


def new_token() -> str:
    """Return 256 random bits as text that fits into an URL and a cookie."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """Return what is kept of a token: its SHA-256 in hexadecimal.

    Examples
    --------
    >>> digest("abc")
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    """
    return sha256(token.encode()).hexdigest()


def open_session(
    session: Session, actor: Actor, now: datetime, browser: Browser | None = None
) -> tuple[str, str]:
    """Return the token of a new session, for its cookie, and its CSRF token.

    It belongs into the transaction that signed the actor in: a change of password at the same
    moment then ends it too. The actor's sessions that have run out are removed.

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
    ...     print(actor_of_session(session, token, now + UNUSED_FOR))
    True
    None
    >>> with database.writing() as session:
    ...     touch(session, token, now + timedelta(minutes=10))
    ...     print(actor_of_session(session, token, now + UNUSED_FOR) is None)
    ...     close_session(session, token)
    ...     print(actor_of_session(session, token, now))
    False
    None
    """
    session.execute(
        delete(UserSession).where(UserSession.user_id == actor.user_id, not_(_holds(now)))
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


def actor_of_session(session: Session, token: str, now: datetime) -> SignedIn | None:
    """Return who is signed in by a session's token, or None if it does not hold any more."""
    found = session.execute(
        select(User, UserSession.csrf, UserSession.last_seen)
        .join(UserSession, UserSession.user_id == User.id)
        .where(UserSession.token_sha256 == digest(token), User.active, _holds(now))
    ).one_or_none()
    if found is None:
        return None
    user, csrf, last_seen = found
    return SignedIn(actor_of(user), csrf, touch_due=last_seen <= now - _TOUCH_EVERY)


def touch(session: Session, token: str, now: datetime) -> None:
    """Write down that a session was used now; one that has run out stays so."""
    session.execute(
        update(UserSession)
        .where(UserSession.token_sha256 == digest(token), _holds(now))
        .values(last_seen=now)
    )


def close_session(session: Session, token: str) -> None:
    """Sign one browser out; `accounts.end_sessions` signs out all of a user's."""
    session.execute(delete(UserSession).where(UserSession.token_sha256 == digest(token)))


def sessions_of(session: Session, user_id: str, now: datetime) -> Sequence[UserSession]:
    """Return a user's sessions that hold, the one that was used last first."""
    return session.scalars(
        select(UserSession)
        .where(UserSession.user_id == user_id, _holds(now))
        .order_by(UserSession.last_seen.desc(), UserSession.token_sha256)
    ).all()


def end_session(session: Session, user_id: str, session_id: str) -> bool:
    """End one of a user's sessions, by its identifier; tell whether there was such a one.

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
    ...     one = sessions_of(session, anna.user_id, now)[0]
    ...     print(one.address, end_session(session, anna.user_id, session_id(one)))
    ...     print(end_session(session, anna.user_id, session_id(one)))
    192.0.2.7 True
    False
    """
    ended = delete(UserSession).where(
        UserSession.user_id == user_id, UserSession.token_sha256.startswith(session_id)
    )
    return session.scalars(ended.returning(UserSession.csrf)).first() is not None


def session_id(one: UserSession) -> str:
    """Return the identifier of a session: a part of what is kept of its token, of no use for it."""
    return one.token_sha256[:32]


def issue_token(
    session: Session, user_id: str, name: str, now: datetime, days: int
) -> tuple[str, str]:
    """Return the identifier of a new API token, and the token, which is shown this once.

    Parameters
    ----------
    session
        In a transaction that writes.
    user_id
        As whom it signs in.
    name
        By which its owner knows it again.
    now
        With a time zone.
    days
        That it is valid, 1 to 366.

    Raises
    ------
    ClinicError
        If there is no such active user, or the name or the days are out of range.

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
    ...     print([one.name for one in tokens_of(session, pacs.user_id)])
    pns_ True
    None
    ['archive']
    """
    if not 1 <= days <= MOST_DAYS:
        raise ClinicError(f"an API token is valid for 1 to {MOST_DAYS} days; choose so many")
    if not (0 < len(name) <= _LONGEST_NAME and name.isprintable()):
        raise ClinicError(f"the name of an API token has 1 to {_LONGEST_NAME} visible characters")
    user = session.get(User, user_id)
    if user is None or not user.active:
        raise ClinicError("there is no active user of this identifier to issue an API token to")
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
    """Return as whom an API token signs in, or None if it does not hold any more."""
    user = session.scalars(
        select(User)
        .join(ApiToken, ApiToken.user_id == User.id)
        .where(ApiToken.token_sha256 == digest(token), User.active, _is_valid(now))
    ).one_or_none()
    return actor_of(user) if user else None


def users_of_tokens(session: Session, digests: Collection[str], now: datetime) -> dict[str, Actor]:
    """Return who is signed in by which of many sessions and API tokens, those that still hold.

    Parameters
    ----------
    session
        To look with.
    digests
        Of the tokens, as `digest` gives them.
    now
        With a time zone.

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
    ...     found = users_of_tokens(session, [digest(one) for one in (cookie, token, "other")], now)
    ...     print(found == {digest(cookie): anna, digest(token): anna})
    True
    """
    by_session = (
        select(UserSession.token_sha256, User)
        .join(User, UserSession.user_id == User.id)
        .where(UserSession.token_sha256.in_(digests), User.active, _holds(now))
    )
    by_token = (
        select(ApiToken.token_sha256, User)
        .join(User, ApiToken.user_id == User.id)
        .where(ApiToken.token_sha256.in_(digests), User.active, _is_valid(now))
    )
    return {
        proof: actor_of(user)
        for statement in (by_session, by_token)
        for proof, user in session.execute(statement)
    }


def revoke_token(session: Session, token_id: str, now: datetime) -> None:
    """Let an API token in no more.

    Raises
    ------
    ClinicError
        If there is none of this identifier.
    """
    token = session.get(ApiToken, token_id)
    if token is None:
        raise ClinicError("there is no API token of this identifier; look it up in the list")
    token.revoked = token.revoked or now


def tokens_of(session: Session, user_id: str) -> Sequence[ApiToken]:
    """Return a user's API tokens, the newest first, also those that do not hold any more."""
    return session.scalars(
        select(ApiToken)
        .where(ApiToken.user_id == user_id)
        .order_by(ApiToken.created.desc(), ApiToken.id)
    ).all()


def _holds(now: datetime) -> ColumnElement[bool]:
    return and_(UserSession.last_seen > now - UNUSED_FOR, UserSession.created > now - IN_ALL)


def _is_valid(now: datetime) -> ColumnElement[bool]:
    return and_(ApiToken.revoked.is_(None), ApiToken.expires > now)
