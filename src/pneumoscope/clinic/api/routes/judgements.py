"""Judgements of readings by clinicians."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.access_log import record_access
from pneumoscope.clinic.api.fields import Identifier, Text
from pneumoscope.clinic.api.responses import column_values, get_or_404
from pneumoscope.clinic.api.security import (
    ClinicDep,
    StaffMember,
    require_not_purged,
    require_not_withdrawn,
    require_visible,
)
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.storage import tables
from pneumoscope.clinic.worklist.judgements import (
    JudgementAnswer,
    JudgementContent,
    Reason,
    Truth,
    judgement_history,
    record_judgement,
)

router = APIRouter(prefix="/v1", tags=["judgements"])


class NewJudgement(BaseModel):
    """Judgement to record; an uncertain finding, or none, needs ``truth`` to give a label.

    Of an image that was not read, ``answer`` says whether that was right.
    """

    model_config = ConfigDict(extra="forbid")

    answer: JudgementAnswer
    truth: Truth | None = None
    reason: Reason | None = None
    text: Annotated[Text | None, Field(max_length=4000)] = None


class Judgement(BaseModel):
    """Judgement of a reading by one person; a changed mind is a further version."""

    user: str
    name: str
    version: int
    answer: JudgementAnswer
    truth: Truth | None
    reason: Reason | None
    text: str | None
    created: datetime


@router.post("/images/{image_id}/judgements", status_code=HTTPStatus.CREATED)
def create_judgement(
    clinic: ClinicDep, actor: StaffMember, image_id: Identifier, new: NewJudgement
) -> Judgement:
    """Judge a reading, or change an earlier judgement."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        image = get_or_404(session, tables.Image, image_id)
        require_visible(image.study, actor)
        require_not_purged(image.purged)
        require_not_withdrawn(image.withdrawn)
        user = session.get_one(tables.User, actor.user_id)
        row = record_judgement(session, actor, image, JudgementContent(**dict(new)), now)
        judgement = _judgement_response(row, user)
        detail = {"version": judgement.version, "answer": judgement.answer}
        audit.record(session, actor.name, Action.JUDGE, f"image {image_id}", detail, now)
        return judgement


@router.get("/images/{image_id}/judgements")
def list_judgements(clinic: ClinicDep, actor: StaffMember, image_id: Identifier) -> list[Judgement]:
    """List all judgements of an image's reading, in all versions, the oldest first."""
    with clinic.database.reading() as session:
        image = get_or_404(session, tables.Image, image_id)
        require_visible(image.study, actor)
        require_not_withdrawn(image.withdrawn)
        judgements = [
            _judgement_response(row, session.get_one(tables.User, row.user_id))
            for row in judgement_history(session, image_id)
        ]
    record_access(clinic, actor, Action.VIEW_JUDGEMENTS, f"image {image_id}")
    return judgements


def _judgement_response(row: tables.Judgement, user: tables.User) -> Judgement:
    return Judgement(**column_values(row, Judgement), user=user.id, name=user.name)
