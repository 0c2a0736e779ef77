import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pneumoscope.dataset import Entry, Label, Split
from pneumoscope.dataset.sources import list_images
from pneumoscope.support.errors import DatasetError, TableError

NORMAL, PNEUMONIA = Label.NORMAL, Label.PNEUMONIA
CLASSES = ("NORMAL", "PNEUMONIA")


def touch(root: Path, *names: str) -> Path:
    """Make empty files: listing a source opens no image."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def kaggle(root: Path, splits: Iterable[str] = ("train", "test")) -> Path:
    names = ("NORMAL/IM-0001-0001.jpeg", "PNEUMONIA/person1_virus_1.jpeg")
    return touch(root, *(f"{split}/{name}" for split in splits for name in names))


def by_path(source: Path, images: Path | None = None) -> dict[str, Entry]:
    return {entry.path: entry for entry in list_images(source, images).entries}


def refusal(source: Path, images: Path | None = None) -> str:
    with pytest.raises((DatasetError, TableError)) as caught:
        list_images(source, images)
    return str(caught.value)


def csv(folder: Path, *lines: str, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_kaggle_layout(tmp_path: Path) -> None:
    source = list_images(kaggle(tmp_path))
    assert source.root == tmp_path
    assert source.entries == (
        Entry("test/NORMAL/IM-0001-0001.jpeg", NORMAL, patient="normal1", split=Split.TEST),
        Entry(
            "test/PNEUMONIA/person1_virus_1.jpeg",
            PNEUMONIA,
            patient="person1",
            subtype="virus",
            split=Split.TEST,
        ),
        Entry("train/NORMAL/IM-0001-0001.jpeg", NORMAL, patient="normal1", split=Split.TRAIN),
        Entry(
            "train/PNEUMONIA/person1_virus_1.jpeg",
            PNEUMONIA,
            patient="person1",
            subtype="virus",
            split=Split.TRAIN,
        ),
    )


def published_val(count: int = 8) -> list[str]:
    names = ("NORMAL/NORMAL2-IM-{}-0001.jpeg", "PNEUMONIA/person{}_bacteria_1.jpeg")
    return [f"val/{name.format(1000 + number)}" for name in names for number in range(count)]


def test_the_published_val_joins_train(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    entries = by_path(touch(kaggle(tmp_path), *published_val()))
    assert Counter(entry.split for entry in entries.values()) == {Split.TRAIN: 18, Split.TEST: 2}
    assert "the published 16 images join train" in " ".join(capfd.readouterr().err.split())


@pytest.mark.parametrize(
    "own", [published_val(15), [f"val/{c}/{i}.png" for c in CLASSES for i in range(8)]]
)
def test_ones_own_val_stays_validation(tmp_path: Path, own: list[str]) -> None:
    entries = by_path(touch(kaggle(tmp_path), *own))
    assert sum(entry.split is Split.VALIDATION for entry in entries.values()) == len(own)


def test_usual_names_in_any_case_are_said_back(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for folder in ("Training", "Validierung", "TEST"):
        touch(tmp_path, f"{folder}/Normal/a.png", f"{folder}/viral-pneumonia/b.png")
        touch(tmp_path, f"{folder}/BACTERIA/c.png")
    entries = by_path(tmp_path)
    assert entries["Training/Normal/a.png"] == Entry(
        "Training/Normal/a.png", NORMAL, split=Split.TRAIN
    )
    assert entries["Validierung/viral-pneumonia/b.png"].subtype == "virus"
    assert entries["TEST/BACTERIA/c.png"] == Entry(
        "TEST/BACTERIA/c.png", PNEUMONIA, subtype="bacteria", split=Split.TEST
    )
    said = capfd.readouterr().err.replace("\n", "")
    assert f"{tmp_path}: the folder Validierung is the validation split" in said
    assert f"{tmp_path / 'TEST'}: the folder BACTERIA is PNEUMONIA (bacteria)" in said


def test_two_folders_of_one_split_are_refused(tmp_path: Path) -> None:
    message = refusal(kaggle(tmp_path, ("train", "Training", "test")))
    assert message.startswith(f"{tmp_path}: the folders Training and train both name the train")


def test_a_third_class_counts_as_normal_where_it_is_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, "NORMAL/a.png", "PNEUMONIA/b.png", "Effusion/c.png")
    assert "pass --negative 'Effusion'" in refusal(tmp_path)
    labels = {e.path: e.label for e in list_images(tmp_path, negatives=["effusion"]).entries}
    assert labels["Effusion/c.png"] is NORMAL
    table = csv(tmp_path, "file,label", "a.png,NORMAL", "b.png,virus", "c.png,Effusion")
    assert "pass --negative 'Effusion'" in refusal(table)
    third = list_images(table, negatives=["effusion"]).entries[2]
    assert third.label is NORMAL
    assert list_images(table, negatives=["effusion"]).entries[1].subtype == "virus"


def test_train_alone(tmp_path: Path) -> None:
    entries = by_path(kaggle(tmp_path, ("train",)))
    assert {entry.split for entry in entries.values()} == {Split.TRAIN}


def test_folders_of_classes(tmp_path: Path) -> None:
    touch(tmp_path, "NORMAL/a.png", "NORMAL/deeper/b.png", "PNEUMONIA/c.dcm")
    assert list_images(tmp_path).entries == (
        Entry("NORMAL/a.png", NORMAL),
        Entry("NORMAL/deeper/b.png", NORMAL),
        Entry("PNEUMONIA/c.dcm", PNEUMONIA),
    )


def test_hidden_and_system_files_are_ignored(tmp_path: Path) -> None:
    kaggle(tmp_path)
    wanted = set(by_path(tmp_path))
    touch(
        tmp_path,
        ".DS_Store",
        "README.txt",
        "__MACOSX/train/NORMAL/._IM-0001-0001.jpeg",
        "train/.DS_Store",
        "train/__MACOSX/x",
        "train/NORMAL/.DS_Store",
        "train/NORMAL/._IM-0001-0001.jpeg",
        "train/NORMAL/Thumbs.db",
        "train/NORMAL/desktop.ini",
        "train/NORMAL/.thumbnails/a.png",
        "train/NORMAL/__MACOSX/a.png",
    )
    assert set(by_path(tmp_path)) == wanted


def test_a_missing_class_folder(tmp_path: Path) -> None:
    kaggle(tmp_path)
    (tmp_path / "test/NORMAL/IM-0001-0001.jpeg").unlink()
    empty = refusal(tmp_path)
    assert empty.startswith(f"{tmp_path / 'test' / 'NORMAL'}: the class folder is empty; put the")
    (tmp_path / "test" / "NORMAL").rmdir()
    missing = refusal(tmp_path)
    assert missing.startswith(f"{tmp_path / 'test' / 'NORMAL'}: the class folder is missing; both")


def test_a_class_folder_of_junk_alone_is_empty(tmp_path: Path) -> None:
    touch(tmp_path, "NORMAL/Thumbs.db", "NORMAL/.a.png", "PNEUMONIA/a.png")
    assert "NORMAL: the class folder is empty" in refusal(tmp_path)


def test_one_class_only(tmp_path: Path) -> None:
    touch(tmp_path, "PNEUMONIA/a.png")
    assert f"{tmp_path / 'NORMAL'}: the class folder is missing" in refusal(tmp_path)
    table = csv(tmp_path, "file,label", "a.png,NORMAL", "b.png,NORMAL")
    assert refusal(table).startswith(f"{table}: no image is labelled PNEUMONIA; both classes")


@pytest.mark.parametrize("inside", ["train", "."])
def test_an_unknown_class_folder(tmp_path: Path, inside: str) -> None:
    root = kaggle(tmp_path) if inside == "train" else touch(tmp_path, "NORMAL/a", "PNEUMONIA/b")
    touch(root, f"{inside}/COVID/c.png")
    message = refusal(root)
    assert message.startswith(f"{root / inside}: the folder COVID is neither NORMAL nor PNEUMONIA")
    assert "rename it" in message


def test_neither_layout(tmp_path: Path) -> None:
    touch(tmp_path, "covid/a.png", "healthy/b.png")
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path}: found covid, healthy, but expected split folders")
    (tmp_path / "nothing").mkdir()
    assert "found no folders, but expected" in refusal(tmp_path / "nothing")


def test_nothing_there(tmp_path: Path) -> None:
    message = refusal(tmp_path / "chest_xray")
    assert message.startswith(f"{tmp_path / 'chest_xray'}: there is no such folder or file")
    assert "columns 'file' and 'label'" in message


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    note = tmp_path / "note.docx"
    note.write_text("x")
    assert refusal(note).startswith(f"{note}: cannot be used as a table: the column 'file'")


def test_a_folder_needs_no_images_option(tmp_path: Path) -> None:
    assert "leave out --images" in refusal(kaggle(tmp_path), tmp_path)


def test_a_name_that_no_table_can_hold(tmp_path: Path) -> None:
    kaggle(tmp_path)
    latin1 = os.fsencode(tmp_path) + b"/train/NORMAL/r\xf6ntgen.jpeg"
    try:
        os.close(os.open(latin1, os.O_CREAT))
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    message = refusal(tmp_path)
    assert "ntgen.jpeg: the name is not UTF-8" in message
    assert "rename it" in message
    message.encode()  # it can be printed


def test_a_csv_with_every_column(tmp_path: Path) -> None:
    table = csv(
        tmp_path,
        "file,label,patient,split,age,view",
        "a.png,normal,p1,Train,34,PA",
        "b.png,Pneumonia ,p2,test,,AP",
        " sub/c.png ,0,,val,2,",
        "d.png,1, ,,,",
    )
    source = list_images(table)
    assert source.root == tmp_path
    assert source.entries == (
        Entry(
            "a.png",
            NORMAL,
            patient="p1",
            patient_declared=True,
            split=Split.TRAIN,
            extra={"age": "34", "view": "PA"},
        ),
        Entry(
            "b.png",
            PNEUMONIA,
            patient="p2",
            patient_declared=True,
            split=Split.TEST,
            extra={"age": "", "view": "AP"},
        ),
        Entry("d.png", PNEUMONIA, extra={"age": "", "view": ""}),
        Entry("sub/c.png", NORMAL, split=Split.VALIDATION, extra={"age": "2", "view": ""}),
    )


def test_a_csv_as_excel_writes_it(tmp_path: Path) -> None:
    table = tmp_path / "LABELS.CSV"
    table.write_bytes(b'\xef\xbb\xbffile,label\r\n"a, left.png",NORMAL\r\nb.png,PNEUMONIA\r\n')
    assert [entry.path for entry in list_images(table).entries] == ["a, left.png", "b.png"]


def test_the_patient_is_from_the_table_or_else_from_the_file_name(tmp_path: Path) -> None:
    table = csv(
        tmp_path,
        "file,label,patient",
        "x/person7_virus_1.jpeg,PNEUMONIA,",
        "x/person8_virus_1.jpeg,PNEUMONIA,Q",
        "x/IM-0009-0001.jpeg,NORMAL,",
    )
    named = [(e.patient, e.patient_declared, e.subtype) for e in list_images(table).entries]
    assert named == [
        ("normal9", False, None),
        ("person7", False, "virus"),
        ("Q", True, "virus"),
    ]


def test_a_parquet_table(tmp_path: Path) -> None:
    table = tmp_path / "labels.parquet"
    columns = {
        "file": ["a.png", "b.png"],
        "label": [0, 1],
        "age": [3, None],
        "split": ["train", None],
    }
    pq.write_table(pa.table(columns), table)
    first, second = list_images(table).entries
    assert (first.label, first.split, first.extra) == (NORMAL, Split.TRAIN, {"age": "3"})
    assert (second.label, second.split, second.extra) == (PNEUMONIA, None, {"age": ""})


def test_the_option_images_names_the_folder_of_a_table(tmp_path: Path) -> None:
    table = csv(tmp_path, "file,label", "a.png,0", "b.png,1")
    assert list_images(table, tmp_path / "elsewhere").root == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("lines", "reason", "remedy"),
    [
        (("file,label", "a.png,0", "b.png,OTHER"), "line 3 (b.png): the label 'OTHER'", "correct"),
        (("file,label", "a.png,", "b.png,1"), "line 2 (a.png): the label ''", "remove the row"),
        (("file,label", "a.png,2"), "the label '2' is neither NORMAL nor PNEUMONIA", "correct"),
        (("file,finding", "a.png,0"), "'label' is missing (found: file, finding)", "correct it"),
        (("image,label", "a.png,0"), "'file' is missing (found: image, label)", "correct it"),
        (("file|label", "a.png|0"), "'file' is missing (found: file|label)", "correct it"),
        (
            ("file,label,split", "a.png,0,holdout"),
            "line 2: the split 'holdout' is none of",
            "leave",
        ),
    ],
)
def test_a_table_is_refused(
    tmp_path: Path, lines: tuple[str, ...], reason: str, remedy: str
) -> None:
    table = csv(tmp_path, *lines)
    message = refusal(table)
    assert message.startswith(str(table))
    assert reason in message
    assert remedy in message


def test_the_mixed_adults_have_a_third_label(shared_data: Path) -> None:
    table = shared_data / "nih_mixed" / "labels.csv"
    message = refusal(table)
    assert message.startswith(f"{table}, line ")
    assert "the label 'OTHER' is neither NORMAL nor PNEUMONIA" in message


def test_the_real_sources(shared_data: Path) -> None:
    children = list_images(shared_data / "chest_xray")
    assert Counter((entry.split, entry.label) for entry in children.entries) == {
        (Split.TRAIN, NORMAL): 1_349,
        (Split.TRAIN, PNEUMONIA): 3_883,
        (Split.TEST, NORMAL): 234,
        (Split.TEST, PNEUMONIA): 390,
    }
    adults = list_images(shared_data / "nih_external" / "labels.csv")
    assert Counter(entry.label for entry in adults.entries) == {NORMAL: 278, PNEUMONIA: 255}
    assert all(entry.patient_declared for entry in adults.entries)
    assert set(adults.entries[0].extra) == {"age", "sex", "view", "findings"}


def test_folders_beside_the_published_splits_are_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kaggle(tmp_path)
    (tmp_path / "chest_xray").mkdir()
    list_images(tmp_path)
    assert f"{tmp_path}: ignored the folders chest_xray" in capfd.readouterr().err
