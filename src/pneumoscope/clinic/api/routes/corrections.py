"""Corrections by reviewers: the patient of a study or an image, and images sent by mistake."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from pneumoscope.clinic import audit
from pneumoscope.clinic.api import schemas
from pneumoscope.clinic.api.access_log import record_access
from pneumoscope.clinic.api.fields import Identifier, StatedText
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.responses import (
    column_values,
    get_or_404,
    study_context,
    study_response,
)
from pneumoscope.clinic.api.security import (
    ClinicDep,
    Overseer,
    require_not_purged,
    require_not_withdrawn,
)
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.identity.accounts import Actor
from pneumoscope.clinic.queue.patient_identity import PatientIdentity
from pneumoscope.clinic.storage import tables
from pneumoscope.clinic.storage.withdrawal import Withdrawal
from pneumoscope.clinic.worklist import corrections, withdrawals
from pneumoscope.clinic.worklist.changes import note_new_study
from pneumoscope.support.errors import ClinicError

router = APIRouter(prefix="/v1", tags=["corrections"])


class PatientUpdate(BaseModel):
    """Patient whose study it really is; what is null is unknown, and empty texts are refused.

    Spaces around a text are removed, so that "K001 " is no other patient.
    ``version`` is that of the study as it was seen. ``images`` are those that are the patient's, if
    not all. ``confirmed`` says that a person has checked the patient, whose other studies state
    another name, birth date or sex.
    """

    model_config = ConfigDict(extra="forbid")

    version: int
    patient_id: Annotated[StatedText | None, Field(max_length=64)]
    patient_id_issuer: Annotated[StatedText | None, Field(max_length=64)]
    patient_name: Annotated[StatedText | None, Field(max_length=255)]
    birth_date: date | None
    sex: Annotated[StatedText | None, Field(max_length=16)]
    accession: Annotated[StatedText | None, Field(max_length=64)]
    images: Annotated[list[Identifier], Field(min_length=1, max_length=1000)] | None = None
    confirmed: bool = False


class NewWithdrawal(BaseModel):
    """Withdrawal of an image; ``version`` is that of its study as it was seen."""

    model_config = ConfigDict(extra="forbid")

    version: int
    reason: Literal[
        Withdrawal.WRONG_PATIENT, Withdrawal.WRONG_FILE, Withdrawal.DUPLICATE, Withdrawal.OTHER
    ]


class Correction(BaseModel):
    """Correction of a study's patient; ``before`` and ``after`` are null once they are purged."""

    user_name: str
    created: datetime
    source_id: Annotated[str, Field(description="study that the images were in before")]
    before: dict[str, str | None] | None
    after: dict[str, str | None] | None


class WithdrawnImage(BaseModel):
    """Image that was taken out of a study; its file is kept."""

    id: str
    name: str
    withdrawn: datetime
    withdrawal: Withdrawal


class Corrections(BaseModel):
    """Corrections of a study, and the images that were taken out of it, the oldest first."""

    corrections: list[Correction]
    withdrawn: list[WithdrawnImage]


@router.patch("/studies/{study_id}/patient")
def correct_patient(
    clinic: ClinicDep, actor: Overseer, study_id: Identifier, update: PatientUpdate
) -> schemas.Study:
    """Give a study, or some of its images, to the right patient; return the study they are in.

    Images are read again if the birth date changes. The answer is 409 if the study was changed
    after the version that was seen.
    """
    now = datetime.now(UTC)
    correction = corrections.PatientCorrection(
        PatientIdentity(
            id=update.patient_id,
            issuer=update.patient_id_issuer,
            name=update.patient_name,
            birth_date=update.birth_date,
            sex=update.sex,
        ),
        update.accession,
        None if update.images is None else frozenset(update.images),
        update.confirmed,
    )
    with clinic.database.writing() as session, _conflicts():
        study = get_or_404(session, tables.Study, study_id)
        require_not_purged(study.purged)
        require_not_withdrawn(study.withdrawn)
        stored = corrections.correct_patient(
            session, study_id, update.version, correction, actor.name, now
        )
        detail = {
            "correction": stored.id,
            "from": stored.source_id,
            "changed": corrections.changed_details(stored),
            "images": update.images,
            "confirmed": update.confirmed,
        }
        _record_consequences(session, actor, stored, now)
        corrected = session.get_one(tables.Study, stored.study_id)
        object_ = f"study {stored.study_id}"
        return _record_correction(
            session, corrected, actor, Action.CORRECT_PATIENT, object_, detail
        )


@router.post("/images/{image_id}/withdrawal")
def withdraw_image(
    clinic: ClinicDep, actor: Overseer, image_id: Identifier, withdrawal: NewWithdrawal
) -> schemas.Study:
    """Withdraw an image that was sent by mistake; return its study, without it."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session, _conflicts():
        image = get_or_404(session, tables.Image, image_id)
        require_not_purged(image.purged)
        study = withdrawals.withdraw(session, image, withdrawal.version, withdrawal.reason, now)
        object_, detail = f"image {image_id}", {"why": withdrawal.reason}
        return _record_correction(session, study, actor, Action.WITHDRAW_IMAGE, object_, detail)


@router.delete("/images/{image_id}/withdrawal")
def restore_image(clinic: ClinicDep, actor: Overseer, image_id: Identifier) -> schemas.Study:
    """Put a withdrawn image back; return the study that it is in.

    It is read again if the birth date was corrected meanwhile. If its study was given to another
    patient meanwhile, it gets a study of its own of the patient before, which is held. The answer
    is 409 if another image has its SOP Instance UID by now.
    """
    now = datetime.now(UTC)
    with clinic.database.writing() as session, _conflicts():
        image = get_or_404(session, tables.Image, image_id)
        require_not_purged(image.purged)
        before = image.study_id
        study = withdrawals.restore(session, image, now)
        object_ = f"image {image_id}"
        detail = {"why": study.conflict} if study.conflict else {}
        if study.id != before:
            detail |= {"from": before, "to": study.id}
        return _record_correction(session, study, actor, Action.RESTORE_IMAGE, object_, detail)


@router.get("/studies/{study_id}/corrections")
def list_corrections(clinic: ClinicDep, actor: Overseer, study_id: Identifier) -> Corrections:
    """List the corrections of a study, and the images that were taken out of it."""
    with clinic.database.reading() as session:
        get_or_404(session, tables.Study, study_id)
        rows = session.scalars(
            select(tables.Correction)
            .where(
                (tables.Correction.study_id == study_id) | (tables.Correction.source_id == study_id)
            )
            .order_by(tables.Correction.created, tables.Correction.id)
        )
        # Those that stayed with the patient of before; others are of another patient's study.
        parted = (
            select(tables.Correction.study_id)
            .join(tables.Study, tables.Study.id == tables.Correction.study_id)
            .where(
                tables.Correction.source_id == study_id,
                tables.Study.conflict == corrections.UNCHECKED,
            )
        )
        images = session.scalars(
            select(tables.Image)
            .where(
                (tables.Image.study_id == study_id) | tables.Image.study_id.in_(parted),
                tables.Image.withdrawn.is_not(None),
            )
            .order_by(tables.Image.withdrawn, tables.Image.id)
        )
        listed = Corrections(
            corrections=[Correction(**column_values(row, Correction)) for row in rows],
            withdrawn=[WithdrawnImage(**column_values(row, WithdrawnImage)) for row in images],
        )
    record_access(clinic, actor, Action.VIEW_CORRECTIONS, f"study {study_id}")
    return listed


def _record_consequences(
    session: Session, actor: Actor, stored: tables.Correction, now: datetime
) -> None:
    """Record what a correction changed of other studies: one it has joined, or left behind."""
    others = session.scalars(
        select(tables.Correction).where(
            tables.Correction.created == stored.created,
            tables.Correction.user_name == stored.user_name,
            tables.Correction.id != stored.id,
        )
    )
    for other in others:
        detail = {
            "correction": other.id,
            "from": other.source_id,
            "changed": corrections.changed_details(other),
            "with": stored.id,
        }
        object_ = f"study {other.study_id}"
        audit.record(session, actor.name, Action.CORRECT_PATIENT, object_, detail, now)


def _record_correction(
    session: Session,
    study: tables.Study,
    actor: Actor,
    action: Action,
    object_: str,
    detail: dict[str, Any],
) -> schemas.Study:
    """Record a correction, which changes the worklist, and return the corrected study."""
    answer = study_response(study, study_context(session, actor, [study]))
    note_new_study(session, study.site_id)
    audit.record(session, actor.name, action, object_, detail, datetime.now(UTC))
    return answer


@contextmanager
def _conflicts() -> Iterator[None]:
    """Answer 409 to corrections of what has changed, and 422 to impossible ones."""
    try:
        yield
    except ClinicError as error:
        raise ProblemError(HTTPStatus.CONFLICT, str(error)) from error
    except ValueError as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{error}; correct it") from error
