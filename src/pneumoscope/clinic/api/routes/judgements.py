"""Judgements of readings by clinicians."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.access_log import record_access
from pneumoscope.clinic.api.fields import Identifier, Text
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.responses import column_values, get_or_404
from pneumoscope.clinic.api.security import (
    ClinicDep,
    StaffMember,
    require_not_purged,
    require_not_withdrawn,
    visibility,
)
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.storage import tables
from pneumoscope.clinic.worklist.judgements import (
    JudgementAnswer,
    JudgementContent,
    Opinion,
    Reason,
    Truth,
    judgement_history,
    names_of_others,
    record_judgement,
)
from pneumoscope.clinic.worklist.study_locks import StaleVersionError

router = APIRouter(prefix="/v1", tags=["judgements"])


class NewJudgement(BaseModel):
    """Judgement to record: an ``answer`` to a reading, or an ``opinion`` where it is withheld.

    ``study_version`` is the version of the image's study as you saw it; if patient or images of the
    study were changed since, the answer is 409 and nothing is saved.

    An uncertain finding, or none, needs ``truth`` to give a label. Of an image that was not read,
    ``answer`` says whether that was right.
    """

    model_config = ConfigDict(extra="forbid")

    study_version: int
    answer: JudgementAnswer | None = None
    opinion: Opinion | None = None
    truth: Truth | None = None
    reason: Reason | None = None
    text: Annotated[Text | None, Field(max_length=4000)] = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.answer is None) == (self.opinion is None):
            raise ValueError("give either an answer or an opinion")
        if self.opinion is not None and self.truth is not None:
            raise ValueError("an opinion is the class of the image; leave truth out")
        return self


class Judgement(BaseModel):
    """Judgement of an image by one person; a changed mind is a further version.

    ``answer`` is given to the reading, ``opinion`` while it is withheld. ``blind``: an opinion
    whose author had never been shown the reading; only such ones measure it. ``study_version`` is
    that of the study as the author saw it.
    """

    user: str
    name: str
    version: int
    study_version: int | None
    answer: JudgementAnswer | None
    opinion: Opinion | None
    blind: bool
    truth: Truth | None
    reason: Reason | None
    text: str | None
    created: datetime


class SavedJudgement(Judgement):
    """Judgement as it was saved; ``others`` names who else judged the image a moment ago.

    Theirs is kept, too.
    """

    others: list[str]


@router.post("/images/{image_id}/judgements", status_code=HTTPStatus.CREATED)
def create_judgement(
    clinic: ClinicDep, actor: StaffMember, image_id: Identifier, new: NewJudgement
) -> SavedJudgement:
    """Judge a reading, give an opinion where it is withheld, or change an earlier judgement."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        image = get_or_404(session, tables.Image, image_id)
        require_not_purged(image.purged)
        require_not_withdrawn(image.withdrawn)
        withheld = visibility(session, actor, [image.study]).withheld_image(image)
        if withheld and new.answer is not None:
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "this reading is not shown to you, so that you cannot agree or disagree with it; "
                "send your own opinion of the image instead",
            )
        if not withheld and new.opinion is not None:
            raise ProblemError(
                HTTPStatus.CONFLICT,
                "this reading is shown by now; say whether you agree with it, with an answer",
            )
        user = session.get_one(tables.User, actor.user_id)
        content = JudgementContent(**new.model_dump(exclude={"study_version"}))
        try:
            row = record_judgement(session, actor, image, content, new.study_version, now)
        except StaleVersionError as error:
            raise ProblemError(HTTPStatus.CONFLICT, str(error)) from error
        others = names_of_others(session, actor, image, now)
        detail = {"version": row.version, "answer": row.answer}
        if row.opinion is not None:
            detail = {"version": row.version, "opinion": row.opinion}
        audit.record(session, actor.name, Action.JUDGE, f"image {image_id}", detail, now)
        return SavedJudgement(**dict(_judgement_response(row, user)), others=others)


@router.get("/images/{image_id}/judgements")
def list_judgements(clinic: ClinicDep, actor: StaffMember, image_id: Identifier) -> list[Judgement]:
    """List the judgements of an image, in all versions, the oldest first.

    While findings of the study are withheld from you, only your own: those of others would tell of
    the reading, and would bias your opinion.
    """
    with clinic.database.reading() as session:
        image = get_or_404(session, tables.Image, image_id)
        only_own = visibility(session, actor, [image.study]).withheld(image.study) is not None
        require_not_withdrawn(image.withdrawn)
        judgements = [
            _judgement_response(row, session.get_one(tables.User, row.user_id))
            for row in judgement_history(session, image_id)
            if not only_own or row.user_id == actor.user_id
        ]
    record_access(clinic, actor, Action.VIEW_JUDGEMENTS, f"image {image_id}")
    return judgements


def _judgement_response(row: tables.Judgement, user: tables.User) -> Judgement:
    return Judgement(**column_values(row, Judgement), user=user.id, name=user.name)
