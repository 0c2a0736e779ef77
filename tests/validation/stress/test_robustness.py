"""Robustness curves of the shipped reader, and of a reader whose behaviour is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import recall_score, roc_auc_score

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader import Bundle, Reader, Status, load
from pneumoscope.reader.reader import NetworkOutput
from pneumoscope.validation.stress.perturbations import PERTURBATIONS
from pneumoscope.validation.stress.robustness import measure_robustness

KINDS = {kind.name: kind for kind in PERTURBATIONS}


class BrightnessReader(Reader):
    """Reader of whole images that calls pneumonia where one is bright."""

    def __init__(self, bundle: Bundle, threads: int) -> None:
        super().__init__(bundle, threads)
        self.preparation = bundle.preparation.whole

    def run(self, pixels: np.ndarray) -> NetworkOutput:
        odds = (pixels.mean((1, 2)) / 255 - 0.5) * 34
        logits = odds * self.bundle.record.calibration.temperature  # undone by calibration
        none = np.zeros((len(pixels), 1, 1), np.float32)
        features = super().run(pixels).features
        return NetworkOutput(logits.astype(np.float32), none, features)


@pytest.fixture(scope="module")
def shipped() -> Reader:
    return load(threads=2)


@pytest.fixture(scope="module")
def phantoms(phantom_dataset: Path) -> tuple[list[Path], Predictions]:
    files = sorted((phantom_dataset / "test").rglob("*.png"))[::4]
    labels = np.array([path.parent.name == "PNEUMONIA" for path in files], np.int8)
    assert set(labels.tolist()) == {0, 1}
    names = tuple(path.name for path in files)
    return files, Predictions(names, labels, np.zeros(len(files)), names)


def test_strength_0_is_the_reader_s_own_probability(
    shipped: Reader, phantoms: tuple[list[Path], Predictions]
) -> None:
    files, predictions = phantoms
    labels = predictions.labels
    radiographs = [read_radiograph(file, shipped.min_side) for file in files]
    probabilities = np.array(
        [shipped.probabilities(_logit(shipped, radiograph.pixels))[0] for radiograph in radiographs]
    )
    rejected = [shipped.read(file).status is Status.REJECTED for file in files]
    curves = measure_robustness(
        shipped, files, predictions, 0.5, perturbations=(KINDS["blur"], KINDS["crop"])
    )
    for curve in curves:
        point = next(point for point in curve.points if point.strength == 0)
        assert point.auc.value == pytest.approx(roc_auc_score(labels, probabilities))
        called = probabilities >= 0.5
        assert point.sensitivity.value == pytest.approx(recall_score(labels, called))
        specificity = recall_score(labels, called, pos_label=0)
        assert point.specificity.value == pytest.approx(specificity)
        assert point.change == 0.0
        assert point.rejected.value == pytest.approx(np.mean(rejected))
        assert (curve.n, curve.positives) == (len(files), labels.sum())


def _logit(reader: Reader, pixels: np.ndarray) -> np.ndarray:
    return reader.run(reader.preparation.square(pixels)[None]).logits


def test_a_reader_of_brightness_depends_on_exposure_and_not_on_blur(
    shipped: Reader, phantoms: tuple[list[Path], Predictions]
) -> None:
    files, predictions = phantoms
    reader = BrightnessReader(shipped.bundle, threads=2)
    exposure, blur = measure_robustness(
        reader, files, predictions, 0.5, perturbations=(KINDS["exposure"], KINDS["blur"])
    )
    assert [point.strength for point in exposure.points] == list(KINDS["exposure"].strengths)
    # From bright to dark, fewer and fewer images are called pneumonia.
    sensitivities = [point.sensitivity.value for point in exposure.points]
    specificities = [point.specificity.value for point in exposure.points]
    assert sensitivities == sorted(sensitivities, reverse=True)
    assert specificities == sorted(specificities)
    lost, gained = sensitivities[0] - sensitivities[-1], specificities[-1] - specificities[0]
    assert lost + gained > 0.5
    brightest, darkest = exposure.points[0], exposure.points[-1]
    assert brightest.change > 0.1
    assert darkest.change > 0.1
    assert max(point.change for point in blur.points) < 0.02


def test_curves_depend_on_the_seed_alone(
    shipped: Reader, phantoms: tuple[list[Path], Predictions]
) -> None:
    files, predictions = phantoms
    readers = [BrightnessReader(shipped.bundle, threads=threads) for threads in (3, 1)]
    noise = (KINDS["noise"],)
    first, second = (
        measure_robustness(reader, files, predictions, 0.5, perturbations=noise, limit=6, seed=3)
        for reader in readers
    )
    assert first == second
    assert first[0].n == 6


def test_unreadable_images_are_left_out_and_counted(
    shipped: Reader, phantoms: tuple[list[Path], Predictions], tmp_path: Path
) -> None:
    files, predictions = phantoms
    reader = BrightnessReader(shipped.bundle, threads=2)
    broken = [tmp_path / "gone.png", *files[1:]]
    (curve,) = measure_robustness(reader, broken, predictions, 0.5, perturbations=(KINDS["crop"],))
    assert (curve.n, curve.unreadable) == (len(files) - 1, 1)
    nowhere = [tmp_path / "gone.png"] * len(files)
    assert measure_robustness(reader, nowhere, predictions, 0.5) == ()


def test_images_of_one_class_have_no_auc(
    shipped: Reader, phantoms: tuple[list[Path], Predictions]
) -> None:
    files, predictions = phantoms
    rows = np.flatnonzero(predictions.labels == 1)
    reader = BrightnessReader(shipped.bundle, threads=2)
    ill = [files[row] for row in rows]
    (curve,) = measure_robustness(
        reader, ill, predictions.rows(rows), 0.5, perturbations=(KINDS["contrast"],)
    )
    assert {point.auc.value for point in curve.points} == {None}
    assert {point.specificity.value for point in curve.points} == {None}


def test_each_image_is_decoded_once(
    shipped: Reader,
    phantoms: tuple[list[Path], Predictions],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pneumoscope.validation.stress import sample

    decoded: list[Path] = []
    original: Callable = sample.read_radiograph

    def counted(path: Path, min_side: int | None = None) -> object:
        decoded.append(path)
        return original(path, min_side)

    monkeypatch.setattr(sample, "read_radiograph", counted)
    files, predictions = phantoms
    measure_robustness(
        BrightnessReader(shipped.bundle, threads=2), files, predictions, 0.5, limit=4
    )
    assert len(decoded) == len(set(decoded)) == 4
