"""What is to be had of an image: its file, its grey values, and what the reader highlights."""

import base64
import io
from http import HTTPStatus

import numpy as np
from fastapi import APIRouter
from fastapi.responses import Response
from numpy.typing import NDArray
from PIL import Image as Picture
from pydantic import Base64Bytes, BaseModel

from pneumoscope.clinic.api.access_log import note_seen
from pneumoscope.clinic.api.fields import Identifier
from pneumoscope.clinic.api.lookup import existing
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.responses import answers_with
from pneumoscope.clinic.api.security import Anyone, TheClinic, require_kept, require_shown
from pneumoscope.clinic.identity.accounts import Actor
from pneumoscope.clinic.queue.intake import MEDIA_TYPES
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import Image
from pneumoscope.radiograph import original_values
from pneumoscope.reader import Status
from pneumoscope.reader.overlay import highlight
from pneumoscope.support.errors import StorageError

router = APIRouter(prefix="/v1", tags=["pictures"])

GREY_MAP = "image/x-portable-graymap"


class HighlightsView(BaseModel):
    """What speaks for pneumonia; all null if nothing does enough to be shown."""

    png: Base64Bytes | None
    low: float | None
    high: float | None


@router.get(
    "/images/{image_id}/file", response_class=Response, responses=answers_with(*MEDIA_TYPES)
)
def file(clinic: TheClinic, actor: Anyone, image_id: Identifier) -> Response:
    """Return an image's file, byte for byte as it came."""
    image = _seen_image(clinic, actor, "see file", image_id)
    return Response(
        _content(clinic, image),
        media_type=image.media_type,
        headers={"Content-Disposition": "attachment"},
    )


@router.get(
    "/images/{image_id}/heatmap", response_class=Response, responses=answers_with("image/tiff")
)
def heatmap(clinic: TheClinic, actor: Anyone, image_id: Identifier) -> Response:
    """Return an image's heat map: log-odds of each place, in a TIFF of 32-bit floats."""
    content = io.BytesIO()
    Picture.fromarray(_heatmap(clinic, actor, image_id)).save(content, "TIFF")
    return Response(content.getvalue(), media_type="image/tiff")


@router.get("/images/{image_id}/pixels", response_class=Response, responses=answers_with(GREY_MAP))
def pixels(clinic: TheClinic, actor: Anyone, image_id: Identifier) -> Response:
    """Return an image's grey values, as stored, in a PGM whose comment gives the file's window."""
    image = _seen_image(clinic, actor, "see pixels", image_id)
    # A worker has decoded it and lives; what stops a process must not stop the server.
    if image.reading is None:
        raise ProblemError(
            HTTPStatus.CONFLICT, "this image waits to be read; it can be shown after that"
        )
    if image.reading.status == Status.FAILED:
        raise ProblemError(HTTPStatus.CONFLICT, "this image cannot be decoded; send it again")
    content = _content(clinic, image)
    return Response(original_values(content, image_id).to_pgm(), media_type=GREY_MAP)


@router.get("/images/{image_id}/highlights")
def highlights(clinic: TheClinic, actor: Anyone, image_id: Identifier) -> HighlightsView:
    """Return an image's heat map as a PNG to be laid over it, and the log-odds of its colours."""
    found = highlight(_heatmap(clinic, actor, image_id))
    if found is None:
        return HighlightsView(png=None, low=None, high=None)
    return HighlightsView(png=base64.b64encode(found.png), low=found.low, high=found.high)


def _heatmap(clinic: Clinic, actor: Actor, image_id: str) -> NDArray[np.float32]:
    image = _seen_image(clinic, actor, "see heat map", image_id, reading=True)
    stored = image.reading
    if stored is None or stored.heatmap is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "this image has no heat map")
    values: NDArray[np.float32] = np.load(io.BytesIO(stored.heatmap))
    return values


def _seen_image(
    clinic: Clinic, actor: Actor, action: str, image_id: str, *, reading: bool = False
) -> Image:
    with clinic.database.reading() as session:
        image = existing(session, Image, image_id)
        if reading:
            require_shown(image.study, actor)
        require_kept(image.purged)
        _ = image.reading  # loaded while there is a session
    note_seen(clinic, actor, action, f"image {image_id}")
    return image


def _content(clinic: Clinic, image: Image) -> bytes:
    try:
        return clinic.store.read(image.sha256)
    except StorageError:
        with clinic.database.reading() as session:  # purged meanwhile?
            require_kept(session.get_one(Image, image.id).purged)
        raise
