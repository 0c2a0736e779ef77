"""Strata, weights and folds by acquisition, on simulated hospitals."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pneumoscope.dataset import Entry, Label, Split, acquisition, open_dataset
from pneumoscope.dataset.acquisition import acquisition_table, describe_acquisition
from pneumoscope.evaluation.statistics.covariate_adjusted_auc import covariate_adjusted_auc
from pneumoscope.radiograph import read_radiograph
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import DatasetError, PneumoscopeError
from pneumoscope.training.acquisition_groups import (
    N_STRATA,
    acquisition_strata,
    acquisition_weights,
    describe_acquisitions,
    leave_one_acquisition_out,
)


@pytest.fixture
def hospital() -> tuple[np.ndarray, np.ndarray]:
    """Return acquisitions of 3,000 images, and labels that are likelier the brighter the border."""
    rng = np.random.default_rng(0)
    border = rng.random(3000)
    return np.stack([border, rng.random(3000)], axis=1), (rng.random(3000) < border).astype(np.int8)


def test_the_acquisition_does_not_discriminate_within_strata(
    hospital: tuple[np.ndarray, np.ndarray],
) -> None:
    table, labels = hospital
    train, evaluated = slice(None, 1500), slice(1500, None)
    strata = acquisition_strata(table[train], labels[train], table[evaluated])
    border, ill = table[evaluated, 0], labels[evaluated]
    whole = covariate_adjusted_auc(ill, border, np.zeros(1500, int))
    # For labels drawn with the probability u, uniform: the integral gives 5 / 6.
    assert whole == pytest.approx(5 / 6, abs=0.02)
    # Five strata by the border itself leave 0.61.
    true = np.minimum((border * 5).astype(int), 4)
    assert (
        covariate_adjusted_auc(ill, border, strata)
        < covariate_adjusted_auc(ill, border, true) + 0.04
    )
    # A score that depends on the disease alone is not affected.
    score = ill + np.random.default_rng(1).normal(size=1500)
    assert covariate_adjusted_auc(ill, score, strata) == pytest.approx(
        covariate_adjusted_auc(ill, score, np.zeros(1500, int)), abs=0.02
    )


def test_strata_are_equally_large_and_equal_images_share_one(
    hospital: tuple[np.ndarray, np.ndarray],
) -> None:
    table, labels = hospital
    strata = acquisition_strata(table, labels, table)
    assert np.bincount(strata, minlength=N_STRATA).min() > 500
    assert [np.mean(table[strata == s, 0]) for s in range(N_STRATA)] == sorted(
        np.mean(table[strata == s, 0]) for s in range(N_STRATA)
    )
    twins = acquisition_strata(table, labels, np.repeat(table[:1], 100, axis=0))
    assert len(set(twins.tolist())) == 1


def test_weights_make_the_label_independent_of_the_acquisition(
    hospital: tuple[np.ndarray, np.ndarray],
) -> None:
    table, labels = hospital
    weights = acquisition_weights(table, labels, [f"p{row // 2}" for row in range(len(labels))])
    fifths = np.minimum((table[:, 0] * 5).astype(int), 4)
    unweighted = [np.mean(labels[fifths == fifth]) for fifth in range(5)]
    weighted = [
        np.average(labels[fifths == fifth], weights=weights[fifths == fifth]) for fifth in range(5)
    ]
    assert (unweighted[0], unweighted[4]) == (
        pytest.approx(0.1, abs=0.04),
        pytest.approx(0.9, abs=0.04),
    )
    assert weighted == pytest.approx([np.mean(labels)] * 5, abs=0.12)
    # The true weights: labels are drawn with the probability of the border.
    middle = np.abs(table[:, 0] - 0.5) < 0.3
    true = np.where(
        labels == 1, np.mean(labels) / table[:, 0], np.mean(1 - labels) / (1 - table[:, 0])
    )
    assert np.corrcoef(weights[middle], true[middle])[0, 1] > 0.9


def test_weights_are_predicted_from_other_patients(
    hospital: tuple[np.ndarray, np.ndarray],
) -> None:
    # Each patient's images identify the label; a fold with one of them would be certain of it.
    labels = hospital[1][:400]
    table = np.random.default_rng(3).random((400, 1))
    weights = acquisition_weights(
        np.repeat(table, 8, axis=0),
        np.repeat(labels, 8),
        np.repeat(np.arange(400), 8).astype(str).tolist(),
    )
    assert weights.mean() == pytest.approx(1, abs=0.15)


def test_too_few_patients_of_a_class_are_named() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1], np.int8)
    with pytest.raises(DatasetError, match="5 patients of the class NORMAL"):
        acquisition_weights(np.zeros((9, 1)), labels, [str(row) for row in range(9)])


def acquire(scanner: int, rng: np.random.Generator) -> np.ndarray:
    return np.array([9.0 * scanner, 9.0 * (scanner == 1)]) + rng.normal(size=2)


@pytest.fixture
def three_scanners() -> tuple[list[Entry], dict[str, np.ndarray], dict[str, int]]:
    """Return 120 images of 60 patients by three scanners; every tenth patient was at two."""
    rng = np.random.default_rng(0)
    entries, acquisitions, scanners = [], {}, {}
    for patient in range(60):
        for image in range(2):
            path = f"{patient}-{image}.png"
            split = (Split.TEST, Split.VALIDATION)[patient] if patient < 2 else Split.TRAIN
            entries.append(Entry(path, Label(patient % 2), patient=str(patient), split=split))
            scanners[path] = (patient + (image if patient % 10 == 0 else 0)) % 3
            acquisitions[path] = acquire(scanners[path], rng)
    return entries, acquisitions, scanners


def test_each_scanner_is_held_out_once_with_its_patients(
    three_scanners: tuple[list[Entry], dict[str, np.ndarray], dict[str, int]],
) -> None:
    entries, acquisitions, scanners = three_scanners
    folds = leave_one_acquisition_out(entries, acquisitions, 3, seed=0)
    held_out = set()
    for fold in folds:
        assert [entry.path for entry in fold] == [entry.path for entry in entries]
        split = {entry.path: entry.split for entry in fold}
        train = {scanners[path] for path in split if split[path] is Split.TRAIN}
        assert len(train) == 2
        held_out |= {0, 1, 2} - train
        patients = {
            part: {entry.patient for entry in fold if entry.split is part} for part in Split
        }
        assert not patients[Split.TRAIN] & patients[Split.VALIDATION]
        assert patients[Split.TEST] == {"0"}  # unchanged
        assert "1" in patients[Split.VALIDATION]
    assert held_out == {0, 1, 2}


def test_a_class_of_one_scanner_alone_is_refused(
    three_scanners: tuple[list[Entry], dict[str, np.ndarray], dict[str, int]],
) -> None:
    entries, acquisitions, scanners = three_scanners
    images = [entry for entry in entries if entry.label or scanners[entry.path] == 0]
    with pytest.raises(DatasetError, match="no image of the class NORMAL"):
        leave_one_acquisition_out(images, acquisitions, 3, seed=0)


def test_acquisitions_are_cached(phantom_dataset: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(phantom_dataset, tmp_path / "data")
    manifest, cache = open_dataset(folder, seed=0), ArrayCache(tmp_path / "cache")
    entries = manifest.of(Split.TRAIN)[:5]
    expected = acquisition_table(
        [describe_acquisition(read_radiograph(folder / entry.path).pixels) for entry in entries]
    )
    np.testing.assert_array_equal(describe_acquisitions(manifest, entries, cache), expected)
    shutil.rmtree(folder)
    np.testing.assert_array_equal(describe_acquisitions(manifest, entries, cache), expected)
    with pytest.raises(PneumoscopeError):
        describe_acquisitions(manifest, entries[:4], cache)  # other images are another table


def test_another_version_of_the_description_is_computed_anew(
    phantom_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, cache = open_dataset(phantom_dataset, seed=0), ArrayCache(tmp_path)
    entries = manifest.of(Split.TRAIN)[:2]
    describe_acquisitions(manifest, entries, cache)
    monkeypatch.setattr(acquisition, "VERSION", acquisition.VERSION + 1)
    describe_acquisitions(manifest, entries, cache)
    assert len(cache.entries()) == 2
