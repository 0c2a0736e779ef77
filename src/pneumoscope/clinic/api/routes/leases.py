"""Leases: who has a study open."""

from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.fields import Identifier
from pneumoscope.clinic.api.responses import get_or_404
from pneumoscope.clinic.api.security import STAFF_ROLES, CallerDep, ClinicDep, check_role
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.storage.tables import Study
from pneumoscope.clinic.worklist.leases import end_lease, renew_lease, reviewers

router = APIRouter(prefix="/v1", tags=["worklist"])


class StudyLease(BaseModel):
    """Names of the people who have a study open, you among them; nobody is blocked by it."""

    in_review_by: list[str]


# Like listening for changes, renewing a lease does not count as use of the session, which may idle.
@router.put("/studies/{study_id}/lease")
def update_study_lease(clinic: ClinicDep, caller: CallerDep, study_id: Identifier) -> StudyLease:
    """Note that you have a study open; it ends after 90 seconds unless it is renewed."""
    check_role(caller.actor, STAFF_ROLES)
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        study = get_or_404(session, Study, study_id, for_update=True)
        if renew_lease(session, study, caller.actor, now):
            name, action = caller.actor.name, Action.OPEN_STUDY
            audit.record(session, name, action, f"study {study_id}", {}, now)
        names = reviewers(session, [study_id], now).get(study_id, [])
    return StudyLease(in_review_by=names)


@router.delete("/studies/{study_id}/lease", status_code=204)
def end_study_lease(clinic: ClinicDep, caller: CallerDep, study_id: Identifier) -> None:
    """Note that you have closed a study."""
    check_role(caller.actor, STAFF_ROLES)
    with clinic.database.writing() as session:
        study = get_or_404(session, Study, study_id, for_update=True)
        if end_lease(session, study, caller.actor):
            name, action, now = caller.actor.name, Action.CLOSE_STUDY, datetime.now(UTC)
            audit.record(session, name, action, f"study {study_id}", {}, now)
