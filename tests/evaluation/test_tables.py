"""Tables as people and their programs write them."""

from pathlib import Path

import pytest

from pneumoscope.evaluation.predictions import Labels
from pneumoscope.evaluation.tables import read_table
from pneumoscope.support.errors import PredictionsError


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
def test_a_file_named_twice_is_refused_however_the_way_to_it_is_written(
    first: str, again: str, tmp_path: Path
) -> None:
    path = write(tmp_path, "file,label", f"{first},NORMAL", "b.png,NORMAL", f"{again},PNEUMONIA")
    with pytest.raises(PredictionsError, match=r"line 4: .* is on line 2 already") as refused:
        read_table(path, ("file", "label"))
    assert first in str(refused.value)
    assert again.strip() in str(refused.value)


def test_names_that_differ_in_case_or_folder_are_of_different_files(tmp_path: Path) -> None:
    path = write(tmp_path, "file,label", "a.png,0", "A.png,0", "x/a.png,0", "../a.png,0")
    rows = read_table(path, ("file", "label"))
    assert [row.cells["file"] for row in rows] == ["a.png", "A.png", "x/a.png", "../a.png"]


def test_blanks_around_cells_say_nothing(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "file ; label; patient; sex",
        " a.png; NORMAL ;  ; F",
        "b.png ;PNEUMONIA;\t;F ",
        "c.png;NORMAL; p1;M",
        "d.png;NORMAL;p1 ;M",
        " ; ; ; ",
    )
    read = Labels.read(path)
    assert read.files == ("a.png", "b.png", "c.png", "d.png")
    assert read.labels == (0, 1, 0, 0)
    # Nobody's name is no name: these two are not one patient.
    assert read.patients == ("a.png", "b.png", "p1", "p1")
    assert read.groups == {"sex": ("F", "F", "M", "M")}
