"""What people do with their own accounts."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from pneumoscope.clinic import accounts, audit, password_link
from pneumoscope.clinic.accounts import Role
from pneumoscope.clinic.api.inputs import Text
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.security import Person, TheCaller, TheClinic
from pneumoscope.clinic.api.sessions import slowly
from pneumoscope.clinic.sign_in import Compared, compare, confirm
from pneumoscope.clinic.tables import User

router = APIRouter(prefix="/v1", tags=["account"])

Password = Annotated[Text, Field(max_length=256)]


class AccountView(BaseModel):
    """One's own account; without a password if one signs in by the single sign-on or by token."""

    name: str
    role: Role
    has_password: bool


class NewPassword(BaseModel):
    """Another password, and the one that it replaces."""

    old: Password
    new: Password


class ChosenPassword(BaseModel):
    """A password, and the token of the link with which it is chosen."""

    token: Annotated[Text, Field(max_length=100)]
    password: Password


@router.get("/account")
def account(clinic: TheClinic, actor: Person) -> AccountView:
    """Show one's own account."""
    with clinic.database.reading() as session:
        user = session.get_one(User, actor.user_id)
        has_password = user.password_hash is not None
    return AccountView(name=actor.name, role=actor.role, has_password=has_password)


@router.put("/account/password", status_code=HTTPStatus.NO_CONTENT, dependencies=[Depends(slowly)])
def change_password(
    clinic: TheClinic, actor: Person, caller: TheCaller, passwords: NewPassword
) -> None:
    """Choose another password, with the old one; all other sessions of the account end."""
    kept = accounts.new_password(clinic.database, actor.name, passwords.new)
    compared = compare(clinic.database, actor.name, passwords.old)
    now = datetime.now(UTC)
    with clinic.database.writing() as session:  # kept also if it fails: tries are counted
        right = confirm(session, compared, now)
        if right:
            accounts.set_password(session, actor.user_id, kept, keep=caller.proof)
        action = "change password" if right else "fail to change password"
        audit.record(session, actor.name, action, f"user {actor.user_id}", {}, now)
    _require(right, compared)


@router.post("/password", status_code=HTTPStatus.NO_CONTENT, dependencies=[Depends(slowly)])
def choose_password(clinic: TheClinic, chosen: ChosenPassword) -> None:
    """Choose a password, with the link that an administrator handed over; open sessions end."""
    now = datetime.now(UTC)
    with clinic.database.reading() as session:
        name = password_link.holder(session, chosen.token, now).name
    kept = accounts.new_password(clinic.database, name, chosen.password)
    with clinic.database.writing() as session:
        actor = password_link.follow(session, chosen.token, now)
        accounts.set_password(session, actor.user_id, kept)
        audit.record(session, actor.name, "choose password", f"user {actor.user_id}", {}, now)


def _require(right: bool, compared: Compared) -> None:
    """Stop who could not prove who they are.

    Raises
    ------
    ProblemError
        409 if the account has no password; 403, not 401: the session goes on.
    """
    if compared.against is None:
        raise ProblemError(
            HTTPStatus.CONFLICT,
            "this account has no password here; an administrator can make a link to choose one",
        )
    if not right:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "the password is wrong, or the account is locked for a while after too many tries",
        )
