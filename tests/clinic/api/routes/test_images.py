import base64
import io
from collections.abc import Callable

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image as PillowImage
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, Site, StoredReading
from pneumoscope.radiograph import decode_radiograph
from pneumoscope.reader import Finding, Reader
from pneumoscope.reader.overlay import SCALE, draw_overlay

from ...populations import dicom_of

As = Callable[[Role], TestClient]


@pytest.fixture
def image(as_: As, phantoms: list[bytes]) -> str:
    sent = [("files", ("a.png", phantoms[0], "image/png"))]
    return str(as_(Role.CLINICIAN).post("/v1/readings", files=sent).json()["images"][0]["id"])


def test_pixels_are_those_of_the_file(
    as_: As, image: str, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    clinician = as_(Role.CLINICIAN)
    waiting = clinician.get(f"/v1/images/{image}/pixels")
    assert (waiting.status_code, "queued" in waiting.json()["detail"]) == (409, True)
    read_all()
    answer = clinician.get(f"/v1/images/{image}/pixels")
    assert answer.headers["content-type"] == "image/x-portable-graymap"
    pixels = np.asarray(PillowImage.open(io.BytesIO(answer.content)))
    np.testing.assert_array_equal(pixels, np.asarray(PillowImage.open(io.BytesIO(phantoms[0]))))


def test_the_server_does_not_decode_files_that_failed(
    as_: As, clinic: Clinic, image: str, read_all: Callable[[], int]
) -> None:
    read_all()
    with clinic.database.writing() as session:
        session.scalars(select(StoredReading)).one().status = "failed"
    answer = as_(Role.CLINICIAN).get(f"/v1/images/{image}/pixels")
    assert (answer.status_code, "cannot be decoded" in answer.json()["detail"]) == (409, True)


def test_the_dicom_header_is_shown_once_the_file_was_read(
    as_: As, clinic: Clinic, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    clinician = as_(Role.CLINICIAN)
    dicom = dicom_of(phantoms[0], PatientAge="003Y", PixelSpacing=[0.5, 0.25])
    sent = [("files", ("a.dcm", dicom)), ("files", ("a.png", phantoms[1]))]
    images = clinician.post("/v1/readings", files=sent).json()["images"]
    file, picture = (f"/v1/images/{image['id']}/header" for image in images)
    assert clinician.get(file).status_code == 409
    read_all()
    header = clinician.get(file).json()
    assert header["complete"] is True
    values = {element["tag"]: element["value"] for element in header["elements"]}
    assert values["(0010,1010)"] == "003Y"
    assert values["(0028,0030)"] == "0.5\\0.25"
    assert "(7FE0,0010)" not in values
    answer = clinician.get(picture)
    assert (answer.status_code, "not a DICOM file" in answer.json()["detail"]) == (409, True)
    with clinic.database.reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "see header")).first()
    assert entry is not None
    assert entry.object == f"image {images[0]['id']}"


def set_finding(clinic: Clinic, finding: Finding) -> None:
    with clinic.database.writing() as session:
        session.scalars(select(StoredReading)).one().finding = str(finding)


def test_highlights_look_like_the_readers_overlay_where_pneumonia_is_suspected(
    as_: As,
    clinic: Clinic,
    image: str,
    phantoms: list[bytes],
    reader: Reader,
    read_all: Callable[[], int],
) -> None:
    read_all()
    set_finding(clinic, Finding.SUSPECTED)
    answer = as_(Role.CLINICIAN).get(f"/v1/images/{image}/highlights").json()
    assert (answer["low"], answer["high"]) == SCALE
    radiograph = decode_radiograph(phantoms[0], "a.png")
    layer = PillowImage.open(io.BytesIO(base64.b64decode(answer["png"])))
    layer = layer.resize((radiograph.width, radiograph.height))
    red, green, blue, alpha = (np.asarray(band, float) for band in layer.split())
    grey = radiograph.pixels * 255
    share = alpha / 255 * 0.55
    drawn = np.stack([grey + share * (band - grey) for band in (red, green, blue)], axis=-1)
    reading = reader.read(phantoms[0])
    overlay = draw_overlay(radiograph, reading.heatmap)
    picture = np.asarray(PillowImage.open(io.BytesIO(overlay)), float)
    coloured = np.abs(grey[..., None] - picture).mean()
    assert np.abs(drawn - picture).mean() < coloured / 10
    set_finding(clinic, Finding.NO_SIGN)
    answer = as_(Role.CLINICIAN).get(f"/v1/images/{image}/highlights").json()
    assert answer == {"png": None, "low": None, "high": None}


def test_shadow_mode_hides_highlights_but_not_pixels(
    as_: As, clinic: Clinic, image: str, read_all: Callable[[], int]
) -> None:
    read_all()
    with clinic.database.writing() as session:
        session.scalars(select(Site)).one().displayed = False
    clinician, reviewer = as_(Role.CLINICIAN), as_(Role.REVIEWER)
    assert clinician.get(f"/v1/images/{image}/highlights").status_code == 403
    assert clinician.get(f"/v1/images/{image}/pixels").status_code == 200
    assert reviewer.get(f"/v1/images/{image}/highlights").status_code == 200
    with clinic.database.reading() as session:
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.number)).all()
    assert actions[-2:] == ["see pixels", "see heat map"]


def test_a_flat_heat_map_has_no_highlights(
    as_: As, clinic: Clinic, image: str, read_all: Callable[[], int]
) -> None:
    read_all()
    flat = io.BytesIO()
    np.save(flat, np.full((6, 6), -1, np.float32))
    with clinic.database.writing() as session:
        session.scalars(select(StoredReading)).one().heatmap = flat.getvalue()
    answer = as_(Role.CLINICIAN).get(f"/v1/images/{image}/highlights").json()
    assert answer == {"png": None, "low": None, "high": None}


def test_a_missing_heat_map_is_an_error(as_: As, image: str) -> None:
    clinician = as_(Role.CLINICIAN)
    answer = clinician.get(f"/v1/images/{image}/highlights")
    assert (answer.status_code, "no heat map" in answer.json()["detail"]) == (404, True)
    assert clinician.get(f"/v1/images/{'0' * 32}/pixels").status_code == 404
