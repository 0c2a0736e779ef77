"""What administrators do: users, their tokens, and sites."""

from collections.abc import Container
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.fields import Identifier, Text
from pneumoscope.clinic.api.lookup import existing
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.security import Administrator, Anyone, TheClinic
from pneumoscope.clinic.identity import accounts, credentials, password_reset, second_factor
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.storage.tables import Site, User

router = APIRouter(prefix="/v1", tags=["administration"])

_Name = Annotated[Text, Field(min_length=1, max_length=100)]


class NewUser(BaseModel):
    """A user to be made; people then choose a password with a link, programs get API tokens."""

    model_config = ConfigDict(extra="forbid")

    name: _Name
    role: Role


class Change(BaseModel):
    """What is to be changed of a user; what is null stays."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    active: Annotated[bool | None, Field(description="false ends sessions and tokens")] = None


class UserView(BaseModel):
    """A user."""

    id: str
    name: str
    role: Role
    active: bool
    created: datetime
    has_password: bool
    second_factor: bool


class PasswordLinkView(BaseModel):
    """A link, shown once: the page's ``/password#`` with this token, or ``POST /v1/password``."""

    token: str
    expires: datetime


class NewToken(BaseModel):
    """An API token to be issued."""

    name: _Name
    days: Annotated[int, Field(ge=1, le=credentials.MOST_DAYS)] = 90


class TokenView(BaseModel):
    """An API token; ``token`` is shown once, when it is issued."""

    id: str
    name: str
    expires: datetime | None
    revoked: datetime | None
    token: str | None = None


class NewSite(BaseModel):
    """A site to be made; its readings are hidden from those who treat, until they are displayed."""

    name: _Name


class Display(BaseModel):
    """Whether readings of a site are shown to those who treat."""

    displayed: bool


class SiteView(BaseModel):
    """A site."""

    id: str
    name: str
    displayed: bool


@router.get("/users")
def users(clinic: TheClinic, _: Administrator) -> list[UserView]:
    """List the users."""
    with clinic.database.reading() as session:
        found = accounts.users(session)
        secured = second_factor.active(session, *(user.id for user in found))
        return [_user_view(user, secured) for user in found]


@router.post("/users", status_code=HTTPStatus.CREATED)
def make_user(clinic: TheClinic, administrator: Administrator, new: NewUser) -> UserView:
    """Make a user."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        actor = accounts.create_user(session, new.name, new.role, None, now)
        shown = _user_view(session.get_one(User, actor.user_id), set())
        detail = {"role": new.role}
        audit.record(session, administrator.name, "make user", f"user {shown.id}", detail, now)
        return shown


@router.patch("/users/{user_id}")
def change_user(
    clinic: TheClinic, administrator: Administrator, user_id: Identifier, change: Change
) -> UserView:
    """Change a user's role, or take the account away."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        user = existing(session, User, user_id)
        if change.active and not user.active:
            raise ProblemError(
                HTTPStatus.CONFLICT, "an account that was taken away stays so; make a new one"
            )
        if change.role is not None:
            accounts.set_role(session, user_id, change.role)
        if change.active is False:
            accounts.deactivate(session, user_id, now)
        session.flush()
        session.refresh(user)
        shown = _user_view(user, second_factor.active(session, user_id))
        detail = {"changed": change.model_dump(exclude_none=True)}
        audit.record(session, administrator.name, "change user", f"user {user_id}", detail, now)
        return shown


@router.post("/users/{user_id}/password-link", status_code=HTTPStatus.CREATED)
def make_password_link(
    clinic: TheClinic, administrator: Administrator, user_id: Identifier
) -> PasswordLinkView:
    """Make a link with which a user chooses a password, once, within 24 hours."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        existing(session, User, user_id)
        token = password_reset.password_token(session, user_id, now)
        audit.record(session, administrator.name, "make password link", f"user {user_id}", {}, now)
    return PasswordLinkView(token=token, expires=now + password_reset.VALID_FOR)


@router.delete("/users/{user_id}/second-factor", status_code=HTTPStatus.NO_CONTENT)
def reset_second_factor(
    clinic: TheClinic, administrator: Administrator, user_id: Identifier
) -> None:
    """Have a user who has lost it sign in without a second factor; open sessions end."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        existing(session, User, user_id)
        second_factor.remove(session, user_id)
        accounts.end_sessions(session, user_id)
        audit.record(session, administrator.name, "reset second factor", f"user {user_id}", {}, now)


@router.get("/users/{user_id}/tokens")
def tokens(clinic: TheClinic, _: Administrator, user_id: Identifier) -> list[TokenView]:
    """List a user's API tokens, the newest first, also those that do not hold any more."""
    with clinic.database.reading() as session:
        existing(session, User, user_id)
        return [
            TokenView(id=one.id, name=one.name, expires=one.expires, revoked=one.revoked)
            for one in credentials.tokens_of(session, user_id)
        ]


@router.post("/users/{user_id}/tokens", status_code=HTTPStatus.CREATED)
def issue_token(
    clinic: TheClinic, administrator: Administrator, user_id: Identifier, new: NewToken
) -> TokenView:
    """Issue an API token for a user."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        existing(session, User, user_id)
        token_id, token = credentials.issue_token(session, user_id, new.name, now, new.days)
        session.flush()
        kept = next(one for one in credentials.tokens_of(session, user_id) if one.id == token_id)
        shown = TokenView(
            id=token_id, name=kept.name, expires=kept.expires, revoked=None, token=token
        )
        detail = {"user": user_id, "days": new.days}
        audit.record(session, administrator.name, "issue token", f"token {token_id}", detail, now)
        return shown


@router.delete("/tokens/{token_id}", status_code=HTTPStatus.NO_CONTENT)
def revoke_token(clinic: TheClinic, administrator: Administrator, token_id: Identifier) -> None:
    """Revoke an API token."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        credentials.revoke_token(session, token_id, now)
        audit.record(session, administrator.name, "revoke token", f"token {token_id}", {}, now)


@router.get("/sites")
def sites(clinic: TheClinic, _: Anyone) -> list[SiteView]:
    """List the sites, for whoever hands in files of one or asks for its figures."""
    with clinic.database.reading() as session:
        return [_site_view(site) for site in session.scalars(select(Site).order_by(Site.name))]


@router.post("/sites", status_code=HTTPStatus.CREATED)
def make_site(clinic: TheClinic, administrator: Administrator, new: NewSite) -> SiteView:
    """Make a site, in shadow mode."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        if session.scalar(select(Site).where(Site.name == new.name)) is not None:
            raise ProblemError(HTTPStatus.CONFLICT, "there is a site of this name; take another")
        site = Site(name=new.name)
        session.add(site)
        session.flush()
        audit.record(session, administrator.name, "make site", f"site {site.id}", {}, now)
        return _site_view(site)


@router.patch("/sites/{site_id}")
def display_site(
    clinic: TheClinic, administrator: Administrator, site_id: Identifier, display: Display
) -> SiteView:
    """Show a site's readings to those who treat, or hide them."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        site = existing(session, Site, site_id)
        site.displayed = display.displayed
        detail = {"displayed": display.displayed}
        audit.record(session, administrator.name, "display site", f"site {site_id}", detail, now)
        return _site_view(site)


def _user_view(user: User, secured: Container[str]) -> UserView:
    return UserView(
        id=user.id,
        name=user.name,
        role=Role(user.role),
        active=user.active,
        created=user.created,
        has_password=user.password_hash is not None,
        second_factor=user.id in secured,
    )


def _site_view(site: Site) -> SiteView:
    return SiteView(id=site.id, name=site.name, displayed=site.displayed)
