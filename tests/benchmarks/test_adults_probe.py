"""The benchmark of linear probes on adults."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.adults_auc import BY_MINED_LABELS, BY_RADIOLOGISTS
from benchmarks.adults_data import Adult, assign_folds
from benchmarks.adults_probe import TRAINING_SETS, TrainingSet, out_of_fold_probes
from benchmarks.radiologists import RadiologistReading, RsnaClass

OPACITY, ABNORMAL, NORMAL = RsnaClass


@pytest.fixture(scope="module")
def adults() -> list[Adult]:
    """Return 120 adults whose reports are half wrong, with one or two images each."""
    classes = (OPACITY, NORMAL)
    findings = (("Pneumonia",), ("No Finding",), ("No Finding",), ("Pneumonia",))
    return [
        Adult(f"{n}-{i}.jpg", "nih_mixed", str(n), "PA", findings[n % 4], reading)
        for n in range(120)
        for reading in [RadiologistReading(classes[n % 2])]
        for i in range(1 + n % 3 // 2)
    ]


@pytest.fixture(scope="module")
def features(adults: list[Adult]) -> np.ndarray:
    """Return features that tell who has an opacity, and noise."""
    values = np.random.default_rng(0).normal(size=(len(adults), 8)).astype(np.float32)
    values[:, 3] += [8 * (adult.reading.rsna_class is OPACITY) for adult in adults]
    return values


MINED, CLEANED, _, WITHOUT_OTHERS = TRAINING_SETS


@pytest.mark.parametrize("training_set", [MINED, CLEANED])
def test_probabilities_are_those_of_scikit_learns_cross_validation(
    adults: list[Adult], features: np.ndarray, training_set: TrainingSet
) -> None:
    predictions = out_of_fold_probes(adults, features, training_set)
    expected = cross_val_predict(
        make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)),
        features,
        [adult.is_pneumonia(training_set.labels) for adult in adults],
        cv=PredefinedSplit(assign_folds(adults)),
        method="predict_proba",
    )[:, 1]
    np.testing.assert_allclose([prediction.probability for prediction in predictions], expected)
    assert [prediction.adult for prediction in predictions] == adults


def test_what_reports_missed_is_learned_from_cleaned_labels_alone(
    adults: list[Adult], features: np.ndarray
) -> None:
    normal, mined = BY_RADIOLOGISTS[2], BY_MINED_LABELS[0]
    cleaned = out_of_fold_probes(adults, features, CLEANED)
    assert normal.auc(cleaned).startswith("1.000")
    from_reports = out_of_fold_probes(adults, features, MINED)
    assert float(mined.auc(from_reports).split()[0]) == pytest.approx(0.5, abs=0.15)


def test_other_findings_can_be_left_out_of_training(
    adults: list[Adult], features: np.ndarray
) -> None:
    """Those who are left out are scored all the same, and what they look like is not learned."""
    assert WITHOUT_OTHERS.name == "cleaned, no other findings"
    others = [replace(adult, reading=RadiologistReading(ABNORMAL)) for adult in adults[::4]]
    scored = []
    for look in (0, 99):
        looks = np.full((len(others), features.shape[1]), look, np.float32)
        values = np.concatenate([features, looks])
        scored.append(out_of_fold_probes([*adults, *others], values, WITHOUT_OTHERS))
    before, after = scored
    assert before[: len(adults)] == after[: len(adults)]
    assert before[-1].probability != after[-1].probability


def test_it_runs(run_benchmark: Callable, shared_data: Path) -> None:
    probes, images = run_benchmark("adults_probe", "--data", shared_data).values()
    assert [row["learned from"] for row in probes] == [chosen.name for chosen in TRAINING_SETS]
    assert all(row["images"] == "lungs, 64 px" for row in probes)
    for row in images:
        assert 0 <= float(probes[0][f"{row['labels']}: {row['against']}"].split()[0]) <= 1
        assert 0 < row["positive"] < row["others"] + row["positive"] < 114
