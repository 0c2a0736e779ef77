"""`data manifest`, `validate` and `evaluate` read tables in the same formats."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pneumoscope.dataset import Manifest
from pneumoscope.support.errors import PneumoscopeError

FILES = ["ä 1.png", *(f"{number}.png" for number in range(2, 9))]
COLUMNS: dict[str, list[Any]] = {
    "file": FILES,
    "label": ["NORMAL", "PNEUMONIA"] * 4,
    "probability": [number / 16 for number in range(8)],
    "patient": [f"Müller {number}" for number in range(8)],
}


def csv_bytes(delimiter: str, encoding: str, decimal: str = ".") -> bytes:
    rows = zip(*COLUMNS.values(), strict=True)
    cells = [list(COLUMNS), *([str(cell) for cell in row] for row in rows)]
    lines = (
        delimiter.join([file, label, probability.replace(".", decimal), patient])
        for file, label, probability, patient in cells
    )
    return "".join(f"{line}\r\n" for line in lines).encode(encoding)


def parquet_bytes() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(COLUMNS), sink)
    return bytes(sink.getvalue())


FORMATS = {
    "commas": csv_bytes(",", "utf-8"),
    "byte-order-mark": csv_bytes(",", "utf-8-sig"),
    "utf-16": csv_bytes(",", "utf-16"),
    "windows-1252": csv_bytes(",", "cp1252"),
    "semicolons": csv_bytes(";", "utf-8"),
    "decimal-commas": csv_bytes(";", "cp1252", decimal=","),
    "tabs": csv_bytes("\t", "utf-8"),
    "parquet": parquet_bytes(),
}


@pytest.fixture(params=FORMATS)
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(FORMATS[request.param])
    return path


class TableReadError(PneumoscopeError):
    """Ends a command as soon as it has read its table."""


def test_data_manifest(table: Path, pneumoscope: Callable[..., Any], tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number, file in enumerate(FILES):
        Image.fromarray(np.full((9, 9), 20 * number, np.uint8)).save(images / file)
    out = tmp_path / "manifest.parquet"
    outcome = pneumoscope("data", "manifest", table, "--images", images, "--out", out)
    assert outcome.code == 0, outcome.err
    entries = {entry.path: entry for entry in Manifest.read(out).entries}
    assert [entries[file].label.name for file in FILES] == COLUMNS["label"]
    assert [entries[file].patient for file in FILES] == COLUMNS["patient"]
    assert [float(entries[file].extra["probability"].replace(",", ".")) for file in FILES] == (
        COLUMNS["probability"]
    )


def test_validate(
    table: Path, pneumoscope: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = []

    def validate_locally(reader: object, labels: object, *_: object, **__: object) -> NoReturn:
        tables.append(labels)
        raise TableReadError("the table was read")

    monkeypatch.setattr(
        "pneumoscope.validation.local_validation.validate_locally", validate_locally
    )
    outcome = pneumoscope(
        "validate", "--labels", table, "--images", tmp_path, "--out", tmp_path / "out"
    )
    assert "the table was read" in outcome.err
    (labels,) = tables
    assert labels.files == tuple(FILES)
    assert labels.labels == (0, 1) * 4
    assert labels.patients == tuple(COLUMNS["patient"])


def test_evaluate(
    table: Path, pneumoscope: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = []

    def compare_models(subjects: Any, *_: object, **__: object) -> NoReturn:
        tables.extend(subject.predictions for subject in subjects)
        raise TableReadError("the table was read")

    monkeypatch.setattr("pneumoscope.evaluation.model_comparison.compare_models", compare_models)
    outcome = pneumoscope("evaluate", table, "--out", tmp_path / "out")
    assert "the table was read" in outcome.err
    (predictions,) = tables
    assert predictions.files == tuple(FILES)
    assert predictions.labels.tolist() == [0, 1] * 4
    assert predictions.probabilities.tolist() == COLUMNS["probability"]
    assert predictions.patients == tuple(COLUMNS["patient"])
