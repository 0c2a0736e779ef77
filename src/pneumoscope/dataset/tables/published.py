"""Tables of labels of public datasets, in the form in which they are published.

What counts as PNEUMONIA and as NORMAL is each table's own word for it. Images of which it says
neither (another finding, an uncertain one, a lateral view) have another label here, and are left
out of a dataset unless the user names it as negative.
"""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pneumoscope.dataset.manifest import Label
from pneumoscope.dataset.tables.labelled_row import LabelledRow
from pneumoscope.support.errors import TableError
from pneumoscope.support.tables import TableRow, read_rows, read_table

PNEUMONIA, NORMAL = Label.PNEUMONIA.name, Label.NORMAL.name
OTHER, UNCERTAIN, LATERAL = "OTHER", "UNCERTAIN", "LATERAL"
"""Labels of images that are left out: another finding without pneumonia; doubtful, unusable or
without a label; a lateral or unknown view."""

_RSNA_CLASSES = "stage_2_detailed_class_info.csv"
_RSNA_MAPPINGS = "pneumonia-challenge-dataset-mappings_2018.json"
_PADCHEST_UNUSABLE = {"exclude", "suboptimal study", "unchanged"}

_CHEXPERT_FINDINGS = {
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
}
"""Columns of findings, which MIMIC-CXR-JPG has too."""

_AGE = re.compile(r"(\d{1,3})([YMWD]?)")
_PARTS_OF_A_YEAR = {"Y": 1, "": 1, "M": 12, "W": 52, "D": 365}
_SEX = {"male": "M", "female": "F", "m": "M", "f": "F"}


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """Form of a public dataset's table.

    Parameters
    ----------
    name
        Name on the command line.
    read
        Function that yields the rows of such a file.
    """

    name: str
    read: Callable[[Path], Iterator[LabelledRow]]


def find_published_table(name: str) -> PublishedTable:
    """Return the form of a public dataset's table by its name.

    Examples
    --------
    >>> find_published_table("nih").name
    'nih'
    """
    return next(table for table in PUBLISHED_TABLES if table.name == name)


def _read_nih(path: Path) -> Iterator[LabelledRow]:
    test_list = path.parent / "test_list.txt"
    test = set()
    if test_list.is_file():
        test = set(test_list.read_text(encoding="utf-8", errors="replace").split())
    columns = ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "View Position")
    for row in read_table(path, columns):
        cells = row.cells
        findings = cells["Finding Labels"].split("|")
        yield LabelledRow(
            place=f"{path}, {row.place}",
            file=cells["Image Index"],
            label=_label("Pneumonia" in findings, findings == ["No Finding"]),
            patient=cells["Patient ID"],
            split="test" if cells["Image Index"] in test else "",
            extra=_stated(
                age=_age(cells["Patient Age"]),
                sex=cells.get("Patient Gender") or cells.get("Patient Sex", ""),
                view=cells["View Position"],
            ),
        )


def _read_rsna(path: Path) -> Iterator[LabelledRow]:
    classes_file = _require_beside(
        path, _RSNA_CLASSES, "It says which radiographs without an opacity are normal"
    )
    classes = {
        row.cells["patientId"]: row.cells["class"]
        for row in read_rows(classes_file, ("patientId", "class"))
    }
    patients = _rsna_patients(path)
    seen = set()
    for row in read_rows(path, ("patientId", "Target")):  # one row for each opacity
        image = row.cells["patientId"]
        if image in seen:
            continue
        seen.add(image)
        yield LabelledRow(
            place=f"{path}, {row.place}",
            file=image,
            label=_label(row.cells["Target"] == "1", classes.get(image) == "Normal"),
            patient=patients.get(image, ""),
        )


def _rsna_patients(path: Path) -> dict[str, str]:
    """Return the NIH patient of each image: the challenge's patientId is that of an image."""
    mappings = _require_beside(
        path,
        _RSNA_MAPPINGS,
        "The challenge's patientId names an image; this file, which RSNA publishes beside the "
        "challenge, names the patients, whose images must stay in one split",
    )
    try:
        return {
            entry["subset_img_id"]: entry["img_id"].partition("_")[0]
            for entry in json.loads(mappings.read_text(encoding="utf-8"))
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TableError(
            f"{mappings}: is not RSNA's list of mappings ({error}); download it again"
        ) from error


def _require_beside(path: Path, name: str, why: str) -> Path:
    beside = path.parent / name
    if not beside.is_file():
        raise TableError(f"{beside}: is missing. {why}; put it beside {path.name}")
    return beside


def _read_chexpert(path: Path) -> Iterator[LabelledRow]:
    yield from _chexpert_rows(path)
    validation = path.with_name("valid.csv")
    if path.name == "train.csv" and validation.is_file():
        yield from _chexpert_rows(validation)


def _chexpert_rows(path: Path) -> Iterator[LabelledRow]:
    for row in read_table(path, ("Path", "Frontal/Lateral", "AP/PA", "No Finding", "Pneumonia")):
        cells, place = row.cells, f"{path}, {row.place}"
        match = re.search(r"(train|valid|test)/(patient\d+)/", cells["Path"])
        split, patient = match.groups() if match else ("", "")
        frontal = cells["Frontal/Lateral"] == "Frontal"
        yield LabelledRow(
            place=place,
            file=cells["Path"],
            label=_chexpert_label(place, cells) if frontal else LATERAL,
            patient=patient,
            split=split,
            extra=_stated(
                age=_age(cells.get("Age", "")), sex=_sex(cells.get("Sex", "")), view=cells["AP/PA"]
            ),
        )


def _read_padchest(path: Path) -> Iterator[LabelledRow]:
    for row in read_table(path, ("ImageID", "PatientID", "Projection", "Labels")):
        cells = row.cells
        place = f"{path}, {row.place}"
        findings = _findings(place, cells["Labels"])
        pneumonia = any("pneumonia" in finding.split() for finding in findings)
        label = _label(pneumonia, findings == ["normal"])
        if not findings or _PADCHEST_UNUSABLE.intersection(findings):
            label = UNCERTAIN
        frontal = cells["Projection"] in {"PA", "AP", "AP_horizontal"}
        yield LabelledRow(
            place=place,
            file=cells["ImageID"],
            label=label if frontal else LATERAL,
            patient=cells["PatientID"],
            extra=_stated(
                age=_years_between(cells.get("PatientBirth", ""), cells.get("StudyDate_DICOM", "")),
                sex=_sex(cells.get("PatientSex_DICOM", "")),
                view=cells["Projection"],
            ),
        )


def _read_vindr(path: Path) -> Iterator[LabelledRow]:
    yield from _vindr_rows(path, "")
    test = path.with_name(path.name.replace("_train", "_test"))
    if test != path and test.is_file():
        yield from _vindr_rows(test, "test")


def _vindr_rows(path: Path, split: str) -> Iterator[LabelledRow]:
    """Yield one row for each image, labelled by the majority of its readers."""
    readings: dict[str, list[TableRow]] = defaultdict(list)
    for row in read_rows(path, ("image_id", "Pneumonia", "No finding")):
        readings[row.cells["image_id"]].append(row)
    for image, rows in readings.items():
        place = f"{path}, {rows[0].place}"
        pneumonia, normal = (
            sum(_is_one(place, row.cells[finding]) for row in rows)
            for finding in ("Pneumonia", "No finding")
        )
        label = _label(2 * pneumonia > len(rows), 2 * normal > len(rows))
        doubtful = 0 < 2 * pneumonia <= len(rows)
        yield LabelledRow(
            place=place, file=image, label=UNCERTAIN if doubtful else label, split=split
        )


def _read_mimic(path: Path) -> Iterator[LabelledRow]:
    by_study = {
        row.cells["study_id"]: row.cells
        for row in read_rows(path, ("study_id", "No Finding", "Pneumonia"))
    }
    images = _beside(path, "metadata")
    splits = {
        row.cells["dicom_id"]: row.cells["split"]
        for row in read_rows(_beside(path, "split"), ("dicom_id", "split"))
    }
    for row in read_table(images, ("dicom_id", "subject_id", "study_id", "ViewPosition")):
        cells = row.cells
        split, study = splits.get(cells["dicom_id"], ""), by_study.get(cells["study_id"])
        place = f"{images}, {row.place}"
        label = UNCERTAIN if study is None else _chexpert_label(place, study)
        yield LabelledRow(
            place=place,
            file=cells["dicom_id"],
            label=label if cells["ViewPosition"] in {"PA", "AP"} else LATERAL,
            patient=cells["subject_id"],
            split=split,
            extra=_stated(view=cells["ViewPosition"]),
        )


def _beside(path: Path, kind: str) -> Path:
    """Return the table of another kind that MIMIC-CXR-JPG publishes beside that of the labels."""
    stem, found = re.subn(r"(chexpert|negbio)\.csv(\.gz)?$", kind, path.name)
    if not found:
        raise TableError(
            f"{path}: its name is not that of MIMIC-CXR-JPG's table of labels; keep the published "
            "name, such as mimic-cxr-2.0.0-chexpert.csv.gz, by which the others are found"
        )
    for name in (f"{stem}.csv.gz", f"{stem}.csv"):
        if (path.parent / name).is_file():
            return path.parent / name
    raise TableError(
        f"{path.parent / stem}.csv.gz: is missing. The labels are by study, and this table names "
        f"their images; put it beside {path.name}"
    )


def _label(pneumonia: bool, normal: bool) -> str:
    return PNEUMONIA if pneumonia else NORMAL if normal else OTHER


def _chexpert_label(place: str, cells: Mapping[str, str]) -> str:
    """Return the label of a row with 1 for present, 0 for absent, -1 for uncertain, or nothing."""
    findings = [cell for name, cell in cells.items() if name in _CHEXPERT_FINDINGS and cell]
    if not findings or _number(place, cells["Pneumonia"]) == -1:
        return UNCERTAIN
    return _label(_is_one(place, cells["Pneumonia"]), _is_one(place, cells["No Finding"]))


def _is_one(place: str, cell: str) -> bool:
    return _number(place, cell) == 1


def _number(place: str, cell: str) -> float | None:
    if not cell:
        return None
    try:
        return float(cell)
    except ValueError as error:
        raise TableError(
            f"{place}: '{cell}' is no number; use the table as it was published"
        ) from error


def _findings(place: str, text: str) -> list[str]:
    """Return the findings of a cell that holds a Python list."""
    try:
        return [str(finding).strip() for finding in ast.literal_eval(text or "[]")]
    except (SyntaxError, ValueError, TypeError) as error:
        raise TableError(
            f"{place}: the cell {text[:40]!r} under 'Labels' is no list of findings; use the table "
            "as it was published"
        ) from error


def _age(text: str) -> str:
    """Return an age in years; empty where none is stated or it cannot be one.

    Examples
    --------
    >>> _age("058Y"), _age("58"), _age("006M"), _age("414"), _age("")
    ('58', '58', '0.5', '', '')
    """
    match = _AGE.fullmatch(text.split(".")[0])
    if match is None:
        return ""
    age = int(match[1]) / _PARTS_OF_A_YEAR[match[2]]
    return f"{age:g}" if age <= 120 else ""


def _years_between(birth: str, study: str) -> str:
    """Return the age by a year of birth and a date; it may be a year too high."""
    try:
        return _age(str(int(study[:4]) - int(float(birth))))
    except (ValueError, OverflowError):
        return ""


def _sex(text: str) -> str:
    return _SEX.get(text.lower(), "")


def _stated(**columns: str) -> dict[str, str]:
    return {name: text for name, text in columns.items() if text}


PUBLISHED_TABLES = (
    PublishedTable("nih", _read_nih),
    PublishedTable("rsna", _read_rsna),
    PublishedTable("chexpert", _read_chexpert),
    PublishedTable("padchest", _read_padchest),
    PublishedTable("vindr", _read_vindr),
    PublishedTable("mimic", _read_mimic),
)
"""Tables that are known; docs/reference/data-sources.md says what their labels stand for."""
