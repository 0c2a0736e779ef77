"""Strata of images made alike, on machines that are made up."""

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
    """Return how 3,000 images were made, and labels: the brighter the border, the more ill."""
    rng = np.random.default_rng(0)
    border = rng.random(3000)
    return np.stack([border, rng.random(3000)], axis=1), (rng.random(3000) < border).astype(np.int8)


def test_a_reader_of_the_machine_gains_nothing_within_strata(
    hospital: tuple[np.ndarray, np.ndarray],
) -> None:
    made, labels = hospital
    learned, judged = slice(None, 1500), slice(1500, None)
    strata = acquisition_strata(made[learned], labels[learned], made[judged])
    border, ill = made[judged, 0], labels[judged]
    whole = covariate_adjusted_auc(ill, border, np.zeros(1500, int))
    # For labels drawn with the probability u, uniform: the integral gives 5 / 6.
    assert whole == pytest.approx(5 / 6, abs=0.02)
    # Five strata by the border itself leave 0.61.
    true = np.minimum((border * 5).astype(int), 4)
    assert (
        covariate_adjusted_auc(ill, border, strata)
        < covariate_adjusted_auc(ill, border, true) + 0.04
    )
    knows = ill + np.random.default_rng(1).normal(
        size=1500
    )  # a reader of the disease loses nothing
    assert covariate_adjusted_auc(ill, knows, strata) == pytest.approx(
        covariate_adjusted_auc(ill, knows, np.zeros(1500, int)), abs=0.02
    )


def test_strata_are_about_as_large_and_what_is_alike_stays_together(
    hospital: tuple[np.ndarray, np.ndarray],
) -> None:
    made, labels = hospital
    strata = acquisition_strata(made, labels, made)
    assert np.bincount(strata, minlength=N_STRATA).min() > 500
    assert [np.mean(made[strata == s, 0]) for s in range(N_STRATA)] == sorted(
        np.mean(made[strata == s, 0]) for s in range(N_STRATA)
    )
    twins = acquisition_strata(made, labels, np.repeat(made[:1], 100, axis=0))
    assert len(set(twins.tolist())) == 1


def test_weighted_images_tell_nothing_by_their_machine(
    hospital: tuple[np.ndarray, np.ndarray],
) -> None:
    made, labels = hospital
    weights = acquisition_weights(made, labels, [f"p{row // 2}" for row in range(len(labels))])
    fifths = np.minimum((made[:, 0] * 5).astype(int), 4)
    plain = [np.mean(labels[fifths == fifth]) for fifth in range(5)]
    evened = [
        np.average(labels[fifths == fifth], weights=weights[fifths == fifth]) for fifth in range(5)
    ]
    assert (plain[0], plain[4]) == (pytest.approx(0.1, abs=0.04), pytest.approx(0.9, abs=0.04))
    assert evened == pytest.approx([np.mean(labels)] * 5, abs=0.12)
    # The true weights, of labels drawn with the probability of the border.
    middle = np.abs(made[:, 0] - 0.5) < 0.3
    true = np.where(
        labels == 1, np.mean(labels) / made[:, 0], np.mean(1 - labels) / (1 - made[:, 0])
    )
    assert np.corrcoef(weights[middle], true[middle])[0, 1] > 0.9


def test_a_patient_who_was_learned_from_does_not_weigh_itself(
    hospital: tuple[np.ndarray, np.ndarray],
) -> None:
    # Everyone alone knows their label by heart; a fold that saw it would call it certain.
    labels = hospital[1][:400]
    made = np.random.default_rng(3).random((400, 1))
    weights = acquisition_weights(
        np.repeat(made, 8, axis=0),
        np.repeat(labels, 8),
        np.repeat(np.arange(400), 8).astype(str).tolist(),
    )
    assert weights.mean() == pytest.approx(1, abs=0.15)


def test_too_few_patients_of_a_class_are_named() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1], np.int8)
    with pytest.raises(DatasetError, match="5 patients of the class NORMAL"):
        acquisition_weights(np.zeros((9, 1)), labels, [str(row) for row in range(9)])


def made_by(machine: int, rng: np.random.Generator) -> np.ndarray:
    return np.array([9.0 * machine, 9.0 * (machine == 1)]) + rng.normal(size=2)


@pytest.fixture
def ward() -> tuple[list[Entry], dict[str, np.ndarray], dict[str, int]]:
    """Return 120 images of 60 patients by three machines; every tenth patient was at two."""
    rng = np.random.default_rng(0)
    entries, made, machine = [], {}, {}
    for patient in range(60):
        for image in range(2):
            path = f"{patient}-{image}.png"
            split = (Split.TEST, Split.VALIDATION)[patient] if patient < 2 else Split.TRAIN
            entries.append(Entry(path, Label(patient % 2), patient=str(patient), split=split))
            machine[path] = (patient + (image if patient % 10 == 0 else 0)) % 3
            made[path] = made_by(machine[path], rng)
    return entries, made, machine


def test_each_machine_is_held_out_once_with_the_patients_it_saw(
    ward: tuple[list[Entry], dict[str, np.ndarray], dict[str, int]],
) -> None:
    entries, made, machine = ward
    folds = leave_one_acquisition_out(entries, made, 3, seed=0)
    held_out = set()
    for fold in folds:
        assert [entry.path for entry in fold] == [entry.path for entry in entries]
        split = {entry.path: entry.split for entry in fold}
        learned = {machine[path] for path, of in split.items() if of is Split.TRAIN}
        assert len(learned) == 2
        held_out |= {0, 1, 2} - learned
        patients = {of: {entry.patient for entry in fold if entry.split is of} for of in Split}
        assert not patients[Split.TRAIN] & patients[Split.VALIDATION]
        assert patients[Split.TEST] == {"0"}  # as it was
        assert "1" in patients[Split.VALIDATION]
    assert held_out == {0, 1, 2}


def test_a_class_that_one_machine_alone_has_cannot_be_dealt(
    ward: tuple[list[Entry], dict[str, np.ndarray], dict[str, int]],
) -> None:
    entries, made, machine = ward
    alone = [entry for entry in entries if entry.label or machine[entry.path] == 0]
    with pytest.raises(DatasetError, match="no image of the class NORMAL"):
        leave_one_acquisition_out(alone, made, 3, seed=0)


def test_images_are_looked_at_once(phantom_dataset: Path, tmp_path: Path) -> None:
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


def test_what_was_described_otherwise_is_described_anew(
    phantom_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, cache = open_dataset(phantom_dataset, seed=0), ArrayCache(tmp_path)
    entries = manifest.of(Split.TRAIN)[:2]
    describe_acquisitions(manifest, entries, cache)
    monkeypatch.setattr(acquisition, "VERSION", acquisition.VERSION + 1)
    describe_acquisitions(manifest, entries, cache)
    assert len(cache.entries()) == 2
