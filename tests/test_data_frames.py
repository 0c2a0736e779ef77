"""Data frames: the same tables as pandas reads from the files that the package writes."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import pneumoscope as ps
from pneumoscope.reader import Readings
from pneumoscope.reader.reader import Reader
from pneumoscope.support.errors import BundleError
from pneumoscope.training import Run


def assert_same_cells(frame: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Compare cells and columns; an empty column has another type in a file than in memory."""
    cells, expected_cells = (
        table.astype(object).where(table.notna(), None) for table in (frame, expected)
    )
    assert_frame_equal(cells, expected_cells)


def test_a_manifest_is_the_table_of_its_parquet_file(phantom_dataset: Path, tmp_path: Path) -> None:
    manifest = ps.load_manifest(phantom_dataset)
    manifest.write(tmp_path / "m.parquet")
    frame = manifest.to_frame()
    assert_same_cells(frame, pd.read_parquet(tmp_path / "m.parquet"))
    counts = frame.groupby(["split", "label"]).size()
    expected = manifest.counts()
    assert all(
        counts[split, label.name] == n for split in expected for label, n in expected[split].items()
    )


def test_predictions_are_the_table_of_their_csv(tmp_path: Path) -> None:
    patients, groups = ("A", "b.png"), {"sex": ("F", "M")}
    predictions = ps.Predictions(("a.png", "b.png"), [0, 1], [0.1, 1 / 3], patients, groups)
    predictions.write(tmp_path / "p.csv")
    frame = predictions.to_frame()
    assert_frame_equal(frame, pd.read_csv(tmp_path / "p.csv"))
    assert frame.loc[1].tolist() == ["b.png", "PNEUMONIA", 1 / 3, "b.png", "M"]
    assert frame.patient.tolist() == ["A", "b.png"]


def test_a_history_is_the_table_of_its_csv(compact_run: Run) -> None:
    expected = pd.read_csv(compact_run.folder / "history.csv")
    assert_frame_equal(compact_run.history().to_frame(), expected)


def test_readings_are_the_table_that_the_command_writes(
    exported: Path, reader: Reader, radiographs: Callable, tmp_path: Path, pneumoscope: Callable
) -> None:
    (tmp_path / "empty.png").touch()
    files = [*radiographs(6), tmp_path / "empty.png"]
    out = pneumoscope("read", *files, "--bundle", exported, "--format", "csv").out
    expected = pd.read_csv(io.StringIO(out)).drop(columns="milliseconds")
    readings = reader.read_all(files)
    frame = readings.to_frame()
    assert (frame.pop("milliseconds") > 0).all()
    assert_same_cells(frame, expected)
    assert len(readings) == 7
    assert isinstance(readings[:2], Readings)
    assert_frame_equal(
        readings[2:4].to_frame()[["file"]], frame[2:4][["file"]].reset_index(drop=True)
    )
    with pytest.raises(BundleError, match="no operating point 'triage'; choose screening"):
        readings.to_frame(at="triage")


def test_what_the_bundle_may_not_answer_has_no_number(reader: Reader) -> None:
    frame = reader.read_all([np.full((300, 300), 90, np.uint8)]).to_frame()
    assert frame.status.tolist() == ["rejected"]
    assert frame[["probability", "probability_outside", "finding"]].isna().all(axis=None)
    assert frame.probability.dtype == np.float64


def test_without_pandas_reading_works_and_a_frame_names_the_remedy(
    exported: Path, radiographs: Callable
) -> None:
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from pneumoscope.reader import load\n"
        "readings = load(sys.argv[1]).read_all(sys.argv[2:])\n"
        "print(readings)\n"
        "readings.to_frame()\n"
    )
    words = [sys.executable, "-c", code, exported, *radiographs(2)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert "2 " in done.stdout
    assert "MissingPackageError: pandas is not installed" in done.stderr
    assert 'pip install "pneumoscope[evaluate]"' in done.stderr
