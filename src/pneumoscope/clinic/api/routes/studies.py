"""Worklist of studies, prior studies, and reports."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from pneumoscope.clinic.api import schemas
from pneumoscope.clinic.api.access_log import record_access
from pneumoscope.clinic.api.fields import Identifier
from pneumoscope.clinic.api.responses import get_or_404, study_response
from pneumoscope.clinic.api.security import (
    ClinicDep,
    CurrentActor,
    require_no_conflict,
    require_not_purged,
    require_not_withdrawn,
    require_visible,
    sees_hidden_readings,
)
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.fhir import MEDIA_TYPE, diagnostic_report
from pneumoscope.clinic.storage.tables import Study
from pneumoscope.clinic.worklist.worklist import StudyFilter, prior_studies, worklist

router = APIRouter(prefix="/v1", tags=["worklist"])


@router.post("/studies/search")
def search_studies(
    clinic: ClinicDep, actor: CurrentActor, search: schemas.StudySearch
) -> schemas.StudyPage:
    """Search the worklist: the most urgent studies first, then the longest waiting."""
    sees_hidden = sees_hidden_readings(actor)
    filters = StudyFilter(search.status, search.unread, search.disputed, search.text)
    with clinic.database.reading() as session:
        page = worklist(session, filters, search.limit, search.cursor, hide_shadow=not sees_hidden)
        studies = [study_response(study, sees_hidden=sees_hidden) for study in page.studies]
    record_access(clinic, actor, Action.VIEW_WORKLIST, "worklist", studies=_ids(studies))
    return schemas.StudyPage(studies=studies, next=page.cursor)


@router.get("/studies/{study_id}")
def get_study(clinic: ClinicDep, actor: CurrentActor, study_id: Identifier) -> schemas.Study:
    """Return a study with its images and readings."""
    with clinic.database.reading() as session:
        row = get_or_404(session, Study, study_id)
        study = study_response(row, sees_hidden=sees_hidden_readings(actor))
    record_access(clinic, actor, Action.VIEW_STUDY, f"study {study_id}")
    return study


@router.get("/studies/{study_id}/priors")
def list_prior_studies(
    clinic: ClinicDep,
    actor: CurrentActor,
    study_id: Identifier,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[schemas.Study]:
    """List the earlier studies of the same patient at the same site, the newest first."""
    sees_hidden = sees_hidden_readings(actor)
    with clinic.database.reading() as session:
        rows = prior_studies(session, get_or_404(session, Study, study_id), limit)
        studies = [study_response(row, sees_hidden=sees_hidden) for row in rows]
    record_access(clinic, actor, Action.VIEW_PRIORS, f"study {study_id}", studies=_ids(studies))
    return studies


@router.get(
    "/studies/{study_id}/report",
    response_class=Response,
    responses={
        200: {"description": "FHIR Bundle", "content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}
    },
)
def get_study_report(clinic: ClinicDep, actor: CurrentActor, study_id: Identifier) -> Response:
    """Return a study's readings as a FHIR R4 DiagnosticReport."""
    with clinic.database.reading() as session:
        study = get_or_404(session, Study, study_id)
        require_visible(study, actor)
        require_not_purged(study.purged)
        require_not_withdrawn(study.withdrawn)
        require_no_conflict(study)
        text = diagnostic_report(study, clinic.settings.operating_point, datetime.now(UTC))
    record_access(clinic, actor, Action.EXPORT_REPORT, f"study {study_id}")
    return Response(text, media_type=MEDIA_TYPE)


def _ids(studies: list[schemas.Study]) -> list[str]:
    return [study.id for study in studies]
