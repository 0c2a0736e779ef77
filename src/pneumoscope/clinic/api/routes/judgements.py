"""What people say of readings."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.access_log import note_seen
from pneumoscope.clinic.api.fields import Identifier, Text
from pneumoscope.clinic.api.lookup import existing
from pneumoscope.clinic.api.security import Person, TheClinic, require_kept, require_shown
from pneumoscope.clinic.storage.tables import Image, Judgement, User
from pneumoscope.clinic.worklist.judgements import Answer, Opinion, Reason, Truth, history, judge

router = APIRouter(prefix="/v1", tags=["judgements"])


class NewJudgement(BaseModel):
    """An opinion; ``truth`` is needed where the finding is uncertain or the image was not read."""

    model_config = ConfigDict(extra="forbid")

    answer: Answer
    truth: Truth | None = None
    reason: Reason | None = None
    text: Annotated[Text | None, Field(max_length=4000)] = None

    def opinion(self) -> Opinion:
        """Return it as it is kept."""
        return Opinion(self.answer, self.truth, self.reason, self.text)


class JudgementView(BaseModel):
    """What somebody said, in which version."""

    user: str
    name: str
    version: int
    answer: Answer
    truth: Truth | None
    reason: Reason | None
    text: str | None
    created: datetime

    @classmethod
    def of(cls, judgement: Judgement, user: User) -> "JudgementView":
        """Show a judgement of a user."""
        said = {one: getattr(judgement, one) for one in cls.model_fields if one not in _WHO}
        return cls(user=user.id, name=user.name, **said)


_WHO = {"user", "name"}


@router.post("/images/{image_id}/judgements", status_code=HTTPStatus.CREATED)
def give(
    clinic: TheClinic, actor: Person, image_id: Identifier, given: NewJudgement
) -> JudgementView:
    """Say whether a reading is right; once more to change one's mind."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        image = existing(session, Image, image_id)
        require_shown(image.study, actor)
        require_kept(image.purged)
        user = session.get_one(User, actor.user_id)
        kept = JudgementView.of(judge(session, actor, image, given.opinion(), now), user)
        detail = {"version": kept.version, "answer": kept.answer}
        audit.record(session, actor.name, "judge", f"image {image_id}", detail, now)
        return kept


@router.get("/images/{image_id}/judgements")
def given(clinic: TheClinic, actor: Person, image_id: Identifier) -> list[JudgementView]:
    """Return all that was ever said of an image's reading, the first first."""
    with clinic.database.reading() as session:
        image = existing(session, Image, image_id)
        require_shown(image.study, actor)
        said = [
            JudgementView.of(one, session.get_one(User, one.user_id))
            for one in history(session, image_id)
        ]
    note_seen(clinic, actor, "see judgements", f"image {image_id}")
    return said
