"""The worklist and its studies, their files, heat maps and reports."""

import io
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

import numpy as np
from fastapi import APIRouter
from fastapi.responses import Response
from PIL import Image as Picture
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from pneumoscope.clinic import audit
from pneumoscope.clinic.accounts import Actor
from pneumoscope.clinic.api.inputs import Identifier, Text
from pneumoscope.clinic.api.lookup import existing
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.security import (
    Anyone,
    TheClinic,
    require_shown,
    sees_hidden_readings,
)
from pneumoscope.clinic.api.views import StudyPage, StudyView
from pneumoscope.clinic.fhir import MEDIA_TYPE, diagnostic_report
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.tables import Image, Study, StudyStatus
from pneumoscope.clinic.worklist import Wanted, worklist

router = APIRouter(prefix="/v1", tags=["worklist"])


class Search(BaseModel):
    """Which studies are asked for; in the body, since an address would stand in logs."""

    model_config = ConfigDict(extra="forbid")

    status: StudyStatus | None = None
    rejected: bool = False
    disputed: bool = False
    text: Annotated[Text | None, Field(max_length=64)] = None
    cursor: Annotated[str | None, Field(max_length=500)] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


@router.post("/studies/search")
def search(clinic: TheClinic, actor: Anyone, wanted: Search) -> StudyPage:
    """Return studies, the most urgent first and of equal ones the longest waiting."""
    sees_hidden = sees_hidden_readings(actor)
    filters = Wanted(wanted.status, wanted.rejected, wanted.disputed, wanted.text)
    with clinic.database.reading() as session:
        page = worklist(session, filters, wanted.limit, wanted.cursor, hidden=not sees_hidden)
        shown = [StudyView.of(study, sees_hidden=sees_hidden) for study in page.studies]
    # Looking it up takes long, so nobody waits for that who writes; without this entry, kept
    # before the answer goes out, nothing is shown.
    seen = {"studies": [study.id for study in shown]}
    with clinic.database.writing() as session:
        audit.record(session, actor.name, "see worklist", "worklist", seen, datetime.now(UTC))
    return StudyPage(studies=shown, next=page.cursor)


@router.get("/studies/{study_id}")
def study(clinic: TheClinic, actor: Anyone, study_id: Identifier) -> StudyView:
    """Return a study with its images and readings."""
    with clinic.database.writing() as session:
        found = existing(session, Study, study_id)
        shown = StudyView.of(found, sees_hidden=sees_hidden_readings(actor))
        _seen(session, actor, "see study", f"study {study_id}")
        return shown


@router.get("/studies/{study_id}/report", response_class=Response)
def report(clinic: TheClinic, actor: Anyone, study_id: Identifier) -> Response:
    """Return a study's readings as a FHIR R4 DiagnosticReport."""
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        found = existing(session, Study, study_id)
        require_shown(found, actor)
        text = diagnostic_report(found, clinic.settings.operating_point, now)
        _seen(session, actor, "export report", f"study {study_id}")
    return Response(text, media_type=MEDIA_TYPE)


@router.get("/images/{image_id}/file", response_class=Response)
def file(clinic: TheClinic, actor: Anyone, image_id: Identifier) -> Response:
    """Return an image's file, byte for byte as it came."""
    image = _seen_image(clinic, actor, "see file", image_id)
    return Response(
        clinic.store.read(image.sha256),
        media_type=image.media_type,
        headers={"Content-Disposition": "attachment"},
    )


@router.get("/images/{image_id}/heatmap", response_class=Response)
def heatmap(clinic: TheClinic, actor: Anyone, image_id: Identifier) -> Response:
    """Return an image's heat map: log-odds of each place, in a TIFF of 32-bit floats."""
    image = _seen_image(clinic, actor, "see heat map", image_id, reading=True)
    stored = image.reading
    if stored is None or stored.heatmap_sha256 is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "this image has no heat map")
    values = np.load(io.BytesIO(clinic.store.read(stored.heatmap_sha256)))
    content = io.BytesIO()
    Picture.fromarray(values).save(content, "TIFF")
    return Response(content.getvalue(), media_type="image/tiff")


def _seen_image(
    clinic: Clinic, actor: Actor, action: str, image_id: str, *, reading: bool = False
) -> Image:
    with clinic.database.writing() as session:
        image = existing(session, Image, image_id)
        if reading:
            require_shown(image.study, actor)
            _ = image.reading  # loaded while there is a session
        _seen(session, actor, action, f"image {image_id}")
        return image


def _seen(session: Session, actor: Actor, action: str, what: str) -> None:
    audit.record(session, actor.name, action, what, {}, datetime.now(UTC))
