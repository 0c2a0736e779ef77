"""Upload in a real browser, to a server that was started as an operator starts it."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...conftest import SHARED_DATA
from ..running import Server, sign_in
from .conftest import LABELS, PATIENTS, SCREENSHOTS, Drive, radiographs

RADIOGRAPHS = 10

SCHOOLCHILD = (*PATIENTS[3][:2], "2014-04-22", *PATIENTS[3][3:])
"""Patient born before the real DICOM file was made; with a later birth date it is refused."""


def files(phantoms: Path) -> list[Path]:
    """Return radiographs; where real ones are, with a DICOM file among them."""
    if SHARED_DATA.is_dir() and SCREENSHOTS is None:
        return [*radiographs(phantoms, RADIOGRAPHS - 1), SHARED_DATA / "dicom" / "dx_image.dcm"]
    return radiographs(phantoms, RADIOGRAPHS)


@dataclass(frozen=True)
class Batches:
    """Radiographs to hand in, with two files among them that are none."""

    batches: list[dict[str, Any]]
    radiographs: list[str]
    """Paths as the page shows them."""

    @classmethod
    def of(cls, files: list[Path], folder: Path) -> "Batches":
        """Choose some files and a folder, and drop some files and a folder."""
        dropped, chosen = folder / "X-ray room 7", folder / "X-ray room 8"
        inside = copy(files[5:8], dropped / "patients" / "day")
        (dropped / "letter.pdf").write_bytes(b"%PDF-1.7 no radiograph")
        Image.new("L", (512, 512), 90).save(dropped / "patients" / "blank.png")
        paths = [*inside, *copy(files[8:], chosen)]
        ways = [
            ("choose files", files[:2], PATIENTS[0]),
            ("drop", files[2:5], PATIENTS[1]),
            ("drop", [dropped], PATIENTS[2]),
            ("choose a folder", [chosen], SCHOOLCHILD),
        ]
        batches = [
            {
                "how": how,
                "paths": [str(path) for path in given],
                "patient": dict(zip(LABELS, patient, strict=True)),
            }
            for how, given, patient in ways
        ]
        names = [file.name for file in files[:5]]
        return cls(batches, names + [str(path.relative_to(folder)) for path in paths])


def copy(files: list[Path], folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    return [Path(shutil.copy(file, folder)) for file in files]


NOT_READ = ("X-ray room 7/letter.pdf", "X-ray room 7/patients/blank.png")


def check_outcomes(names: list[str], outcomes: dict[str, str]) -> None:
    assert set(outcomes) == {*names, *NOT_READ}
    finding, reason = r"\d% (pneumonia suspected|no sign of pneumonia)[a-z, ]*", "not read: .+"
    for name in names:
        result = f"({finding}|{reason})Open {re.escape(name)}$"
        assert re.search(result, outcomes[name]), outcomes
    assert outcomes[NOT_READ[0]].startswith("Refused: not a radiograph; send a DICOM")
    assert outcomes[NOT_READ[1]].startswith("not read: a blank image")


def check_progress(names: list[str], progress: list[dict[str, float]]) -> None:
    """Each file has a bar that never goes back, and the last starts after the first has ended."""
    bars = [f"Upload progress of {name}" for name in names]
    shares = np.array([[row[bar] for bar in bars] for row in progress if set(bars) <= set(row)])
    assert (np.diff(shares, axis=0) >= 0).all()
    assert ((shares > 0) & (shares < 1)).any(axis=0)[-1], shares
    assert ((shares[:, 0] == 1) & (shares[:, -1] == 0)).any(), shares


def test_files_and_folders_are_uploaded_and_read(
    server: Server, tmp_path: Path, drive: Drive
) -> None:
    batches = Batches.of(files(tmp_path / "phantoms"), tmp_path)
    administrator = {"name": "first", "password": "four words and a number 7"}
    sign_in(server).post("/v1/sites", json={"name": "Outpatients"}).raise_for_status()
    results = drive(
        "upload",
        server.address,
        ["upload-confirm", "upload"],
        administrator=administrator,
        batches=batches.batches,
        sites=["Outpatients", "default"],
        summary="12 files: 11 accepted, 1 refused, 11 done",
    )
    outcomes = dict(results["outcomes"])
    check_outcomes(batches.radiographs, outcomes)
    for dropped in (batches.radiographs[2:5], [*NOT_READ, *batches.radiographs[5:8]]):
        check_progress([name for name in outcomes if name in dropped], results["progress"])
