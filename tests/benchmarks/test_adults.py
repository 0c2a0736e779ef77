"""The fine-tuning on adults: its folds, its tables, and a small run."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.adults import (
    RECIPE,
    SMALLEST_FOLDS,
    SMALLEST_STRIDE,
    adults_recipe,
    auc_rows,
    disease_rows,
    main,
)
from benchmarks.adults_auc import MINED, AdultPrediction
from benchmarks.adults_data import (
    FOLDS,
    Adult,
    Labels,
    assign_folds,
    fold_rows,
    last_rows,
    read_adults,
    read_children,
)
from benchmarks.radiologists import RadiologistReading, RsnaClass
from pneumoscope.dataset import Manifest, Split
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.models import build_network, find_model
from pneumoscope.training import Run, make_recipe
from pneumoscope.training.evaluate import write_evaluation


@pytest.fixture
def adults() -> list[Adult]:
    """Return 200 adults, each with two images; a quarter is ill, some have other diseases."""
    findings = [("Pneumonia",), ("No Finding",), ("Mass", "Nodule"), ("Effusion",)]
    return [
        Adult(
            f"nih_external/images/{n}-{i}.jpg",
            "nih_external",
            str(n),
            ("AP", "PA")[i],
            findings[n % 4],
            RadiologistReading(tuple(RsnaClass)[n % 3]),
        )
        for n in range(200)
        for i in range(2)
    ]


CHILDREN = [
    {"file": f"{split}.png", "split": split, "patient": "child 1"}
    for split in ("train", "validation", "test")
]


def test_folds_keep_patients_together_and_classes_even(adults: list[Adult]) -> None:
    fold = assign_folds(adults)
    by_patient = {adult.patient: set() for adult in adults}
    for adult, number in zip(adults, fold, strict=True):
        by_patient[adult.patient].add(number)
    assert all(len(folds) == 1 for folds in by_patient.values())
    for number in range(FOLDS):
        held_out = [adult.ill for adult, of in zip(adults, fold, strict=True) if of == number]
        assert 70 <= len(held_out) <= 90
        assert sum(held_out) / len(held_out) == pytest.approx(0.25, abs=0.05)


def test_a_fold_is_tested_on_the_adults_it_leaves_out(adults: list[Adult]) -> None:
    fold = assign_folds(adults)
    rows = list(fold_rows(CHILDREN, adults, fold, 2, Labels.MINED))
    tested = {row["file"] for row in rows if row["split"] == "test"}
    assert tested == {adult.file for adult, n in zip(adults, fold, strict=True) if n == 2}
    assert [row["file"] for row in rows if row["split"] == "validation"] == ["validation.png"]
    last = list(last_rows(CHILDREN, adults))
    assert [row["file"] for row in last if row["split"] == "test"] == ["test.png"]
    assert [row["file"] for row in last if row["split"] == "validation"] == ["validation.png"]
    learned = {row["file"] for row in last if row["split"] == "train"}
    assert learned == {"train.png"} | {adult.file for adult in adults if adult.ill or adult.healthy}


@pytest.mark.parametrize("labels", Labels)
def test_who_has_other_findings_is_tested_and_not_learned_from(
    adults: list[Adult], labels: Labels
) -> None:
    rows = list(fold_rows([], adults, assign_folds(adults), 2, labels))
    tested, learned = (
        {row["file"]: row["label"] for row in rows if row["split"] == split}
        for split in ("test", "train")
    )
    classes = {adult.file: (adult.findings[0], adult.reading.rsna_class) for adult in adults}
    held_out = {classes[file] for file in tested}
    assert held_out == set(classes.values())
    opacity, abnormal, normal = RsnaClass
    reports = (
        {("Pneumonia", seen) for seen in RsnaClass},
        {("No Finding", seen) for seen in RsnaClass},
    )
    readings = {(name, opacity) for name, _ in held_out}, {(name, normal) for name, _ in held_out}
    expected = reports if labels is Labels.MINED else readings
    for label, classes_learned in zip(("PNEUMONIA", "NORMAL"), expected, strict=True):
        assert {classes[f] for f, of in learned.items() if of == label} == classes_learned
    assert not {("Effusion", abnormal), ("Mass", abnormal)} & {classes[f] for f in learned}


def test_metrics_of_a_model_that_detects_masses_alone(adults: list[Adult]) -> None:
    """Each fold has a scale of its own; within a fold, all images without a mass score the same."""

    def predict(of: Callable[[Adult], float]) -> list[AdultPrediction]:
        return [
            AdultPrediction(adult, int(fold), of(adult) / (fold + 1))
            for adult, fold in zip(adults, assign_folds(adults), strict=True)
        ]

    masses = predict(lambda adult: 0.9 if "Mass" in adult.findings else 0.5)
    rows = [row for row in auc_rows({"AUC": masses}) if row["labels"] == MINED]
    auc = {row["against"]: float(str(row["AUC"]).split()[0]) for row in rows}
    assert auc["no finding"] == 0.5
    assert auc["other findings"] == pytest.approx(0.25, abs=0.01)
    shares = {row["finding"]: str(row["called PNEUMONIA"])[:4] for row in disease_rows(masses)}
    assert set(shares.values()) == {"1.00"}
    sure = predict(lambda adult: 0.9 if adult.ill or "Mass" in adult.findings else 0.1)
    shares = {row["finding"]: str(row["called PNEUMONIA"])[:4] for row in disease_rows(sure)}
    assert shares == {"Effusion": "0.00", "Mass": "1.00", "No Finding": "0.00", "Nodule": "1.00"}


def test_the_recipe_takes_the_network_and_its_images_from_the_start(tmp_path: Path) -> None:
    words = ["framing=lungs", "image_size=288", "precision=float32", "augmentation.crop=0.15"]
    words += ["weights=none"]  # the licence of a bundle depends on it
    begun = make_recipe("efficientnet_lite0", assignments=[*words, "epochs=30"])
    start = Run(tmp_path / "start", begun, record=None)
    recipe = adults_recipe(start, RECIPE)
    assert (recipe.model, recipe.start) == ("efficientnet_lite0", str(tmp_path / "start"))
    assert recipe.preparation == begun.preparation
    assert (recipe.precision, recipe.augmentation) == (begun.precision, begun.augmentation)
    assert recipe.weights == "none"
    # A fine-tuning of all layers: fewer epochs, a lower rate, no frozen layers.
    assert (recipe.epochs, recipe.head_epochs, recipe.pretrained_rate) == (8, 0, 1)
    assert recipe.learning_rate < begun.learning_rate
    own = tmp_path / "recipe.yaml"
    own.write_text("format: 2\nimage_size: 192\n")
    assert adults_recipe(start, own, ["epochs=1"]).image_size == 192


@pytest.fixture(scope="module")
def start(children: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a finished Run on the children with untrained weights."""
    recipe = make_recipe("compact", assignments=["image_size=64", "precision=float32"])
    run = Run.create(tmp_path_factory.mktemp("start") / "compact", recipe, children)
    run.write_history([])
    run.write_weights(build_network(find_model("compact"), 64, seed=0).state_dict())
    validation = children.of(Split.VALIDATION)
    predictions = Predictions(
        files=tuple(entry.path for entry in validation),
        labels=np.array([entry.label for entry in validation], np.int8),
        probabilities=np.linspace(0, 1, len(validation)),
        patients=tuple(entry.group for entry in validation),
    )
    write_evaluation(run, Split.VALIDATION, predictions)
    return run.update_record(finished=True)


@pytest.mark.usefixtures("opened_before")
def test_both_folders_are_read_completely(shared_data: Path, start: Run) -> None:
    adults = read_adults(shared_data)
    assert len(adults) == 533 + 601
    assert sum(adult.ill for adult in adults) == 255 + 16
    assert sum(adult.healthy for adult in adults) == 278 + 100
    rows = read_children(shared_data, start.record.manifest_fingerprint)
    learned = [row for row in rows if row["split"] == "train"]
    assert len(learned) == pytest.approx(len(start.manifest().of(Split.TRAIN)) / 3, rel=0.1)
    assert sum(row["split"] == "test" for row in rows) == 624


@pytest.mark.usefixtures("opened_before")
def test_a_run_on_another_split_is_refused(shared_data: Path, compact_run: Run) -> None:
    with pytest.raises(SystemExit, match="other data or another split"):
        read_children(shared_data, compact_run.record.manifest_fingerprint)


@pytest.mark.usefixtures("opened_before")
@pytest.mark.thorough
def test_it_runs(
    shared_data: Path, start: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {"--start": start.folder, "--data": shared_data}
    folders |= {"--runs": tmp_path / "runs", "--out": tmp_path / "out"}
    words = [str(word) for option in folders.items() for word in option]
    monkeypatch.setattr("sys.argv", ["adults", "--smallest", "--cleaned", *words])
    main()
    read = read_adults(shared_data)[::SMALLEST_STRIDE]
    fold = {adult.file: number for adult, number in zip(read, assign_folds(read), strict=True)}
    out_of_fold = Predictions.read(tmp_path / "runs" / "out_of_fold.csv")
    assert set(out_of_fold.files) == {file for file, n in fold.items() if n < SMALLEST_FOLDS}
    tables = json.loads((tmp_path / "out" / "adults.json").read_text())["tables"]
    assert [table["title"] for table in tables] == [
        "Adults, out-of-fold",
        "Children",
        "Adults without pneumonia",
    ]
    assert {"before", "AUC", "AUC, cleaned labels"} <= tables[0]["rows"][0].keys()
    for folder, labels in {"runs": Labels.MINED, "runs/cleaned": Labels.CLEANED}.items():
        text = (tmp_path / folder / "fold_0" / "labels.csv").read_text()
        for adult in read:
            label = "PNEUMONIA" if adult.is_pneumonia(labels) else "NORMAL"
            left_out = fold[adult.file] > 0 and adult.has_other_findings(labels)
            assert (f"{adult.file},{label}," in text) != left_out
    assert (tmp_path / "runs" / "last" / "compact" / "predictions" / "test.csv").exists()
    outsiders = {link.resolve() for link in (tmp_path / "runs" / "outsiders").iterdir()}
    manifest = start.manifest()
    assert outsiders == {manifest.root / entry.path for entry in manifest.of(Split.TRAIN)}
