"""The web page in a real browser, against a real server: see frontend/e2e."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pneumoscope.dataset.phantoms import generate_phantoms
from pneumoscope.radiograph import read_radiograph

from .running import Server

PICTURES = os.environ.get("PNEUMOSCOPE_CLINIC_PICTURES")
"""A folder that gets a picture of each page, made with phantoms."""

PAGES = [
    "set-up",
    "sign-in",
    "administration",
    "upload",
    "stale",
    "worklist",
    "keys",
    "study",
    "compared",
    "judged",
    "shadow",
]
PATIENTS = [
    ("PH-1001", "Phantom^Anna", "1951-04-02", "F", "A-2201"),
    ("PH-1002", "Phantom^Bruno", "1978-11-23", "M", "A-2202"),
    ("PH-1003", "Phantom^Clara", "2019-01-30", "F", "A-2203"),
    ("PH-1004", "Phantom^Dov <b>", "1990-07-14", "M", "A-2204"),
]


@pytest.fixture(scope="module")
def phantom_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = generate_phantoms(tmp_path_factory.mktemp("page") / "phantoms", count=40, size=512)
    ill = sorted(folder.rglob("*PNEUMONIA*/*.png"))
    return ill[:4] + sorted(folder.rglob("*NORMAL*/*.png"))[:7]


@pytest.fixture(scope="module")
def real_files(shared_data: Path) -> list[Path]:
    children = shared_data / "chest_xray_original_size"
    ill = sorted((children / "PNEUMONIA").iterdir())[:5]
    well = sorted((children / "NORMAL").iterdir())[:3]
    return [*ill, *well[:2], *sorted((shared_data / "dicom").glob("*.dcm")), well[2]]


def batches(files: list[Path]) -> list[dict[str, Any]]:
    """Give two files to the first patient, and the others to others."""
    parts = [files[:1], files[1:2], files[2:5], files[5:8], files[8:]]
    labels = ("Patient identifier", "Patient name", "Birth date", "Sex", "Accession number")
    people = [PATIENTS[0], *PATIENTS]
    return [
        {"files": [str(file) for file in part], "patient": dict(zip(labels, who, strict=True))}
        for part, who in zip(parts, people, strict=True)
    ]


@pytest.fixture
def travel(
    server: Server, tmp_path: Path, drive: Callable[..., dict[str, Any]]
) -> Callable[[list[Path]], dict[str, Any]]:
    """Return what makes the journey with eleven radiographs, and gives what was seen on it."""

    def go(files: list[Path], studies: int, pictures: str | None = None) -> dict[str, Any]:
        refused = tmp_path / "letter.pdf"
        refused.write_bytes(b"%PDF-1.7 no radiograph")
        task = {
            "pictures": pictures,
            "setup": f"{server.address}/setup#{server.setup}",
            "batches": batches(files[:-1]),
            "later": str(files[-1]),
            "studies": studies,
            "refused": str(refused),
            "viewer": {name: str(tmp_path / f"{name}.png") for name in ("plain", "inverted")},
        }
        viewer = {name: Path(path) for name, path in task["viewer"].items()}
        return drive("journey", task) | viewer

    return go


def grey(screenshot: Path, radiograph: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return what the viewer shows of a radiograph, and the radiograph, at the same size."""
    shown = Image.open(screenshot).convert("L")
    pixels = read_radiograph(radiograph).pixels
    share = min(shown.width / pixels.shape[1], shown.height / pixels.shape[0])
    width, height = (round(side * share) for side in pixels.shape[::-1])
    left, top = (shown.width - width) // 2, (shown.height - height) // 2
    part = shown.crop((left, top, left + width, top + height)).resize((64, 64))
    original = Image.fromarray((pixels * 255).astype(np.uint8)).resize((64, 64))
    return np.asarray(part, float), np.asarray(original, float)


def check(found: dict[str, Any], files: list[Path]) -> None:
    assert found["complaints"] == []
    assert found["violations"] == []
    assert found["looked"] == PAGES
    assert int(found["seen"]["coloured"]) > 100, found["seen"]["legend"]
    name = found["seen"]["caption"].split(" · ")[0]
    file = next(one for one in files if one.name == name)
    plain, original = grey(found["plain"], file)
    assert np.corrcoef(plain.ravel(), original.ravel())[0, 1] > 0.98
    inverted, _ = grey(found["inverted"], file)
    assert np.corrcoef(inverted.ravel(), original.ravel())[0, 1] < -0.98


def test_the_whole_journey_with_phantoms(
    travel: Callable[..., dict[str, Any]], phantom_files: list[Path]
) -> None:
    check(travel(phantom_files, 10, PICTURES), phantom_files)


def test_the_whole_journey_with_radiographs(
    travel: Callable[..., dict[str, Any]], real_files: list[Path]
) -> None:
    check(travel(real_files, 9), real_files)  # two DICOM files are of one study
