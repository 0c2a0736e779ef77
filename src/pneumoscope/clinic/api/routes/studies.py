"""The worklist and its studies, their priors and reports."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.clinic.api.access_log import note_seen
from pneumoscope.clinic.api.fields import Identifier, Text
from pneumoscope.clinic.api.lookup import existing
from pneumoscope.clinic.api.responses import StudyPage, StudyView
from pneumoscope.clinic.api.security import (
    Anyone,
    TheClinic,
    require_kept,
    require_shown,
    sees_hidden_readings,
)
from pneumoscope.clinic.fhir import MEDIA_TYPE, diagnostic_report
from pneumoscope.clinic.storage.tables import Study, StudyStatus
from pneumoscope.clinic.worklist.worklist import Wanted, priors, worklist

router = APIRouter(prefix="/v1", tags=["worklist"])


class Search(BaseModel):
    """Which studies are asked for; in the body, since an address would stand in logs."""

    model_config = ConfigDict(extra="forbid")

    status: StudyStatus | None = None
    rejected: bool = False
    disputed: bool = False
    text: Annotated[Text | None, Field(max_length=64)] = None
    cursor: Annotated[Text | None, Field(max_length=500)] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


@router.post("/studies/search")
def search(clinic: TheClinic, actor: Anyone, wanted: Search) -> StudyPage:
    """Return studies, the most urgent first and of equal ones the longest waiting."""
    sees_hidden = sees_hidden_readings(actor)
    filters = Wanted(wanted.status, wanted.rejected, wanted.disputed, wanted.text)
    with clinic.database.reading() as session:
        page = worklist(session, filters, wanted.limit, wanted.cursor, hidden=not sees_hidden)
        shown = [StudyView.of(study, sees_hidden=sees_hidden) for study in page.studies]
    note_seen(clinic, actor, "see worklist", "worklist", studies=[study.id for study in shown])
    return StudyPage(studies=shown, next=page.cursor)


@router.get("/studies/{study_id}")
def study(clinic: TheClinic, actor: Anyone, study_id: Identifier) -> StudyView:
    """Return a study with its images and readings."""
    with clinic.database.reading() as session:
        found = existing(session, Study, study_id)
        shown = StudyView.of(found, sees_hidden=sees_hidden_readings(actor))
    note_seen(clinic, actor, "see study", f"study {study_id}")
    return shown


@router.get("/studies/{study_id}/priors")
def study_priors(
    clinic: TheClinic,
    actor: Anyone,
    study_id: Identifier,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[StudyView]:
    """Return the other studies of the same patient at the same site, the newest first."""
    sees_hidden = sees_hidden_readings(actor)
    with clinic.database.reading() as session:
        found = priors(session, existing(session, Study, study_id), limit)
        shown = [StudyView.of(one, sees_hidden=sees_hidden) for one in found]
    seen = [one.id for one in shown]
    note_seen(clinic, actor, "see priors", f"study {study_id}", studies=seen)
    return shown


@router.get(
    "/studies/{study_id}/report",
    response_class=Response,
    responses={
        200: {"description": "A Bundle", "content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}
    },
)
def report(clinic: TheClinic, actor: Anyone, study_id: Identifier) -> Response:
    """Return a study's readings as a FHIR R4 DiagnosticReport."""
    with clinic.database.reading() as session:
        found = existing(session, Study, study_id)
        require_shown(found, actor)
        require_kept(found.purged)
        text = diagnostic_report(found, clinic.settings.operating_point, datetime.now(UTC))
    note_seen(clinic, actor, "export report", f"study {study_id}")
    return Response(text, media_type=MEDIA_TYPE)
