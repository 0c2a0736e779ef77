"""The adaptation to adults: who is learned from, who is judged, and that it runs."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.adults import (
    FOLDS,
    Adult,
    Judged,
    deal,
    diseases,
    fold_rows,
    last_rows,
    main,
    never_seen,
    read_adults,
    read_children,
    write_table,
)
from pneumoscope.dataset import Manifest, Split, open_dataset
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.models import build_network, find_model
from pneumoscope.training import Run, make_recipe
from pneumoscope.training.evaluate import write_evaluation


@pytest.fixture
def ward() -> list[Adult]:
    """Return 200 adults, each with two images; a quarter is ill, some have other diseases."""
    kinds = [("Pneumonia",), ("No Finding",), ("Mass", "Nodule"), ("Effusion",)]
    return [
        Adult(
            f"nih_external/images/{n}-{i}.jpg",
            "nih_external",
            str(n),
            ("AP", "PA")[i],
            kinds[n % 4],
        )
        for n in range(200)
        for i in range(2)
    ]


CHILDREN = [
    {"file": f"{split}.png", "split": split, "patient": "child 1"}
    for split in ("train", "validation", "test")
]


def test_folds_keep_patients_together_and_classes_even(ward: list[Adult]) -> None:
    fold = deal(ward)
    by_patient = {adult.patient: set() for adult in ward}
    for adult, number in zip(ward, fold, strict=True):
        by_patient[adult.patient].add(number)
    assert all(len(folds) == 1 for folds in by_patient.values())
    for number in range(FOLDS):
        held = [adult.ill for adult, of in zip(ward, fold, strict=True) if of == number]
        assert 70 <= len(held) <= 90
        assert sum(held) / len(held) == pytest.approx(0.25, abs=0.05)


def test_a_fold_is_judged_on_whom_it_did_not_learn_from(ward: list[Adult]) -> None:
    fold = deal(ward)
    rows = list(fold_rows(CHILDREN, ward, fold, 2))
    judged = {row["file"] for row in rows if row["split"] == "test"}
    assert judged == {adult.file for adult, n in zip(ward, fold, strict=True) if n == 2}
    assert [row["file"] for row in rows if row["split"] == "validation"] == ["validation.png"]
    last = list(last_rows(CHILDREN, ward))
    assert [row["file"] for row in last if row["split"] == "test"] == ["test.png"]
    assert [row["file"] for row in last if row["split"] == "validation"] == ["validation.png"]
    learned = {row["file"] for row in last if row["split"] == "train"}
    assert learned == {"train.png"} | {adult.file for adult in ward}


def test_figures_of_a_reader_who_knows_masses_and_nothing_else(ward: list[Adult]) -> None:
    """Each fold has its own scale, which tells nothing; within it all but masses get the same."""

    def judged(of: Callable[[Adult], float]) -> list[Judged]:
        scales = deal(ward)
        return [
            Judged(adult, int(fold), of(adult) / (fold + 1))
            for adult, fold in zip(ward, scales, strict=True)
        ]

    masses = judged(lambda adult: 0.9 if "Mass" in adult.findings else 0.5)
    auc = {row["against"]: float(str(row["AUC"]).split()[0]) for row in never_seen(masses, masses)}
    assert auc["both: no finding"] == 0.5
    assert all(row["AUC"] == row["before"] for row in never_seen(masses, masses))
    assert auc["both: other findings"] == pytest.approx(0.25, abs=0.01)
    shares = {row["finding"]: str(row["called PNEUMONIA"])[:4] for row in diseases(masses)}
    assert set(shares.values()) == {"1.00"}
    sure = judged(lambda adult: 0.9 if adult.ill or "Mass" in adult.findings else 0.1)
    shares = {row["finding"]: str(row["called PNEUMONIA"])[:4] for row in diseases(sure)}
    assert shares == {"Effusion": "0.00", "Mass": "1.00", "No Finding": "0.00", "Nodule": "1.00"}


@pytest.fixture
def opened_before(children: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the children for opened: that takes longer than the rest."""

    def opened(source: Path, *more: Path) -> Manifest:
        return children if source.resolve() == children.root else open_dataset(source, *more)

    monkeypatch.setattr("benchmarks.adults.open_dataset", opened)


@pytest.fixture(scope="module")
def start(children: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a Run on the children that has learned nothing, but says it has finished."""
    recipe = make_recipe("compact", assignments=["image_size=64", "precision=float32"])
    run = Run.create(tmp_path_factory.mktemp("start") / "compact", recipe, children)
    run.write_history([])
    run.write_weights(build_network(find_model("compact"), 64, seed=0).state_dict())
    watched = children.of(Split.VALIDATION)
    said = Predictions(
        files=tuple(entry.path for entry in watched),
        labels=np.array([entry.label for entry in watched], np.int8),
        probabilities=np.linspace(0, 1, len(watched)),
        patients=tuple(entry.group for entry in watched),
    )
    write_evaluation(run, Split.VALIDATION, said)
    return run.update_record(finished=True)


@pytest.mark.usefixtures("opened_before")
def test_the_folders_are_read_whole(shared_data: Path, start: Run, tmp_path: Path) -> None:
    found = read_adults(shared_data)
    assert len(found) == 533 + 601
    assert sum(adult.ill for adult in found) == 255 + 16
    assert sum(adult.healthy for adult in found) == 278 + 100
    rows = read_children(shared_data, start)
    learned = [row for row in rows if row["split"] == "train"]
    assert len(learned) == pytest.approx(len(start.manifest().of(Split.TRAIN)) / 3, rel=0.1)
    assert sum(row["split"] == "test" for row in rows) == 624
    rows = list(last_rows(rows, found))
    write_table(rows, tmp_path / "labels.csv")
    assert not open_dataset(tmp_path / "labels.csv", shared_data).set_aside


@pytest.mark.usefixtures("opened_before")
def test_a_run_on_another_split_is_refused(shared_data: Path, compact_run: Run) -> None:
    with pytest.raises(SystemExit, match="other data or another split"):
        read_children(shared_data, compact_run)


@pytest.mark.usefixtures("opened_before")
def test_it_runs(
    shared_data: Path, start: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {"--start": start.folder, "--data": shared_data}
    folders |= {"--runs": tmp_path / "runs", "--out": tmp_path / "out"}
    words = [str(word) for option in folders.items() for word in option]
    monkeypatch.setattr("sys.argv", ["adults", "--smallest", *words])
    main()
    held = Predictions.read(tmp_path / "runs" / "out_of_fold.csv")
    assert set(held.files) == {adult.file for adult in read_adults(shared_data)[::8]}
    tables = json.loads((tmp_path / "out" / "adults.json").read_text())["tables"]
    assert [table["title"] for table in tables] == [
        "Adults never seen",
        "Children",
        "Adults without pneumonia",
    ]
    assert (tmp_path / "runs" / "last" / "compact" / "predictions" / "test.csv").exists()
