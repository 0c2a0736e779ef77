"""Users, their password links, second factors and API tokens, for administrators."""

from collections.abc import Container
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.fields import Identifier, Text
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.responses import column_values, get_or_404
from pneumoscope.clinic.api.security import Administrator, ClinicDep
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.identity import accounts, credentials, password_reset, second_factor
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.storage import tables

router = APIRouter(prefix="/v1", tags=["users"])

_Name = Annotated[Text, Field(min_length=1, max_length=100)]


class NewUser(BaseModel):
    """User to create; people choose a password with a link, programs get API tokens."""

    model_config = ConfigDict(extra="forbid")

    name: _Name
    role: Role


class UserUpdate(BaseModel):
    """Change of a user; what is null stays as it is."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    active: Annotated[bool | None, Field(description="false deactivates the account, for good")] = (
        None
    )


class User(BaseModel):
    """Account of a person or a program."""

    id: str
    name: str
    role: Role
    active: bool
    created: datetime
    has_password: bool
    second_factor: bool


class PasswordLink(BaseModel):
    """Token of a password link, shown once, for the page ``/password#`` or POST /v1/password."""

    token: str
    expires: datetime


class NewToken(BaseModel):
    """API token to create."""

    name: _Name
    days: Annotated[
        int, Field(ge=1, le=credentials.MAX_TOKEN_DAYS, description="lifetime in days")
    ] = 90


class Token(BaseModel):
    """API token; ``token`` is shown once, when it is created."""

    id: str
    name: str
    expires: datetime | None
    revoked: datetime | None
    token: str | None = None


@router.get("/users")
def list_users(clinic: ClinicDep, _: Administrator) -> list[User]:
    """List the users."""
    with clinic.database.reading() as session:
        users = accounts.list_users(session)
        secured = second_factor.users_with_second_factor(session, *(user.id for user in users))
        return [_user_response(user, secured) for user in users]


@router.post("/users", status_code=HTTPStatus.CREATED)
def create_user(clinic: ClinicDep, actor: Administrator, new: NewUser) -> User:
    """Create a user."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        user_id = accounts.create_user(session, new.name, new.role, None, now).user_id
        user = _user_response(session.get_one(tables.User, user_id), set())
        detail = {"role": new.role}
        audit.record(session, actor.name, Action.CREATE_USER, f"user {user.id}", detail, now)
        return user


@router.patch("/users/{user_id}")
def update_user(
    clinic: ClinicDep, actor: Administrator, user_id: Identifier, update: UserUpdate
) -> User:
    """Change a user's role, or deactivate the account.

    Deactivation ends the user's sessions and API tokens.
    """
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        row = get_or_404(session, tables.User, user_id)
        if update.active and not row.active:
            raise ProblemError(
                HTTPStatus.CONFLICT, "a deactivated account stays so; create a new one"
            )
        if update.role is not None:
            accounts.set_role(session, user_id, update.role)
        if update.active is False:
            accounts.deactivate(session, user_id, now)
        session.flush()
        session.refresh(row)
        user = _user_response(row, second_factor.users_with_second_factor(session, user_id))
        detail = {"changed": update.model_dump(exclude_none=True)}
        audit.record(session, actor.name, Action.CHANGE_USER, f"user {user_id}", detail, now)
        return user


@router.post("/users/{user_id}/password-link", status_code=HTTPStatus.CREATED)
def create_password_link(
    clinic: ClinicDep, actor: Administrator, user_id: Identifier
) -> PasswordLink:
    """Create a link with which a user chooses a password.

    It works once and lasts 24 hours.
    """
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        get_or_404(session, tables.User, user_id)
        token = password_reset.create_reset_token(session, user_id, now)
        audit.record(session, actor.name, Action.CREATE_PASSWORD_LINK, f"user {user_id}", {}, now)
    return PasswordLink(token=token, expires=now + password_reset.LINK_LIFETIME)


@router.delete("/users/{user_id}/second-factor", status_code=HTTPStatus.NO_CONTENT)
def reset_second_factor(clinic: ClinicDep, actor: Administrator, user_id: Identifier) -> None:
    """Remove the second factor of a user who has lost it.

    The user's sessions end.
    """
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        get_or_404(session, tables.User, user_id)
        second_factor.remove(session, user_id)
        accounts.end_sessions(session, user_id)
        audit.record(session, actor.name, Action.RESET_SECOND_FACTOR, f"user {user_id}", {}, now)


@router.get("/users/{user_id}/tokens")
def list_tokens(clinic: ClinicDep, _: Administrator, user_id: Identifier) -> list[Token]:
    """List a user's API tokens, the newest first, expired and revoked ones included."""
    with clinic.database.reading() as session:
        get_or_404(session, tables.User, user_id)
        return [
            Token(**column_values(row, Token)) for row in credentials.tokens_of(session, user_id)
        ]


@router.post("/users/{user_id}/tokens", status_code=HTTPStatus.CREATED)
def create_token(
    clinic: ClinicDep, actor: Administrator, user_id: Identifier, new: NewToken
) -> Token:
    """Create an API token for a user."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        get_or_404(session, tables.User, user_id)
        token_id, secret = credentials.issue_token(session, user_id, new.name, now, new.days)
        session.flush()
        row = session.get_one(tables.ApiToken, token_id)
        token = Token(**column_values(row, Token), token=secret)
        detail = {"user": user_id, "days": new.days}
        audit.record(session, actor.name, Action.ISSUE_TOKEN, f"token {token_id}", detail, now)
        return token


@router.delete("/tokens/{token_id}", status_code=HTTPStatus.NO_CONTENT)
def revoke_token(clinic: ClinicDep, actor: Administrator, token_id: Identifier) -> None:
    """Revoke an API token."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        credentials.revoke_token(session, token_id, now)
        audit.record(session, actor.name, Action.REVOKE_TOKEN, f"token {token_id}", {}, now)


def _user_response(row: tables.User, secured: Container[str]) -> User:
    return User(
        **column_values(row, User),
        has_password=row.password_hash is not None,
        second_factor=row.id in secured,
    )
