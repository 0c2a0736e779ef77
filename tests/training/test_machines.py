"""Strata of images made alike, on machines that are made up."""

import numpy as np
import pytest

from pneumoscope.dataset import Entry, Label, Split
from pneumoscope.errors import DatasetError
from pneumoscope.evaluation.adjusted import adjusted_auc
from pneumoscope.training.machines import STRATA, deal_machines, machine_strata


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
    strata = machine_strata(made[learned], labels[learned], made[judged])
    border, ill = made[judged, 0], labels[judged]
    whole = adjusted_auc(ill, border, np.zeros(1500, int))
    # For labels drawn with the probability u, uniform: the integral gives 5 / 6.
    assert whole == pytest.approx(5 / 6, abs=0.02)
    # Five strata by the border itself leave 0.61.
    true = np.minimum((border * 5).astype(int), 4)
    assert adjusted_auc(ill, border, strata) < adjusted_auc(ill, border, true) + 0.04
    knows = ill + np.random.default_rng(1).normal(
        size=1500
    )  # a reader of the disease loses nothing
    assert adjusted_auc(ill, knows, strata) == pytest.approx(
        adjusted_auc(ill, knows, np.zeros(1500, int)), abs=0.02
    )


def test_strata_are_about_as_large_and_what_is_alike_stays_together(
    hospital: tuple[np.ndarray, np.ndarray],
) -> None:
    made, labels = hospital
    strata = machine_strata(made, labels, made)
    assert np.bincount(strata, minlength=STRATA).min() > 500
    assert [np.mean(made[strata == s, 0]) for s in range(STRATA)] == sorted(
        np.mean(made[strata == s, 0]) for s in range(STRATA)
    )
    twins = machine_strata(made, labels, np.repeat(made[:1], 100, axis=0))
    assert len(set(twins.tolist())) == 1


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
    folds = deal_machines(entries, made, 3, seed=0)
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
        deal_machines(alone, made, 3, seed=0)
