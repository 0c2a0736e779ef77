"""Tables in the published form: headers copied from the datasets, rows of invented patients."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from pneumoscope.cli.data import PublishedTableName
from pneumoscope.dataset import Manifest
from pneumoscope.dataset.sources import list_images
from pneumoscope.dataset.tables.form import TableForm
from pneumoscope.dataset.tables.image_index import ImageIndex
from pneumoscope.dataset.tables.labelled_row import LabelledRow
from pneumoscope.dataset.tables.published import PUBLISHED_TABLES, find_published_table
from pneumoscope.support.errors import DatasetError, TableError

CHEXPERT_FINDINGS = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,"
    "Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,"
    "Support Devices"
)
MIMIC_FINDINGS = (
    "Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,"
    "Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
)


def write(folder: Path, name: str, *lines: str) -> Path:
    content = ("\n".join(lines) + "\n").encode()
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def cells(findings: str, **stated: str) -> str:
    """Return the cells under the findings of a header; empty where nothing is stated."""
    return ",".join(stated.get(name.replace(" ", "_"), "") for name in findings.split(","))


def rows(name: str, path: Path) -> dict[str, LabelledRow]:
    return {row.file: row for row in find_published_table(name).read(path)}


@pytest.fixture
def nih(tmp_path: Path) -> Path:
    write(tmp_path, "test_list.txt", "00000003_000.png")
    return write(
        tmp_path,
        "Data_Entry_2017_v2020.csv",
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
        "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],",
        "00000001_000.png,Infiltration|Pneumonia,0,1,057Y,M,PA,2682,2749,0.143,0.143,",
        "00000002_000.png,No Finding,0,2,6,F,AP,2500,2048,0.168,0.168,",
        "00000002_001.png,Cardiomegaly,1,2,414,F,AP,2500,2048,0.168,0.168,",
        "00000003_000.png,No Finding,0,3,006M,F,PA,2500,2048,0.168,0.168,",
    )


def test_nih(nih: Path) -> None:
    read = rows("nih", nih)
    labels = {file: row.label for file, row in read.items()}
    assert labels == {
        "00000001_000.png": "PNEUMONIA",
        "00000002_000.png": "NORMAL",
        "00000002_001.png": "OTHER",
        "00000003_000.png": "NORMAL",
    }
    assert read["00000001_000.png"].extra == {"age": "57", "sex": "M", "view": "PA"}
    assert read["00000002_001.png"].extra == {"sex": "F", "view": "AP"}  # nobody is 414
    assert read["00000003_000.png"].extra["age"] == "0.5"
    assert [row.patient for row in read.values()] == ["1", "2", "2", "3"]
    assert [row.split for row in read.values()] == ["", "", "", "test"]


def test_rsna_has_a_row_for_each_opacity_and_normals_in_another_table(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "stage_2_train_labels.csv",
        "patientId,x,y,width,height,Target",
        "0004cfab,,,,,0",
        "00313ee0,,,,,0",
        "00436515,264.0,152.0,213.0,379.0,1",
        "00436515,562.0,152.0,256.0,453.0,1",
    )
    with pytest.raises(TableError, match=r"stage_2_detailed_class_info\.csv: is missing"):
        rows("rsna", path)
    mappings = tmp_path / "pneumonia-challenge-dataset-mappings_2018.json"
    write(
        tmp_path,
        "stage_2_detailed_class_info.csv",
        "patientId,class",
        "0004cfab,No Lung Opacity / Not Normal",
        "00313ee0,Normal",
        "00436515,Lung Opacity",
        "00436515,Lung Opacity",
    )
    with pytest.raises(TableError, match=r"mappings_2018\.json: is missing.*names the patients"):
        rows("rsna", path)
    mappings.write_text("[{}]")
    with pytest.raises(TableError, match="is not RSNA's list of mappings"):
        rows("rsna", path)
    images = {"0004cfab": "00000005_003.png", "00436515": "00000005_010.png"}
    mappings.write_text(
        json.dumps([{"subset_img_id": ours, "img_id": nih} for ours, nih in images.items()])
    )
    read = rows("rsna", path)
    assert {file: row.label for file, row in read.items()} == {
        "0004cfab": "OTHER",
        "00313ee0": "NORMAL",
        "00436515": "PNEUMONIA",
    }
    # Two images of one NIH patient, and one whose patient stays unknown.
    assert [row.patient for row in read.values()] == ["00000005", "", "00000005"]


def test_chexpert(tmp_path: Path) -> None:
    start = "CheXpert-v1.0-small/train/patient0000"
    views = {
        "1/study1/view1_frontal.jpg,Female,68,Frontal,AP": {"Pneumonia": "1.0"},
        "2/study1/view1_frontal.jpg,Male,0,Frontal,PA": {"No_Finding": "1.0"},
        "2/study1/view2_lateral.jpg,Male,0,Lateral,": {"No_Finding": "1.0"},
        "3/study1/view1_frontal.jpg,Unknown,50,Frontal,AP": {"Pneumonia": "-1.0"},
        "4/study1/view1_frontal.jpg,Male,50,Frontal,AP": {"Pneumonia": "0.0", "Edema": "1.0"},
        "5/study1/view1_frontal.jpg,Male,50,Frontal,AP": {},
    }
    path = write(
        tmp_path,
        "train.csv",
        f"Path,Sex,Age,Frontal/Lateral,AP/PA,{CHEXPERT_FINDINGS}",
        *(f"{start}{view},{cells(CHEXPERT_FINDINGS, **stated)}" for view, stated in views.items()),
    )
    read = list(rows("chexpert", path).values())
    assert [row.label for row in read] == [
        "PNEUMONIA",
        "NORMAL",
        "LATERAL",
        "UNCERTAIN",
        "OTHER",
        "UNCERTAIN",
    ]
    assert [row.patient for row in read][:2] == ["patient00001", "patient00002"]
    assert read[0].split == "train"
    assert read[1].extra == {"age": "0", "sex": "M", "view": "PA"}
    assert read[3].extra == {"age": "50", "view": "AP"}
    header, *_, last = path.read_text().splitlines()
    write(tmp_path, "valid.csv", header, last.replace("train/patient0000", "valid/patient6454"))
    assert list(rows("chexpert", path).values())[-1].split == "valid"
    broken = write(tmp_path, "b.csv", header, last[: last.rindex("AP,") + 3] + "pos" + "," * 13)
    with pytest.raises(TableError, match=r"b\.csv, line 2: 'pos' is no number"):
        rows("chexpert", broken)


def test_padchest(tmp_path: Path) -> None:
    header = (
        ",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,"
        "ViewPosition_DICOM,Projection,MethodProjection,Pediatric,Labels"
    )
    images = [
        ("1.png", "PA", "['pneumonia', 'infiltrates']"),
        ("2.png", "AP_horizontal", "['atypical pneumonia']"),
        ("3.png", "PA", "['normal']"),
        ("4.png", "PA", "['normal', 'cardiomegaly']"),
        ("5.png", "L", "['normal']"),
        ("6.png", "PA", ""),
        ("7.png", "PA", "['bronchopneumonia']"),
        ("8.png", "PA", "['exclude']"),
    ]
    path = write(
        tmp_path,
        "PADCHEST.csv",
        header,
        *(
            f'{row},{image},0,20140915,S{row},P{row},1930.0,F,X,{projection},M,No,"{labels}"'
            for row, (image, projection, labels) in enumerate(images)
        ),
    )
    read = rows("padchest", path)
    assert [row.label for row in read.values()] == [
        "PNEUMONIA",
        "PNEUMONIA",
        "NORMAL",
        "OTHER",
        "LATERAL",
        "UNCERTAIN",
        "OTHER",
        "UNCERTAIN",
    ]
    assert read["1.png"].extra == {"age": "84", "sex": "F", "view": "PA"}
    broken = write(tmp_path, "b.csv", header, '0,1.png,0,20140915,S,P,1930,F,X,PA,M,No,"[normal"')
    with pytest.raises(TableError, match=r"b\.csv, line 2: the cell '\[normal' under 'Labels'"):
        rows("padchest", broken)


def test_vindr_takes_the_majority_of_its_readers(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "image_labels_train.csv",
        "image_id,rad_id,Aortic enlargement,Pneumonia,Other diseases,No finding",
        "a,R1,0,1,0,0",
        "a,R2,0,1,0,0",
        "a,R3,0,0,0,1",
        "b,R1,0,0,0,1",
        "b,R2,0,0,0,1",
        "b,R3,0,1,0,0",
        "c,R1,0,0,1,0",
        "c,R2,0,1,0,0",
        "c,R3,0,0,0,1",
        "e,R1,0,0,1,0",
        "e,R2,0,0,0,1",
        "e,R3,0,0,1,0",
    )
    write(
        tmp_path,
        "image_labels_test.csv",
        "image_id,Aortic enlargement,Pneumonia,Other disease,No finding",
        "d,0.0,1.0,0.0,0.0",
    )
    read = rows("vindr", path)
    assert [(row.label, row.split) for row in read.values()] == [
        ("PNEUMONIA", ""),
        ("UNCERTAIN", ""),  # normal to most readers, and ill to one
        ("UNCERTAIN", ""),
        ("OTHER", ""),
        ("PNEUMONIA", "test"),
    ]


def test_mimic_labels_studies_and_names_images_in_other_tables(tmp_path: Path) -> None:
    studies = {"50": {"Pneumonia": "1.0"}, "51": {"No_Finding": "1.0"}, "52": {"Pneumonia": "-1.0"}}
    path = write(
        tmp_path,
        "mimic-cxr-2.0.0-chexpert.csv.gz",
        f"subject_id,study_id,{MIMIC_FINDINGS}",
        *(f"10,{study},{cells(MIMIC_FINDINGS, **stated)}" for study, stated in studies.items()),
    )
    with pytest.raises(TableError, match=r"mimic-cxr-2\.0\.0-metadata\.csv\.gz: is missing"):
        rows("mimic", path)
    write(
        tmp_path,
        "mimic-cxr-2.0.0-metadata.csv.gz",
        "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns",
        'a,10,50,"CHEST (PA AND LAT)",PA,3056,2544',
        'b,10,50,"CHEST (PA AND LAT)",LATERAL,3056,2544',
        "c,10,51,CHEST (PORTABLE AP),AP,3056,2544",
        "d,10,52,CHEST (PORTABLE AP),AP,3056,2544",
        "e,11,53,CHEST (PORTABLE AP),AP,3056,2544",
    )
    write(
        tmp_path,
        "mimic-cxr-2.0.0-split.csv",
        "dicom_id,study_id,subject_id,split",
        "a,50,10,train",
        "b,50,10,train",
        "c,51,10,validate",
        "d,52,10,test",
        "e,53,11,test",
    )
    read = rows("mimic", path)
    assert [(row.label, row.split) for row in read.values()] == [
        ("PNEUMONIA", "train"),
        ("LATERAL", "train"),
        ("NORMAL", "validate"),
        ("UNCERTAIN", "test"),
        ("UNCERTAIN", "test"),
    ]


def test_images_are_found_by_name_and_others_keep_theirs(
    nih: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    images, elsewhere = nih.parent / "archive", nih.parent / "elsewhere"
    for folder, name in ((images, "images_001/00000001_000.png"), (elsewhere, "00000002_000.png")):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    (images / "images_002").symlink_to(elsewhere)
    (images / ".cache").mkdir()
    (images / ".cache" / "00000001_000.png").touch()
    form = TableForm(published=find_published_table("nih"))
    listed = list_images(nih, images, form=form)
    assert [(entry.path, entry.label.name, entry.patient) for entry in listed.entries] == [
        ("00000003_000.png", "NORMAL", "3"),  # not there: it is set aside when it is opened
        ("images_001/00000001_000.png", "PNEUMONIA", "1"),
        ("images_002/00000002_000.png", "NORMAL", "2"),
    ]
    assert "images left out by their labels: 1 OTHER" in " ".join(capfd.readouterr().err.split())


@pytest.mark.parametrize(
    "folder",
    [
        "CheXpert-v1.0-small/train/patient00001/study1",
        "train/patient00001/study1",
        "CheXpert-v1.0 batch 2 (train 1)/patient00001/study1",
    ],
)
def test_paths_are_found_by_their_last_folders(tmp_path: Path, folder: str) -> None:
    for study in ("study1", "study2"):
        path = tmp_path / folder.replace("study1", study) / "view1_frontal.png"
        path.parent.mkdir(parents=True)
        path.touch()
    name = "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg"
    assert ImageIndex(tmp_path).find(name) == f"{folder}/view1_frontal.png"


def test_a_third_class_is_normal_on_demand(nih: Path) -> None:
    for name in ("00000001_000.png", "00000002_001.jpg"):
        (nih.parent / name).touch()
    form = TableForm(published=find_published_table("nih"))
    listed = list_images(nih, None, ["OTHER"], form)
    # The table says .png; an image that was converted has another extension.
    assert {entry.path: entry.label.name for entry in listed.entries} == {
        "00000001_000.png": "PNEUMONIA",
        "00000002_000.png": "NORMAL",
        "00000002_001.jpg": "NORMAL",
        "00000003_000.png": "NORMAL",
    }
    with pytest.raises(
        DatasetError, match=r"--negative names 'effusion'.*labels are NORMAL, OTHER"
    ):
        list_images(nih, None, ["Effusion"], form)


def test_two_images_of_one_name_are_an_error(nih: Path) -> None:
    for folder in ("a", "b"):
        (nih.parent / folder).mkdir()
        (nih.parent / folder / "00000001_000.png").touch()
    with pytest.raises(DatasetError, match="have the same name 00000001_000"):
        list_images(nih, form=TableForm(published=find_published_table("nih")))


def test_mimics_table_needs_its_published_name(tmp_path: Path) -> None:
    path = write(tmp_path, "labels.csv", f"subject_id,study_id,{MIMIC_FINDINGS}")
    with pytest.raises(TableError, match="keep the published name"):
        rows("mimic", path)


def test_the_command_line_reads_a_published_table(
    phantom_dataset: Path, tmp_path: Path, pneumoscope: Callable
) -> None:
    labels = {"PNEUMONIA": "Effusion|Pneumonia", "NORMAL": "No Finding"}
    images = sorted(phantom_dataset.rglob("*.png"))
    table = write(
        tmp_path,
        "Data_Entry_2017_v2020.csv",
        "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position",
        *(
            f"{path.name},{labels[path.parent.name]},{number},5,F,PA"
            for number, path in enumerate(images)
        ),
        "absent.png,No Finding,9999,5,F,PA",
    )
    out = tmp_path / "m.parquet"
    words = ("data", "manifest", table, "--table", "nih", "--images", phantom_dataset)
    outcome = pneumoscope(*words, "--out", out)
    assert outcome.code == 0, outcome
    manifest = Manifest.read(out)
    assert [entry.path for entry in manifest.set_aside] == ["absent.png"]
    found = {entry.path: entry.label.name for entry in manifest.in_use}
    assert found == {
        path.relative_to(phantom_dataset).as_posix(): path.parent.name for path in images
    }
    strict = pneumoscope(*words, "--out", tmp_path / "strict.parquet", "--strict")
    assert strict.code == 1
    assert "absent.png: there is no such file" in strict.err


def test_the_command_line_knows_every_published_table() -> None:
    assert set(get_args(PublishedTableName)) == {table.name for table in PUBLISHED_TABLES}
