from collections.abc import Callable
from pathlib import Path

import pytest

from pneumoscope.dataset import Manifest, Split
from pneumoscope.dataset.sources import list_images
from pneumoscope.dataset.tables.form import TableForm, parse_label_map
from pneumoscope.dataset.tables.own import TableColumns
from pneumoscope.dataset.tables.published import find_published_table
from pneumoscope.support.errors import DatasetError, TableError

WARD = "Bild;Befund;Fall;Teil;Alter\na.png;Infiltrat;7;Training;4\nb.png;o.B.;8;test;5\n"
COLUMNS = TableColumns(file="Bild", label="Befund", patient="Fall", split="Teil")


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    path = tmp_path / "ward.csv"
    path.write_text(WARD, encoding="cp1252")
    return path


def test_columns_and_labels_of_any_name(ward: Path) -> None:
    form = TableForm(COLUMNS, labels=parse_label_map(["infiltrat=pneumonia", "O.B.=NORMAL"]))
    first, second = list_images(ward, form=form).entries
    assert (first.path, first.label.name, first.patient) == ("a.png", "PNEUMONIA", "7")
    assert (first.split.value, first.extra) == ("train", {"Alter": "4"})
    assert (second.label.name, second.split.value) == ("NORMAL", "test")
    assert first.patient_declared


def test_columns_whose_names_the_manifest_uses_are_kept(tmp_path: Path) -> None:
    table = tmp_path / "ward.csv"
    table.write_text("file,label,Befund,width\na.png,7,normal,30 cm\nb.png,8,PNEUMONIA,31 cm\n")
    entries = list_images(table, form=TableForm(TableColumns(label="Befund"))).entries
    assert [entry.label.name for entry in entries] == ["NORMAL", "PNEUMONIA"]
    assert entries[0].extra == {"label in table": "7", "width in table": "30 cm"}
    assert entries[0].width is None


def test_a_label_that_is_skipped_leaves_its_images_out(
    ward: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ward.write_text(WARD + "c.png;unklar;9;test;6\n", encoding="utf-8")
    labels = parse_label_map(["Infiltrat=PNEUMONIA", "o.B.=NORMAL", "unklar=skip"])
    assert len(list_images(ward, form=TableForm(COLUMNS, labels=labels)).entries) == 2
    assert "left out by their labels: 1 unklar" in capfd.readouterr().err


def test_an_unknown_label_names_both_remedies(ward: Path) -> None:
    with pytest.raises(DatasetError, match=r"--negative 'Infiltrat'.*--label-map"):
        list_images(ward, form=TableForm(COLUMNS))


def test_a_named_column_must_exist(ward: Path) -> None:
    with pytest.raises(TableError, match="the column 'Patient' is missing"):
        list_images(ward, form=TableForm(TableColumns("Bild", "Befund", "Patient")))


@pytest.mark.parametrize("assignment", ["Infiltrat", "=NORMAL", "Infiltrat=ill"])
def test_a_label_map_of_another_form(assignment: str) -> None:
    with pytest.raises(DatasetError, match="write LABEL=NORMAL, LABEL=PNEUMONIA or LABEL=skip"):
        parse_label_map([assignment])


def test_a_published_table_names_its_own_columns() -> None:
    with pytest.raises(DatasetError, match="--table nih names its columns itself"):
        TableForm(COLUMNS, find_published_table("nih"))


def test_a_folder_has_no_columns(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="a folder has no columns"):
        list_images(tmp_path, form=TableForm(COLUMNS))


def test_labels_that_differ_in_a_sign_are_different(tmp_path: Path) -> None:
    path = tmp_path / "signs.csv"
    path.write_text("file,label\na.png,1\nb.png,0\nc.png,-1\n")
    labels = parse_label_map(["1=PNEUMONIA", "0=NORMAL", "-1=skip"])
    entries = list_images(path, form=TableForm(labels=labels)).entries
    assert [(entry.path, entry.label.name) for entry in entries] == [
        ("a.png", "PNEUMONIA"),
        ("b.png", "NORMAL"),
    ]


def test_an_empty_label_is_never_mapped(tmp_path: Path) -> None:
    path = tmp_path / "signs.csv"
    path.write_text("file,label\na.png,+\nb.png,-\nc.png,\n")
    form = TableForm(labels=parse_label_map(["+=PNEUMONIA", "-=NORMAL"]))
    with pytest.raises(DatasetError, match=r"line 4 \(c.png\): the label '' is neither"):
        list_images(path, form=form)


def test_two_meanings_of_one_label() -> None:
    with pytest.raises(DatasetError, match="stands for NORMAL already"):
        parse_label_map(["x=NORMAL", "X=PNEUMONIA"])


def test_a_mapped_label_that_no_row_has(ward: Path) -> None:
    labels = parse_label_map(["Infiltrat=PNEUMONIA", "o.B.=NORMAL", "unkler=skip"])
    with pytest.raises(DatasetError, match=r"--label-map names 'unkler'.*labels are Infiltrat, o"):
        list_images(ward, form=TableForm(COLUMNS, labels=labels))


def test_the_command_line_names_each_column(
    phantom_dataset: Path, tmp_path: Path, pneumoscope: Callable
) -> None:
    images = sorted((phantom_dataset / "train").rglob("*.png"))
    images += sorted((phantom_dataset / "test").rglob("*.png"))
    called = {"PNEUMONIA": "krank", "NORMAL": "o.B."}
    rows = [
        f"{path.relative_to(phantom_dataset)};{called[path.parent.name]};{number};{path.parts[-3]}"
        for number, path in enumerate(images)
    ]
    table = tmp_path / "ward.csv"
    table.write_text("\n".join(["Bild;Befund;Fall;Teil", *rows]))
    out = tmp_path / "m.parquet"
    names = ["--file-column", "Bild", "--label-column", "Befund", "--patient-column", "Fall"]
    names += [
        "--split-column",
        "Teil",
        "--label-map",
        "krank=PNEUMONIA",
        "--label-map",
        "o.B.=NORMAL",
    ]
    words = [table, "--images", phantom_dataset, *names, "--out", out]
    outcome = pneumoscope("data", "manifest", *words)
    assert outcome.code == 0, outcome
    manifest = Manifest.read(out)
    entries = {entry.path: entry for entry in manifest.entries}
    for number, path in enumerate(images):
        entry = entries[path.relative_to(phantom_dataset).as_posix()]
        assert (entry.label.name, entry.patient) == (path.parent.name, str(number))
        assert (entry.split is Split.TEST) == (path.parts[-3] == "test")
