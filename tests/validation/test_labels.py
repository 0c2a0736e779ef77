"""Labels from a manifest, beside the same labels from a table."""

from dataclasses import replace
from pathlib import Path

import pytest

from pneumoscope.dataset import Manifest, open_dataset
from pneumoscope.dataset.tables.form import TableForm
from pneumoscope.dataset.tables.own import TableColumns
from pneumoscope.evaluation.predictions import Labels
from pneumoscope.reader import Bundle
from pneumoscope.support.errors import DatasetError
from pneumoscope.training import Run
from pneumoscope.validation.labels import read_labels


@pytest.fixture
def bundle(exported: Path) -> Bundle:
    return Bundle.open(exported)


@pytest.fixture
def tables(phantom_dataset: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return the same labels as a usual table, and with other words as a manifest."""
    usual, own = ["file,label,patient,sex"], ["Bild,Befund,Fall,sex"]
    for number, path in enumerate(sorted(phantom_dataset.rglob("train/*/*.png"))):
        file, label = path.relative_to(phantom_dataset), path.parent.name
        patient, sex = f"p{number // 2}", "MF"[number % 2]
        usual.append(f"{file},{label},{patient},{sex}")
        own.append(f"{file},{label.lower()}!,{patient},{sex}")
    (tmp_path / "usual.csv").write_text("\n".join(usual))
    (tmp_path / "own.csv").write_text("\n".join(own))
    form = TableForm(
        TableColumns(file="Bild", label="Befund", patient="Fall"),
        labels={"normal!": "NORMAL", "pneumonia!": "PNEUMONIA"},
    )
    manifest = open_dataset(tmp_path / "own.csv", phantom_dataset, form=form)
    manifest.write(tmp_path / "own.parquet")
    return tmp_path / "usual.csv", tmp_path / "own.parquet"


def test_a_manifest_gives_the_labels_of_the_usual_table(
    tables: tuple[Path, Path], bundle: Bundle
) -> None:
    usual, own = tables
    expected, read = Labels.read(usual), read_labels(own, bundle)
    assert read_labels(usual, bundle) == expected
    assert read.groups["sex"] == expected.groups["sex"]
    assert (read.files, read.labels, read.patients) == (
        expected.files,
        expected.labels,
        expected.patients,
    )


def test_negatives_of_a_manifest_are_refused(tables: tuple[Path, Path], bundle: Bundle) -> None:
    with pytest.raises(DatasetError, match="has its labels already"):
        read_labels(tables[1], bundle, ["OTHER"])


def test_images_that_were_set_aside_have_no_label(
    tables: tuple[Path, Path], bundle: Bundle
) -> None:
    manifest = Manifest.read(tables[1])
    first, *rest = manifest.entries
    aside = replace(first, split=None, set_aside="unreadable")
    replace(manifest, entries=(aside, *rest)).write(tables[1])
    assert first.path not in read_labels(tables[1], bundle).files


def test_the_manifest_that_the_bundle_learned_from_is_refused(
    bundle: Bundle, compact_run: Run
) -> None:
    with pytest.raises(DatasetError, match=r"learned from this manifest.*evaluate"):
        read_labels(compact_run.folder / "manifest.parquet", bundle)
