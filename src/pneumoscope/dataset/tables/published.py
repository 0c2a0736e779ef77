"""Tables of labels of public datasets, in the form in which they are published.

What counts as PNEUMONIA and as NORMAL is each table's own word for it. Images of which it says
neither (another finding, an uncertain one, a lateral view) have another label here, and are left
out of a dataset unless the user names it as negative.
"""

import ast
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
"""Labels of images that are left out: another finding alone, an uncertain one, no frontal view."""

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
    table
        Name of the published file.
    labels
        What counts as PNEUMONIA and as NORMAL, and what is left out, in words.
    read
        Function that yields the rows of such a file.
    """

    name: str
    table: str
    labels: str
    read: Callable[[Path], Iterator[LabelledRow]]


def find_published_table(name: str) -> PublishedTable:
    """Return the form of a public dataset's table by its name.

    Examples
    --------
    >>> find_published_table("nih").table
    'Data_Entry_2017_v2020.csv'
    """
    return next(table for table in PUBLISHED_TABLES if table.name == name)


def _read_nih(path: Path) -> Iterator[LabelledRow]:
    test_list = path.parent / "test_list.txt"
    test = set(test_list.read_text(encoding="utf-8").split()) if test_list.is_file() else set()
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
    classes_file = path.parent / "stage_2_detailed_class_info.csv"
    if not classes_file.is_file():
        raise TableError(
            f"{classes_file}: is missing. It says which radiographs without an opacity are normal; "
            f"put it beside {path.name}"
        )
    classes = {
        row.cells["patientId"]: row.cells["class"]
        for row in read_rows(classes_file, ("patientId", "class"))
    }
    seen = set()
    for row in read_rows(path, ("patientId", "Target")):  # one row for each opacity
        patient = row.cells["patientId"]
        if patient in seen:
            continue
        seen.add(patient)
        opacity = row.cells["Target"] == "1"
        yield LabelledRow(
            place=f"{path}, {row.place}",
            file=patient,
            label=_label(opacity, classes.get(patient) == "Normal"),
            patient=patient,
        )


def _read_chexpert(path: Path) -> Iterator[LabelledRow]:
    for row in read_table(path, ("Path", "Frontal/Lateral", "AP/PA", "No Finding", "Pneumonia")):
        cells = row.cells
        match = re.search(r"(train|valid|test)/(patient\d+)/", cells["Path"])
        split, patient = match.groups() if match else ("", "")
        frontal = cells["Frontal/Lateral"] == "Frontal"
        yield LabelledRow(
            place=f"{path}, {row.place}",
            file=cells["Path"],
            label=_chexpert_label(cells) if frontal else LATERAL,
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
        frontal = cells["Projection"] in {"PA", "AP", "AP_horizontal"}
        yield LabelledRow(
            place=place,
            file=cells["ImageID"],
            label=_label(pneumonia, findings == ["normal"]) if frontal else LATERAL,
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
        yield LabelledRow(
            place=f"{path}, {rows[0].place}",
            file=image,
            label=_label(_majority(rows, "Pneumonia"), _majority(rows, "No finding")),
            split=split,
        )


def _majority(rows: list[TableRow], finding: str) -> bool:
    return 2 * sum(_is_one(row.cells[finding]) for row in rows) > len(rows)


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
        label = UNCERTAIN if study is None else _chexpert_label(study)
        yield LabelledRow(
            place=f"{images}, {row.place}",
            file=cells["dicom_id"],
            label=label if cells["ViewPosition"] in {"PA", "AP"} else LATERAL,
            patient=cells["subject_id"],
            split=split,
            extra=_stated(view=cells["ViewPosition"]),
        )


def _beside(path: Path, kind: str) -> Path:
    """Return the table of another kind that MIMIC-CXR-JPG publishes beside that of the labels."""
    stem = re.sub(r"(chexpert|negbio)\.csv(\.gz)?$", kind, path.name)
    for name in (f"{stem}.csv.gz", f"{stem}.csv"):
        if (path.parent / name).is_file():
            return path.parent / name
    raise TableError(
        f"{path.parent / stem}.csv.gz: is missing. The labels are by study, and this table names "
        f"their images; put it beside {path.name}"
    )


def _label(pneumonia: bool, normal: bool) -> str:
    return PNEUMONIA if pneumonia else NORMAL if normal else OTHER


def _chexpert_label(cells: Mapping[str, str]) -> str:
    """Return the label of a row with 1 for present, 0 for absent, -1 for uncertain, or nothing."""
    if cells["Pneumonia"] and float(cells["Pneumonia"]) == -1:
        return UNCERTAIN
    return _label(_is_one(cells["Pneumonia"]), _is_one(cells["No Finding"]))


def _is_one(cell: str) -> bool:
    return bool(cell) and float(cell) == 1


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
    except ValueError:
        return ""


def _sex(text: str) -> str:
    return _SEX.get(text.lower(), "")


def _stated(**columns: str) -> dict[str, str]:
    return {name: text for name, text in columns.items() if text}


PUBLISHED_TABLES = (
    PublishedTable(
        "nih",
        "Data_Entry_2017_v2020.csv",
        "Pneumonia among the findings, which were mined from reports; No Finding; all else is "
        "OTHER. test_list.txt beside the table is the test split",
        _read_nih,
    ),
    PublishedTable(
        "rsna",
        "stage_2_train_labels.csv",
        "an opacity that radiologists marked; Normal in stage_2_detailed_class_info.csv, which "
        "must be beside it; all else is OTHER",
        _read_rsna,
    ),
    PublishedTable(
        "chexpert",
        "train.csv or valid.csv",
        "Pneumonia 1; No Finding 1; Pneumonia -1 is UNCERTAIN, lateral views are LATERAL, all else "
        "is OTHER",
        _read_chexpert,
    ),
    PublishedTable(
        "padchest",
        "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv",
        "pneumonia or atypical pneumonia among the labels; normal alone; lateral and other "
        "projections are LATERAL, all else is OTHER",
        _read_padchest,
    ),
    PublishedTable(
        "vindr",
        "image_labels_train.csv",
        "Pneumonia, and No finding, by most of an image's readers; all else is OTHER. "
        "image_labels_test.csv beside it is the test split. It names no patients",
        _read_vindr,
    ),
    PublishedTable(
        "mimic",
        "mimic-cxr-2.0.0-chexpert.csv.gz",
        "Pneumonia 1; No Finding 1, by study, with the tables metadata and split beside it; "
        "Pneumonia -1 and studies without labels are UNCERTAIN, lateral views are LATERAL, all "
        "else is OTHER",
        _read_mimic,
    ),
)
"""Tables that are known, by the name of their dataset."""
