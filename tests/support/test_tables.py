from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pneumoscope.support.errors import TableError
from pneumoscope.support.tables import read_table


def write(folder: Path, *lines: str) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("a.png", "a.png"),
        ("a.png", "./a.png"),
        ("x/../a.png", "a.png"),
        ("train/a.png", "train\\a.png"),
        ("train//a.png", ".\\train/a.png"),
        ("a.png", " a.png "),
    ],
)
def test_a_file_named_twice_is_refused_in_any_spelling(
    first: str, again: str, tmp_path: Path
) -> None:
    path = write(tmp_path, "file,label", f"{first},NORMAL", "b.png,NORMAL", f"{again},PNEUMONIA")
    with pytest.raises(TableError, match=r"line 4: .* is on line 2 already") as refused:
        read_table(path, ("file", "label"))
    assert first in str(refused.value)
    assert again.strip() in str(refused.value)


def test_names_that_differ_in_case_or_folder_are_different_files(tmp_path: Path) -> None:
    path = write(tmp_path, "file,label", "a.png,0", "A.png,0", "x/a.png,0", "../a.png,0")
    rows = read_table(path, ("file", "label"))
    assert [row.cells["file"] for row in rows] == ["a.png", "A.png", "x/a.png", "../a.png"]


def test_blanks_around_cells_and_blank_rows_are_ignored(tmp_path: Path) -> None:
    path = write(tmp_path, "file ; label; patient", " a.png; 1 ;  ", "b.png ;0;\tp1 ", " ; ; ")
    rows = read_table(path, ("file", "label"))
    assert [dict(row.cells) for row in rows] == [
        {"file": "a.png", "label": "1", "patient": ""},
        {"file": "b.png", "label": "0", "patient": "p1"},
    ]


def test_the_content_and_not_the_name_says_whether_it_is_parquet(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    pq.write_table(pa.table({"file": ["a", "b"], "label": [0, 1], "age": [0.5, None]}), path)
    rows = read_table(path, ("file",))
    assert [dict(row.cells) for row in rows] == [
        {"file": "a", "label": "0", "age": "0.5"},
        {"file": "b", "label": "1", "age": ""},
    ]
    assert [row.place for row in rows] == ["row 1", "row 2"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"file\na\n", "the column 'label' is missing (found: file)"),
        (b"file,label,label\na,0,1\n", "the column 'label' appears twice"),
        (b"file,label\na\n", "line 2: the row is incomplete or too long (1 cells under 2 columns)"),
        (b"file,label\n,NORMAL\n", "line 2: the row is incomplete: the column 'file' is empty"),
        (b'file,label\n"a,NORMAL\n', "unexpected end of data"),
        (b"file,label\na,0\n\x81,0\n", "line 3 is not UTF-8, UTF-16 or Windows-1252"),
        (b"\xff\xfe\0", "line 1 is not UTF-8, UTF-16 or Windows-1252"),
        ("file,label\n".encode("utf-16-le"), "it holds null characters"),
        (b"PAR1 and no more", "it cannot be read as Parquet"),
    ],
)
def test_other_files_are_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(TableError) as refused:
        read_table(path, ("file", "label"))
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert reason in message
    assert message.endswith("correct it or write it again")


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.csv.*No such file"):
        read_table(tmp_path / "none.csv", ("file",))
