"""What a screen draws of an image: its grey values, and what the reader highlights."""

import base64
import io
from datetime import UTC, datetime
from http import HTTPStatus

import numpy as np
from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Base64Bytes, BaseModel
from sqlalchemy.orm import Session

from pneumoscope.clinic import audit
from pneumoscope.clinic.accounts import Actor
from pneumoscope.clinic.api.inputs import Identifier
from pneumoscope.clinic.api.lookup import existing
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.security import Anyone, TheClinic, require_shown
from pneumoscope.clinic.tables import Image
from pneumoscope.radiograph import original_values
from pneumoscope.reader import Status
from pneumoscope.reader.overlay import highlight

router = APIRouter(prefix="/v1", tags=["pictures"])

GREY_MAP = "image/x-portable-graymap"


class HighlightsView(BaseModel):
    """What speaks for pneumonia; all null if nothing does enough to be shown."""

    png: Base64Bytes | None
    low: float | None
    high: float | None


@router.get("/images/{image_id}/pixels", response_class=Response)
def pixels(clinic: TheClinic, actor: Anyone, image_id: Identifier) -> Response:
    """Return an image's grey values, as stored, in a PGM whose comment gives the file's window."""
    with clinic.database.writing() as session:
        image = existing(session, Image, image_id)
        # A worker has decoded it and lives; what stops a process must not stop the server.
        if image.reading is None:
            raise ProblemError(
                HTTPStatus.CONFLICT, "this image waits to be read; it can be shown after that"
            )
        if image.reading.status == Status.FAILED:
            raise ProblemError(HTTPStatus.CONFLICT, "this image cannot be decoded; send it again")
        sha256 = image.sha256
        _seen(session, actor, "see pixels", image_id)
    return Response(
        original_values(clinic.store.read(sha256), image_id).to_pgm(), 200, None, GREY_MAP
    )


@router.get("/images/{image_id}/highlights")
def highlights(clinic: TheClinic, actor: Anyone, image_id: Identifier) -> HighlightsView:
    """Return an image's heat map as a PNG to be laid over it, and the log-odds of its colours."""
    with clinic.database.writing() as session:
        image = existing(session, Image, image_id)
        require_shown(image.study, actor)
        if image.reading is None or image.reading.heatmap_sha256 is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "this image has no heat map")
        sha256 = image.reading.heatmap_sha256
        _seen(session, actor, "see heat map", image_id)
    found = highlight(np.load(io.BytesIO(clinic.store.read(sha256))))
    if found is None:
        return HighlightsView(png=None, low=None, high=None)
    return HighlightsView(png=base64.b64encode(found.png), low=found.low, high=found.high)


def _seen(session: Session, actor: Actor, action: str, image_id: str) -> None:
    audit.record(session, actor.name, action, f"image {image_id}", {}, datetime.now(UTC))
