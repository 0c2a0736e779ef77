"""The web page in a real browser, against a real server: see frontend/e2e."""

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.radiograph import read_radiograph

from ..conftest import SHARED_DATA
from .running import Server

PICTURES = os.environ.get("PNEUMOSCOPE_CLINIC_PICTURES")
"""A folder that gets a picture of each page, made with phantoms."""

PAGES = [
    "set-up",
    "sign-in",
    "administration",
    "choose-password",
    "upload",
    "stale",
    "worklist",
    "keys",
    "study",
    "compared",
    "draft",
    "judged",
    "shadow",
]
LABELS = ("Patient identifier", "Patient name", "Birth date", "Sex", "Accession number")
PATIENTS = [
    ("PH-1001", "Phantom^Anna", "1951-04-02", "F", "A-2201"),
    ("PH-1002", "Phantom^Bruno", "1978-11-23", "M", "A-2202"),
    ("PH-1003", "Phantom^Clara", "2019-01-30", "F", "A-2203"),
    ("PH-1004", "Wolfeschlegelsteinhausenbergerdorff^Dov <b>", "1990-07-14", "M", "A-2204"),
]


def phantoms_in(folder: Path) -> list[Path]:
    generate_phantoms(folder, count=30, size=512)
    ill = sorted(folder.rglob("*PNEUMONIA*/*.png"))
    return ill[:4] + sorted(folder.rglob("*NORMAL*/*.png"))[:7]


def real_files(shared_data: Path) -> list[Path]:
    children = shared_data / "chest_xray_original_size"
    ill = sorted((children / "PNEUMONIA").iterdir())[:5]
    well = sorted((children / "NORMAL").iterdir())[:3]
    return [*ill, *well[:2], *sorted((shared_data / "dicom").glob("*.dcm")), well[2]]


@dataclass(frozen=True)
class Handed:
    """Ten radiographs on their way to the page, with two files among them that are none."""

    batches: list[dict[str, Any]]
    radiographs: list[str]
    """As the page is to name them."""

    @classmethod
    def of(cls, files: list[Path], folder: Path) -> "Handed":
        """Choose files and a folder, and drop some of each; two are of the first patient."""
        dropped, chosen = folder / "ward 7", folder / "ward 8"
        inside = copied(files[5:8], dropped / "of one" / "day")
        (dropped / "letter.pdf").write_bytes(b"%PDF-1.7 no radiograph")
        Image.new("L", (512, 512), 90).save(dropped / "of one" / "blank.png")
        ways = [
            ("choose files", files[:1], PATIENTS[0]),
            ("choose files", files[1:2], PATIENTS[0]),
            ("drop", files[2:5], PATIENTS[1]),
            ("drop", [dropped], PATIENTS[2]),
            ("choose a folder", [chosen], PATIENTS[3]),
        ]
        paths = [*files[:5], *(one.relative_to(folder) for one in inside)]
        paths += [one.relative_to(folder) for one in copied(files[8:10], chosen)]
        batches = [
            {
                "how": how,
                "paths": [str(path) for path in what],
                "patient": dict(zip(LABELS, who, strict=True)),
            }
            for how, what, who in ways
        ]
        return cls(batches, [*(one.name for one in paths[:5]), *map(str, paths[5:])])


def copied(files: list[Path], folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    return [Path(shutil.copy(file, folder)) for file in files]


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


def check_upload(handed: Handed, seen: dict[str, str]) -> None:
    outcomes = dict(json.loads(seen["outcomes"]))
    not_read = {"ward 7/letter.pdf", "ward 7/of one/blank.png"}
    assert set(outcomes) == {*handed.radiographs, *not_read}
    for path in handed.radiographs:
        finding = r"\d% (pneumonia|normal|uncertain)(, flagged)?"
        either = rf"({finding}|rejected: .+)" if path.endswith(".dcm") else finding
        assert re.search(f"{either}Open {re.escape(path)}$", outcomes[path]), outcomes
    assert outcomes["ward 7/letter.pdf"].startswith("Refused: not a radiograph: send a DICOM")
    assert outcomes["ward 7/of one/blank.png"].startswith("rejected: nothing to see")
    progress = json.loads(seen["progress"])
    for dropped in (handed.radiographs[2:5], [*not_read, *handed.radiographs[5:8]]):
        in_order = [f"Sent of {path}" for path in outcomes if path in dropped]
        check_progress(in_order, progress)


def check_progress(names: list[str], progress: list[dict[str, float]]) -> None:
    """Each file has its own, never goes back, and the last waits until the first was sent."""
    table = np.array([[one[name] for name in names] for one in progress if set(names) <= set(one)])
    assert (np.diff(table, axis=0) >= 0).all()
    assert ((table > 0) & (table < 1)).any(axis=0)[-1], table
    assert ((table[:, 0] == 1) & (table[:, -1] == 0)).any(), table


def check_picture(found: dict[str, Any], files: list[Path], viewer: dict[str, Path]) -> None:
    """The viewer shows the radiograph that it names, and inverts it."""
    name = found["seen"]["caption"].split(" · ")[0]
    file = next(one for one in files if one.name == name)
    plain, original = grey(viewer["plain"], file)
    assert np.corrcoef(plain.ravel(), original.ravel())[0, 1] > 0.98
    inverted, _ = grey(viewer["inverted"], file)
    assert np.corrcoef(inverted.ravel(), original.ravel())[0, 1] < -0.98


def test_the_whole_journey(
    server: Server, tmp_path: Path, drive: Callable[..., dict[str, Any]]
) -> None:
    """With real radiographs where they are; with phantoms elsewhere, and for pictures."""
    real = SHARED_DATA.is_dir() and PICTURES is None
    files = real_files(SHARED_DATA) if real else phantoms_in(tmp_path / "phantoms")
    handed = Handed.of(files[:10], tmp_path)
    viewer = {name: tmp_path / f"{name}.png" for name in ("plain", "inverted")}
    task = {
        "pictures": PICTURES,
        "setup": f"{server.address}/setup#{server.setup}",
        "batches": handed.batches,
        "later": str(files[10]),
        "studies": 10 if real else 11,  # two of the DICOM files are of one study
        "viewer": {name: str(path) for name, path in viewer.items()},
    }
    found = drive("journey", task)
    assert found["complaints"] == []
    assert found["violations"] == []
    assert found["looked"] == PAGES
    check_upload(handed, found["seen"])
    assert int(found["seen"]["coloured"]) > 100, found["seen"]["legend"]
    check_picture(found, files, viewer)
