"""Viewer's tools in a real browser, on a DICOM file whose measures are known."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.queue.worker import Worker
from pneumoscope.clinic.settings import Clinic

from ...radiograph.dicom_objects import computed_radiograph, save
from ..conftest import Readers
from .conftest import ADMINISTRATOR, Drive, send, service_token

WIDTH_MM, HEIGHT_MM = 150, 200
ROWS, COLUMNS = 400, 600
"""A radiograph of 0.5 mm between rows and 0.25 mm between columns: its pixels are not square."""

OF_PATIENT = {
    "PatientID": "PH-2001",
    "PatientName": "Phantom^Emil",
    "PatientBirthDate": "20210501",
    "PatientSex": "M",
    "PatientAge": "003Y",
    "Modality": "DX",
}


def measured_radiograph(**attributes: object) -> bytes:
    """Return a radiograph whose values are 1,024 above those of the file, in two windows."""
    across = np.linspace(0, 1500, COLUMNS)
    stored = np.rint(1100 + across[None] + np.zeros((ROWS, 1))).astype(np.uint16)
    return save(
        computed_radiograph(
            stored,
            BitsStored=12,
            HighBit=11,
            RescaleIntercept=-1024,
            RescaleSlope=1,
            WindowCenter=[800, 900],
            WindowWidth=[2000, 500],
            WindowCenterWidthExplanation=["NORMAL", "LUNG"],
            **OF_PATIENT | attributes,
        )
    )


def add_measured_studies(clinic: Clinic, readers: Readers, folder: Path) -> None:
    """Add a study with calibrated spacing, and a prior with that of the detector alone."""
    spacing = {"PixelSpacing": [0.5, 0.25], "ImagerPixelSpacing": [0.6, 0.3]}
    studies = {
        "before.dcm": {
            "StudyDate": "20240301",
            "AcquisitionDate": "20240301",
            "AcquisitionTime": "101500",
            "StudyInstanceUID": "2.25.71",
            "AccessionNumber": "A-3301",
            "SOPInstanceUID": "2.25.711",
            "ImagerPixelSpacing": [0.6, 0.3],
        },
        "measured.dcm": spacing
        | {
            "StudyDate": "20250301",
            "AcquisitionDate": "20250301",
            "AcquisitionTime": "081500",
            "StudyInstanceUID": "2.25.72",
            "AccessionNumber": "A-3302",
            "SOPInstanceUID": "2.25.721",
        },
    }
    client = TestClient(create_app(clinic), base_url="https://clinic.test")
    client.headers["Authorization"] = f"Bearer {service_token(clinic, 'scanner')}"
    for name, attributes in studies.items():
        (folder / name).write_bytes(measured_radiograph(**attributes))
        send(client, {}, (name, folder / name))
    worker = Worker(clinic.database, clinic.store, readers, "screening", "test")
    while worker.step():
        pass


def bright_box(screenshot: Path) -> tuple[int, int]:
    """Return width and height of what is not black."""
    shown = np.asarray(Image.open(screenshot).convert("L")) > 12
    columns, rows = (np.flatnonzero(shown.any(axis)) for axis in (0, 1))
    return int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)


def test_radiographs_are_measured(
    address: str, clinic: Clinic, readers: Readers, tmp_path: Path, drive: Drive
) -> None:
    add_measured_studies(clinic, readers, tmp_path)
    screenshot = tmp_path / "radiograph.png"
    results = drive(
        "measuring",
        address,
        ["measured", "header", "side by side"],
        administrator=ADMINISTRATOR,
        accession="A-3302",
        width=WIDTH_MM,
        height=HEIGHT_MM,
        line=[[25, 40], [125, 160]],
        heart=[[50, 120], [100, 120]],
        thorax=[[25, 140], [125, 140]],
        corner=[[75, 40], [75, 100], [125, 100]],
        image=str(screenshot),
    )
    width, height = bright_box(screenshot)
    assert width / height == pytest.approx(WIDTH_MM / HEIGHT_MM, rel=0.01)
    assert results["windows"] == [
        "File: NORMAL (W 2000 L 800)",
        "File: LUNG (W 500 L 900)",
    ]
    assert (results["initialWindow"], results["secondWindow"]) == ("W 2000 L 800", "W 500 L 900")
    kinds, numbers = zip(*map(split_measurement, results["measurements"]), strict=True)
    assert kinds == ("Length # mm", "Angle #°", "Heart # mm", "Thorax # mm; Cardiothoracic ratio #")
    length, angle, heart, (thorax, ratio) = numbers
    assert length == pytest.approx([math.hypot(100, 120)], abs=1)  # a pixel of the screen is 0.3 mm
    assert angle == pytest.approx([90], abs=0.5)
    assert heart == pytest.approx([50], abs=0.7)
    assert thorax == pytest.approx(100, abs=0.7)
    assert ratio == pytest.approx(0.5, abs=0.01)
    assert [row for row in results["header"] if "(0028,0030)" in row] == [
        "(0028,0030)Pixel SpacingDS0.5\\0.25"
    ]
    current, prior = results["identities"]
    identity = "Phantom, Emil PH-2001 · born 2021-05-01"
    assert current.startswith(f"Current {identity} · 3 years · M · acquired 2025-03-01"), current
    assert prior.startswith(f"Prior {identity} · 2 years · M · acquired 2024-03-01"), prior


def split_measurement(text: str) -> tuple[str, list[float]]:
    number = r"\d+(?:\.\d+)?"
    return re.sub(number, "#", text), [float(value) for value in re.findall(number, text)]
