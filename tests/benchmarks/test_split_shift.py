"""The classifier of the test split: labels are splits, patients stay together."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.split_shift import write_splits_as_labels
from pneumoscope.dataset import Entry, Label, Manifest, Split, open_dataset
from pneumoscope.dataset.manifest import SplitBy


def test_the_split_is_the_label_and_patients_stay_together(
    small_dataset: Path, tmp_path: Path
) -> None:
    images = open_dataset(small_dataset).in_use
    splits = [Split.TEST if row % 3 == 0 else Split.TRAIN for row in range(len(images))]
    entries = tuple(
        Entry(image.path, Label.NORMAL, patient=str(row // 3), split=split, sha256=image.sha256)
        for row, (image, split) in enumerate(zip(images, splits, strict=True))
    )
    table = tmp_path / "splits.csv"
    write_splits_as_labels(Manifest(small_dataset, entries, SplitBy.PATIENT, 0), table)
    written = open_dataset(table, small_dataset).in_use
    assert [entry.label for entry in written] == [Label(split is Split.TEST) for split in splits]
    validation = {entry.patient for entry in written if entry.split is Split.VALIDATION}
    train = {entry.patient for entry in written if entry.split is Split.TRAIN}
    assert validation
    assert train
    assert not validation & train


def test_it_runs(run_benchmark: Callable) -> None:
    (row,) = run_benchmark("split_shift")["Test split against the rest"]
    assert row["of the test split"] + row["others"] > 5
