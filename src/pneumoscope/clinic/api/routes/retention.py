"""How long studies are kept, and purging a patient."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.fields import Text
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.routes.readings import DEFAULT_SITE
from pneumoscope.clinic.api.security import Administrator, TheClinic
from pneumoscope.clinic.privacy.purge import purge_patient
from pneumoscope.clinic.privacy.retention import Retention, keep_for, retention
from pneumoscope.clinic.storage.tables import Site
from pneumoscope.support.errors import ClinicError

router = APIRouter(prefix="/v1", tags=["privacy"])

_Days = Annotated[int | None, Field(ge=1, le=36_500)]


class RetentionView(BaseModel):
    """After how many days without a change files, or whole studies, are purged; null for never."""

    model_config = ConfigDict(extra="forbid")

    pixels_days: _Days
    studies_days: _Days


class OnePatient(BaseModel):
    """A patient of a site; in the body, since an address would stand in logs."""

    model_config = ConfigDict(extra="forbid")

    patient_id: Annotated[Text, Field(min_length=1, max_length=64)]
    site: Annotated[Text, Field(max_length=100)] = DEFAULT_SITE


class PurgedView(BaseModel):
    """How many studies were purged."""

    studies: int


@router.get("/retention")
def show(clinic: TheClinic, _: Administrator) -> RetentionView:
    """Say how long studies are kept."""
    with clinic.database.writing() as session:
        kept = retention(session)
    return RetentionView(pixels_days=kept.pixels_days, studies_days=kept.studies_days)


@router.put("/retention")
def change(clinic: TheClinic, administrator: Administrator, wanted: RetentionView) -> RetentionView:
    """Decide how long studies are kept; what is older goes within a day."""
    detail = wanted.model_dump()
    with clinic.database.writing() as session:
        keep_for(session, Retention(**detail))
        now = datetime.now(UTC)
        audit.record(session, administrator.name, "change retention", "retention", detail, now)
    return wanted


@router.post("/patients/purge")
def purge(clinic: TheClinic, administrator: Administrator, whose: OnePatient) -> PurgedView:
    """Purge all studies of a patient: files, and all that says whose they are."""
    with clinic.database.reading() as session:
        site_id = session.scalar(select(Site.id).where(Site.name == whose.site))
    studies = 0
    if site_id is not None:
        try:
            studies = purge_patient(
                clinic.database, clinic.store, site_id, whose.patient_id, administrator.name
            )
        except ClinicError as error:
            raise ProblemError(HTTPStatus.CONFLICT, str(error)) from error
    if not studies:
        raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such patient at this site")
    return PurgedView(studies=studies)
