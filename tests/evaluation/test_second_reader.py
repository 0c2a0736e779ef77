"""Tables of a second reader: what is accepted, and what is refused with file and remedy."""

from pathlib import Path

import pytest

from pneumoscope.evaluation.second_reader import SecondReader, SecondReading
from pneumoscope.support.errors import PneumoscopeError

DATASET = ("test/NORMAL/a.png", "test/PNEUMONIA/b.png", "test/NORMAL/c.png", "test/PNEUMONIA/c.png")


@pytest.fixture
def read(tmp_path: Path):
    def read_text(text: str, *negatives: str) -> SecondReader:
        path = tmp_path / "second.csv"
        path.write_text(text)
        return SecondReader.read(path, negatives)

    return read_text


def test_labels_and_usable_are_read_in_any_case(read):
    rows = ["a;Pneumonia;YES", "b;0;1", "c;normal;True", "d;1;no", "e;NORMAL;FALSE", "f;;0", "g;1;"]
    readings = read("\n".join(["file;label;Usable", *rows])).readings
    assert [(reading.label, reading.usable) for reading in readings.values()] == [
        *((1, True), (0, True), (0, True)),
        *((1, False), (0, False), (None, False)),
        (1, True),
    ]


def test_without_the_column_all_images_are_usable_and_negatives_count_as_normal(read):
    readings = read("file,label,usable by\na,OTHER,nobody\n", "other").readings
    assert readings == {"a": SecondReading(0)}


def test_files_are_matched_by_path_or_by_a_name_that_one_image_has(read):
    second = read("file,label\n./test/NORMAL/a.png,0\nb.png,1\ntest\\NORMAL\\c.png,1\n")
    matched = second.match(DATASET)
    assert {file: reading.label for file, reading in matched.readings.items()} == {
        "test/NORMAL/a.png": 0,
        "test/PNEUMONIA/b.png": 1,
        "test/NORMAL/c.png": 1,
    }
    assert matched.match(DATASET) == matched


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("\x89PNG\0\0", "null characters.*columns file, label"),
        ("", "it is empty.*Pass a CSV or Parquet file with the columns file, label"),
        ("file,reading\na.png,0\n", r"the column 'label' is missing \(found: file, reading\)"),
        ("name,label\na.png,0\n", "the column 'file' is missing"),
        ("file,label\na.png,sick\n", "line 2: the label 'sick' is unknown; write NORMAL or 0"),
        ("file,label\na.png,\n", "line 2: no label; write NORMAL or 0"),
        ("file,label,usable\na.png,1,x\n", "line 2: usable is 'x'; write 1, yes or true"),
        ("file,label\na.png,0\nb.png,1\na.png,1\n", "line 4: a.png is on line 2 already"),
        ("file,label,usable\na.png,0,no\n", "calls none of the 1 images usable"),
        ("file,label\n", "calls none of the 0 images usable; give a row"),
        (
            "file,label\na.png,0\ntest/NORMAL/a.png,1\n",
            "two rows are the image test/NORMAL/a.png, .* keep one row",
        ),
        (
            "file,label\nc.png,0\n",
            "c.png could be test/NORMAL/c.png or test/PNEUMONIA/c.png; give the path",
        ),
        (
            "file,label\na.png,0\nx.png,1\nother/b.png,1\n",
            r"2 of its 3 files are not images of the dataset; the first is x.png. Correct the "
            r"names \(the dataset has 4 images, such as test/NORMAL/a.png\), or remove these rows",
        ),
        (
            "file,label\nx.png,0\ny.png,1\n",
            "none of its 2 files is an image of the dataset; the first is x.png. Write each file "
            "as the dataset does, such as test/NORMAL/a.png",
        ),
    ],
)
def test_bad_tables_are_refused_with_file_place_and_remedy(text: str, complaint: str, read):
    with pytest.raises(PneumoscopeError, match=rf"second.csv: .*{complaint}"):
        read(text).match(DATASET)


def test_a_table_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(PneumoscopeError, match=r"gone.csv: cannot be read .* check the path"):
        SecondReader.read(tmp_path / "gone.csv")
