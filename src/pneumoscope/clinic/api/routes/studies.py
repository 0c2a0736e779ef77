"""Worklist of studies, prior studies, and reports."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from pneumoscope.clinic.api import schemas
from pneumoscope.clinic.api.access_log import record_access
from pneumoscope.clinic.api.fields import Identifier
from pneumoscope.clinic.api.responses import get_or_404, study_context, study_response
from pneumoscope.clinic.api.security import (
    STAFF_ROLES,
    CallerDep,
    ClinicDep,
    CurrentActor,
    check_role,
    require_no_conflict,
    require_not_purged,
    require_not_withdrawn,
    require_visible,
    sees_hidden_readings,
)
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.fhir import MEDIA_TYPE, diagnostic_report
from pneumoscope.clinic.identity.accounts import Actor
from pneumoscope.clinic.storage.tables import Study
from pneumoscope.clinic.worklist.study_changes import latest_change
from pneumoscope.clinic.worklist.worklist import StudyFilter, prior_studies, worklist

router = APIRouter(prefix="/v1", tags=["worklist"])


@router.post("/studies/search")
def search_studies(
    clinic: ClinicDep, actor: CurrentActor, search: schemas.StudySearch
) -> schemas.StudyPage:
    """Search the worklist: studies that need a look first, then the most urgent, as asked for."""
    filters = StudyFilter(
        search.status,
        search.unread,
        search.disputed,
        search.text,
        search.site,
        search.first_date,
        search.last_date,
    )
    with clinic.database.reading() as session:
        page = worklist(
            session,
            filters,
            search.limit,
            search.cursor,
            hide_shadow=not sees_hidden_readings(actor),
            order=search.sort,
        )
        studies = _responses(session, actor, page.studies)
    record_access(clinic, actor, Action.VIEW_WORKLIST, "worklist", studies=_ids(studies))
    return schemas.StudyPage(studies=studies, order=page.order, next=page.cursor)


@router.get("/studies/{study_id}")
def get_study(clinic: ClinicDep, actor: CurrentActor, study_id: Identifier) -> schemas.Study:
    """Return a study with its images and readings."""
    with clinic.database.reading() as session:
        row = get_or_404(session, Study, study_id)
        (study,) = _responses(session, actor, [row])
    record_access(clinic, actor, Action.VIEW_STUDY, f"study {study_id}")
    return study


class StudyVersion(BaseModel):
    """Version of a study, which grows with each change of its patient or images.

    ``change`` says the latest in words without patient data; null if the study is as it came.
    """

    version: int
    change: str | None
    changed: datetime | None


# Like listening for changes, asking for the version does not count as use of the session, and it is
# no view of a patient that the audit trail would have to keep.
@router.get("/studies/{study_id}/version")
def get_study_version(clinic: ClinicDep, caller: CallerDep, study_id: Identifier) -> StudyVersion:
    """Return a study's version, to learn of changes while the study is open."""
    check_role(caller.actor, STAFF_ROLES)
    with clinic.database.reading() as session:
        study = get_or_404(session, Study, study_id)
        change = latest_change(session, study)
        if change is None:
            return StudyVersion(version=study.version, change=None, changed=None)
        return StudyVersion(version=study.version, change=change.words, changed=change.time)


@router.get("/studies/{study_id}/priors")
def list_prior_studies(
    clinic: ClinicDep,
    actor: CurrentActor,
    study_id: Identifier,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[schemas.PriorStudy]:
    """List the earlier studies of the same patient at the same site, the newest first.

    Those whose patient ID has no issuer, where the study's has one, are listed with a ``caution``
    if name, birth date and sex agree.
    """
    with clinic.database.reading() as session:
        priors = prior_studies(session, get_or_404(session, Study, study_id), limit)
        responses = _responses(session, actor, [prior.study for prior in priors])
        studies = [
            schemas.PriorStudy(**dict(response), caution=prior.caution)
            for response, prior in zip(responses, priors, strict=True)
        ]
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
        require_visible(session, study, actor)
        require_not_purged(study.purged)
        require_not_withdrawn(study.withdrawn)
        require_no_conflict(study)
        text = diagnostic_report(study, clinic.settings.operating_point, datetime.now(UTC))
    record_access(clinic, actor, Action.EXPORT_REPORT, f"study {study_id}")
    return Response(text, media_type=MEDIA_TYPE)


def _responses(session: Session, actor: Actor, studies: Sequence[Study]) -> list[schemas.Study]:
    context = study_context(session, actor, studies)
    return [study_response(study, context) for study in studies]


def _ids(studies: Sequence[schemas.Study]) -> list[str]:
    return [study.id for study in studies]
