"""Retention of studies, and purging of a patient."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.fields import StatedText, Text
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.routes.readings import DEFAULT_SITE
from pneumoscope.clinic.api.security import Administrator, ClinicDep
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.privacy import purge, retention
from pneumoscope.clinic.storage.tables import Site
from pneumoscope.support.errors import ClinicError

router = APIRouter(prefix="/v1", tags=["privacy"])

_Days = Annotated[int | None, Field(ge=1, le=36_500)]


class Retention(BaseModel):
    """Days without a change after which image files, or whole studies, are purged; null: never."""

    model_config = ConfigDict(extra="forbid")

    pixels_days: _Days
    studies_days: _Days


class PatientToPurge(BaseModel):
    """Patient at a site; in the body, because addresses are logged."""

    model_config = ConfigDict(extra="forbid")

    patient_id: Annotated[StatedText, Field(max_length=64)]
    issuer: Annotated[
        StatedText | None,
        Field(max_length=64, description="issuer of the patient ID, where several gave it"),
    ] = None
    site: Annotated[Text, Field(max_length=100)] = DEFAULT_SITE


class PurgeResult(BaseModel):
    """Number of studies that were purged."""

    studies: int


@router.get("/retention")
def get_retention(clinic: ClinicDep, _: Administrator) -> Retention:
    """Return how long studies are kept."""
    with clinic.database.writing() as session:
        current = retention.current_retention(session)
    return Retention(pixels_days=current.pixels_days, studies_days=current.studies_days)


@router.put("/retention")
def update_retention(clinic: ClinicDep, actor: Administrator, new: Retention) -> Retention:
    """Change how long studies are kept; older ones are purged within a day."""
    detail = new.model_dump()
    with clinic.database.writing() as session:
        retention.set_retention(session, retention.Retention(**detail))
        now = datetime.now(UTC)
        audit.record(session, actor.name, Action.CHANGE_RETENTION, "retention", detail, now)
    return new


@router.post("/patients/purge")
def purge_patient(clinic: ClinicDep, actor: Administrator, patient: PatientToPurge) -> PurgeResult:
    """Purge all studies of a patient: image files, and all that identifies the patient."""
    with clinic.database.reading() as session:
        site_id = session.scalar(select(Site.id).where(Site.name == patient.site))
    studies = 0
    if site_id is not None:
        try:
            studies = purge.purge_patient(
                clinic.database,
                clinic.store,
                site_id,
                patient.patient_id,
                actor.name,
                patient.issuer,
            )
        except ClinicError as error:
            raise ProblemError(HTTPStatus.CONFLICT, str(error)) from error
    if not studies:
        raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such patient at this site")
    return PurgeResult(studies=studies)
