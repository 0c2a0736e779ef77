"""Robustness curves of the shipped reader and of readers that are known through and through."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import recall_score, roc_auc_score

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader import Reader, Status, load
from pneumoscope.reader.reader import NetworkOutput
from pneumoscope.validation.stress.perturbations import PERTURBATIONS
from pneumoscope.validation.stress.robustness import robustness

KINDS = {one.name: one for one in PERTURBATIONS}


class BrightnessReader(Reader):
    """Says ill where an image is bright."""

    def look(self, pixels: np.ndarray) -> NetworkOutput:
        odds = (pixels.mean((1, 2)) / 255 - 0.5) * 34
        logits = odds * self.bundle.record.calibration.temperature  # which is taken away again
        none = np.zeros((len(pixels), 1, 1), np.float32)
        return NetworkOutput(logits.astype(np.float32), none, none[:, 0])


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
    pictures = [read_radiograph(file, 384) for file in files]
    said = np.array([shipped.probabilities(_logit(shipped, one.pixels))[0] for one in pictures])
    rejected = [shipped.read(file).status is Status.REJECTED for file in files]
    curves = robustness(
        shipped, files, predictions, 0.5, perturbations=(KINDS["blur"], KINDS["crop"])
    )
    for curve in curves:
        point = next(point for point in curve.points if point.strength == 0)
        assert point.auc.value == pytest.approx(roc_auc_score(labels, said))
        called = said >= 0.5
        assert point.sensitivity.value == pytest.approx(recall_score(labels, called))
        healthy_right = recall_score(labels, called, pos_label=0)
        assert point.specificity.value == pytest.approx(healthy_right)
        assert point.change == 0.0
        assert point.rejected.value == pytest.approx(np.mean(rejected))
        assert (curve.n, curve.positives) == (len(files), labels.sum())


def _logit(reader: Reader, pixels: np.ndarray) -> np.ndarray:
    from pneumoscope.radiograph import prepare_pixels

    contract = reader.bundle.record.input
    return reader.run(prepare_pixels(pixels, contract.size, contract.resampling)[None]).logits


def test_a_reader_of_brightness_suffers_from_exposure_and_not_from_blur(
    shipped: Reader, phantoms: tuple[list[Path], Predictions]
) -> None:
    files, predictions = phantoms
    reader = BrightnessReader(shipped.bundle, threads=2)
    exposure, blur = robustness(
        reader, files, predictions, 0.5, perturbations=(KINDS["exposure"], KINDS["blur"])
    )
    assert [point.strength for point in exposure.points] == list(KINDS["exposure"].strengths)
    # From bright to dark, fewer and fewer are called ill.
    caught = [point.sensitivity.value for point in exposure.points]
    spared = [point.specificity.value for point in exposure.points]
    assert caught == sorted(caught, reverse=True)
    assert spared == sorted(spared)
    assert caught[0] - caught[-1] + spared[-1] - spared[0] > 0.5
    brightest, darkest = exposure.points[0], exposure.points[-1]
    assert brightest.change > 0.1
    assert darkest.change > 0.1
    assert max(point.change for point in blur.points) < 0.02


def test_curves_depend_on_the_seed_alone(
    shipped: Reader, phantoms: tuple[list[Path], Predictions]
) -> None:
    files, predictions = phantoms
    reader = BrightnessReader(shipped.bundle, threads=3)
    again = BrightnessReader(shipped.bundle, threads=1)
    noise = (KINDS["noise"],)
    first, second = (
        robustness(one, files, predictions, 0.5, perturbations=noise, limit=6, seed=3)
        for one in (reader, again)
    )
    assert first == second
    assert first[0].n == 6


def test_what_cannot_be_read_is_left_out_and_counted(
    shipped: Reader, phantoms: tuple[list[Path], Predictions], tmp_path: Path
) -> None:
    files, predictions = phantoms
    reader = BrightnessReader(shipped.bundle, threads=2)
    broken = [tmp_path / "gone.png", *files[1:]]
    (curve,) = robustness(reader, broken, predictions, 0.5, perturbations=(KINDS["crop"],))
    assert (curve.n, curve.unreadable) == (len(files) - 1, 1)
    nowhere = [tmp_path / "gone.png"] * len(files)
    assert robustness(reader, nowhere, predictions, 0.5) == ()


def test_images_of_one_class_have_no_auc(
    shipped: Reader, phantoms: tuple[list[Path], Predictions]
) -> None:
    files, predictions = phantoms
    rows = np.flatnonzero(predictions.labels == 1)
    reader = BrightnessReader(shipped.bundle, threads=2)
    ill = [files[row] for row in rows]
    (curve,) = robustness(
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
    robustness(BrightnessReader(shipped.bundle, threads=2), files, predictions, 0.5, limit=4)
    assert len(decoded) == len(set(decoded)) == 4
