import csv
import posixpath

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.support.errors import PredictionsError, TableError


def place(file: str) -> str:
    """Return which file a name means."""
    return posixpath.normpath(file.replace("\\", "/"))


HEADER = "file,label,probability,patient\n"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    rows=st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
            .map(str.strip)
            .filter(bool),
            st.integers(0, 1),
            st.floats(0, 1),
        ),
        min_size=1,
        unique_by=lambda row: place(row[0]),
    )
)
def test_a_written_table_reads_back_exactly(rows, tmp_path):
    files, labels, probabilities = (tuple(column) for column in zip(*rows, strict=True))
    before = Predictions(files, np.array(labels), np.array(probabilities), files)
    before.write(tmp_path / "table.csv")
    after = Predictions.read(tmp_path / "table.csv")
    assert (after.files, after.patients) == (before.files, before.patients)
    np.testing.assert_array_equal(after.labels, before.labels)
    np.testing.assert_array_equal(after.probabilities, before.probabilities)
    assert (after.labels.dtype, after.probabilities.dtype) == (np.int8, np.float64)


def test_the_csv_is_what_the_interface_says(table, tmp_path):
    table([0, 1], [0.1, 1 / 3], ["p", "q"], ['a,"1".png', "b.png"]).write(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "label", "probability", "patient"],
            ['a,"1".png', "NORMAL", "0.1", "p"],
            ["b.png", "PNEUMONIA", "0.3333333333333333", "q"],
        ]


def test_strangers_tables_with_more_columns_a_mark_and_no_patient_are_read(tmp_path):
    path = tmp_path / "t.csv"
    text = "age,patient,probability,label,file\r\n7,,0.25,PNEUMONIA,a.png\r\n9,q,1,NORMAL,b.png\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    read = Predictions.read(path)
    assert (read.files, read.patients) == (("a.png", "b.png"), ("a.png", "q"))
    assert (read.labels.tolist(), read.probabilities.tolist()) == ([1, 0], [0.25, 1.0])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_spreadsheets_semicolons_decimal_commas_and_encodings_are_read(encoding, tmp_path):
    path = tmp_path / "excel.csv"
    text = "file;label;probability;sex\r\nä.png;PNEUMONIA;0,25;F\r\nb.png;NORMAL;1;M\r\n;;;\r\n"
    path.write_bytes(text.encode(encoding))
    read = Predictions.read(path)
    assert (read.files, read.probabilities.tolist()) == (("ä.png", "b.png"), [0.25, 1.0])
    assert read.groups == {"sex": ("F", "M")}


def test_other_diseases_count_as_negatives_only_if_asked(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_text("file,label,probability\na,OTHER,0.5\nb,PNEUMONIA,0.6\n")
    with pytest.raises(PredictionsError, match=r"line 2: .*'OTHER'.*--negative OTHER"):
        Predictions.read(path)
    read = Predictions.read(path, negatives=["OTHER"])
    assert (read.labels.tolist(), read.groups) == ([0, 1], {"label": ("OTHER", "PNEUMONIA")})


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("NORMAL", 0),
        ("normal", 0),
        ("Normal", 0),
        ("0", 0),
        ("PNEUMONIA", 1),
        ("Pneumonia", 1),
        ("pneumonia ", 1),
        ("1", 1),
    ],
)
def test_labels_are_read_as_spreadsheets_have_them(written, label, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f"file,label,probability\na,{written},0.5\n")
    read = Predictions.read(path)
    assert read.labels.tolist() == [label]
    read.write(tmp_path / "again.csv")
    again = (tmp_path / "again.csv").read_text()
    assert again.splitlines()[1] == f"a,{['NORMAL', 'PNEUMONIA'][label]},0.5,a"


def test_a_label_of_negatives_is_known_in_any_case(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("file,label,probability\na,Other,0.5\nb,1,0.6\n")
    read = Predictions.read(path, negatives=["OTHER "])
    assert (read.labels.tolist(), read.groups) == ([0, 1], {"label": ("Other", "1")})


@pytest.mark.parametrize("label", ["covid", "Other disease", "2"])
def test_an_unknown_label_may_be_a_negative(label, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f"file,label,probability\na,{label},0.5\n")
    with pytest.raises(PredictionsError, match="NORMAL or 0, or PNEUMONIA or 1") as refused:
        Predictions.read(path)
    shown = f"'{label}'" if " " in label else label
    assert f"--negative {shown}" in str(refused.value)


@pytest.mark.parametrize(
    "label",
    ["Pneumonia_bacteria", "viral pneumonia", "POSITIVE", "Positive (viral)", "Yes", "1.0", "TRUE"],
)
def test_what_looks_ill_is_never_offered_as_a_negative(label, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f"file,label,probability\na,{label},0.5\n")
    with pytest.raises(PredictionsError, match="NORMAL or 0, or PNEUMONIA or 1") as refused:
        Predictions.read(path)
    assert "--negative" not in str(refused.value)


def test_rows_keep_their_groups(table):
    made = Predictions(
        ("a", "b"), np.array([0, 1]), np.array([0.1, 0.9]), ("p", "q"), {"s": ("F", "M")}
    )
    some = made.rows(np.array([False, True]))
    assert (some.files, some.patients, some.groups) == (("b",), ("q",), {"s": ("M",)})
    assert (some.labels.tolist(), some.probabilities.tolist()) == ([1], [0.9])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "it is empty"),
        (b"file,label\na,NORMAL\n", "'probability' is missing"),
        (HEADER.encode(), "the table has no rows"),
        (HEADER.encode() + b"a,HEALTHY,0.5,p\n", "line 2: the label 'HEALTHY'"),
        (HEADER.encode() + b"a,NORMAL,0.5,p\nb,NORMAL,half,p\n", "b: .*'half'"),
        (HEADER.encode() + b"a,NORMAL,nan,p\n", "a: the probability nan"),
        (HEADER.encode() + b"a,NORMAL,1.5,p\n", "a: the probability 1.5"),
        (HEADER.encode() + b"a,NORMAL\n", "line 2: the row is incomplete"),
        (HEADER.encode() + b"a,NORMAL,1,p\nb,NORMAL,1,q\na,NORMAL,1,p\n", "line 4: a is on line 2"),
        (HEADER.encode() + b"a,,0.5,p\n", "line 2: no label"),
    ],
)
def test_a_bad_table_is_refused_naming_file_and_place(content, complaint, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises((PredictionsError, TableError), match=f"bad.csv: .*{complaint}"):
        Predictions.read(path)


@pytest.mark.parametrize(
    ("files", "labels", "probabilities", "patients", "complaint"),
    [
        (("a",), [0, 1], [0.5], ("p",), "1 files"),
        (("a",), [0], [0.5, 0.5], ("p",), "1 files"),
        (("a",), [0], [0.5], (), "0 patients"),
        ((), [], [], (), "no predictions"),
        (("a", "b"), [0, 2], [0.5, 0.5], ("p", "q"), "b: the label 2"),
        (("a",), [256], [0.5], ("p",), "a: the label 256"),
        (("a",), [0], [-0.01], ("p",), "a: the probability -0.01"),
        (("a",), [0], [np.inf], ("p",), "a: the probability inf"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(files, labels, probabilities, patients, complaint):
    with pytest.raises(PredictionsError, match=complaint):
        Predictions(files, np.array(labels), np.array(probabilities), patients)


def test_a_table_keeps_its_own_read_only_copy():
    probabilities = np.array([0.25])
    made = Predictions(("a",), np.array([0]), probabilities, ("p",))
    probabilities[0] = 0.75
    assert made.probabilities[0] == 0.25
    with pytest.raises(ValueError, match="read-only"):
        made.probabilities[0] = 0.75


def test_a_probability_at_the_threshold_is_called_pneumonia(table):
    made = table([1, 1, 0, 0], [0.5, 0.49, 0.5, 0.49])
    assert made.false_negatives(0.5).tolist() == [1]
    assert made.false_positives(0.5).tolist() == [2]
