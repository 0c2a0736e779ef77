"""Images: file, DICOM header, stored pixels, heat map and highlights."""

import base64
import io
from http import HTTPStatus

import numpy as np
from fastapi import APIRouter
from fastapi.responses import Response
from numpy.typing import NDArray
from PIL import Image as PillowImage
from pydantic import Base64Bytes, BaseModel

from pneumoscope.clinic.api.access_log import record_access
from pneumoscope.clinic.api.fields import Identifier
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.responses import file_response, get_or_404
from pneumoscope.clinic.api.security import (
    ClinicDep,
    CurrentActor,
    require_not_purged,
    require_not_withdrawn,
    require_visible,
)
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.identity.accounts import Actor
from pneumoscope.clinic.queue.intake import MediaType
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import Image
from pneumoscope.radiograph import decode_stored_pixels
from pneumoscope.radiograph.dicom_header import DicomHeader, read_dicom_header
from pneumoscope.reader import Finding, Status
from pneumoscope.reader.overlay import draw_highlights
from pneumoscope.support.errors import StorageError, UnreadableRadiographError

router = APIRouter(prefix="/v1", tags=["images"])

PGM = "image/x-portable-graymap"


class Highlights(BaseModel):
    """Layer to draw over an image where it resembles pneumonia, all null if there is none.

    There is none where nothing stands out, nor where pneumonia is not suspected. ``low`` and
    ``high`` are the log-odds of the faintest and the strongest colour, the same for all images.
    """

    png: Base64Bytes | None
    low: float | None
    high: float | None


@router.get("/images/{image_id}/file", response_class=Response, responses=file_response(*MediaType))
def get_image_file(clinic: ClinicDep, actor: CurrentActor, image_id: Identifier) -> Response:
    """Return an image's file, byte for byte as it was sent."""
    image = _open_image(clinic, actor, Action.VIEW_FILE, image_id)
    return Response(
        _read_file(clinic, image),
        media_type=image.media_type,
        headers={"Content-Disposition": "attachment"},
    )


@router.get(
    "/images/{image_id}/heatmap", response_class=Response, responses=file_response("image/tiff")
)
def get_image_heatmap(clinic: ClinicDep, actor: CurrentActor, image_id: Identifier) -> Response:
    """Return an image's heat map: the log-odds of each place, as a TIFF of 32-bit floats."""
    content = io.BytesIO()
    _, heatmap = _load_heatmap(clinic, actor, image_id)
    PillowImage.fromarray(heatmap).save(content, "TIFF")
    return Response(content.getvalue(), media_type="image/tiff")


@router.get("/images/{image_id}/pixels", response_class=Response, responses=file_response(PGM))
def get_image_pixels(clinic: ClinicDep, actor: CurrentActor, image_id: Identifier) -> Response:
    """Return an image's stored pixels as a PGM; comments give windows, units and pixel size."""
    image = _open_image(clinic, actor, Action.VIEW_PIXELS, image_id)
    _require_decoded(image)
    content = _read_file(clinic, image)
    return Response(decode_stored_pixels(content, image_id).to_pgm(), media_type=PGM)


@router.get("/images/{image_id}/header")
def get_image_header(clinic: ClinicDep, actor: CurrentActor, image_id: Identifier) -> DicomHeader:
    """Return the elements of a DICOM file before its pixels, as text; long values are cut."""
    image = _open_image(clinic, actor, Action.VIEW_HEADER, image_id)
    if image.media_type != MediaType.DICOM:
        raise ProblemError(
            HTTPStatus.CONFLICT, "this image is not a DICOM file, so it has no DICOM header"
        )
    _require_decoded(image)
    try:
        return read_dicom_header(_read_file(clinic, image), image_id)
    except UnreadableRadiographError as error:  # its message may quote the file
        raise ProblemError(
            HTTPStatus.CONFLICT, "the header of this file is damaged; get the file itself"
        ) from error


@router.get("/images/{image_id}/highlights")
def get_image_highlights(
    clinic: ClinicDep, actor: CurrentActor, image_id: Identifier
) -> Highlights:
    """Return an image's heat map as a PNG layer, with the log-odds of its colours."""
    finding, heatmap = _load_heatmap(clinic, actor, image_id)
    layer = draw_highlights(heatmap) if finding == Finding.SUSPECTED else None
    if layer is None:
        return Highlights(png=None, low=None, high=None)
    return Highlights(png=base64.b64encode(layer.png), low=layer.low, high=layer.high)


def _load_heatmap(
    clinic: Clinic, actor: Actor, image_id: str
) -> tuple[str | None, NDArray[np.float32]]:
    """Return the finding of an image and its heat map."""
    image = _open_image(clinic, actor, Action.VIEW_HEAT_MAP, image_id, shows_reading=True)
    reading = image.reading
    if reading is None or reading.heatmap is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "this image has no heat map")
    heatmap: NDArray[np.float32] = np.load(io.BytesIO(reading.heatmap))
    return reading.finding, heatmap


def _open_image(
    clinic: Clinic,
    actor: Actor,
    action: Action,
    image_id: str,
    *,
    shows_reading: bool = False,
) -> Image:
    """Return an image that a user may see, with its reading, and record the access."""
    with clinic.database.reading() as session:
        image = get_or_404(session, Image, image_id)
        if shows_reading:
            require_visible(session, image.study, actor)
        require_not_purged(image.purged)
        require_not_withdrawn(image.withdrawn)
        _ = image.reading  # loaded while the session is open
    record_access(clinic, actor, action, f"image {image_id}")
    return image


def _require_decoded(image: Image) -> None:
    """Answer 409 unless a worker has decoded an image.

    A file that kills a process must not kill the server.
    """
    if image.reading is None:
        raise ProblemError(
            HTTPStatus.CONFLICT, "this image is still queued; it can be shown once it was read"
        )
    if image.reading.status == Status.FAILED:
        raise ProblemError(HTTPStatus.CONFLICT, "this image cannot be decoded; send it again")


def _read_file(clinic: Clinic, image: Image) -> bytes:
    try:
        return clinic.store.read(image.sha256)
    except StorageError:
        with clinic.database.reading() as session:  # it may have been purged meanwhile
            require_not_purged(session.get_one(Image, image.id).purged)
        raise
