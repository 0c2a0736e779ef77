"""Stress tests of a bundle: robustness, shortcuts, failures, and duplicates of training images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pneumoscope.dataset.duplicates import near_duplicates
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.reader import Reader
from pneumoscope.validation.stress.failures import Failures, find_failures
from pneumoscope.validation.stress.neighbours import FeatureIndex, short_name
from pneumoscope.validation.stress.robustness import RobustnessCurve, measure_robustness
from pneumoscope.validation.stress.shortcuts import ShortcutTable, measure_shortcuts


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """Images that a network was trained on."""

    files: tuple[Path, ...]
    labels: tuple[int, ...]
    """Label of each image, 1 for PNEUMONIA."""


@dataclass(frozen=True, slots=True)
class TrainingDuplicate:
    """Evaluated image that is a `Duplicate`, or near duplicate, of a training image."""

    file: str
    """File name as in the predictions."""
    training: str
    """Training image, by its `short_name`."""
    exact: bool
    correlation: float


@dataclass(frozen=True, slots=True)
class StressTests:
    """Results of the stress tests.

    Parameters
    ----------
    robustness
        Performance under each perturbation; empty if no image could be read.
    shortcuts
        Performance with parts of the images masked out; None if no image could be read.
    failures
        Worst false negatives and false positives.
    duplicates
        Evaluated images among the training images, exact duplicates first; None if the training
        images are unknown.
    """

    robustness: tuple[RobustnessCurve, ...]
    shortcuts: ShortcutTable | None
    failures: Failures
    duplicates: tuple[TrainingDuplicate, ...] | None


def run_stress_tests(
    reader: Reader,
    files: Sequence[Path],
    predictions: Predictions,
    threshold: float,
    training: TrainingImages | None = None,
) -> StressTests:
    """Run all stress tests of a bundle on labelled images.

    Parameters
    ----------
    reader
        Reader of the bundle.
    files
        Files of the images of ``predictions``, in the same order.
    predictions
        Predictions of this reader, and the labels.
    threshold
        Threshold of the operating point in use.
    training
        Images that the network was trained on, among which duplicates and the nearest neighbours
        of failures are looked up; None if they are unknown.
    """
    known = (
        None if training is None else FeatureIndex.build(reader, training.files, training.labels)
    )
    return StressTests(
        measure_robustness(reader, files, predictions, threshold),
        measure_shortcuts(reader, files, predictions, threshold),
        find_failures(reader, files, predictions, threshold, known=known),
        None if training is None else _training_duplicates(files, predictions, training),
    )


def _training_duplicates(
    files: Sequence[Path], predictions: Predictions, training: TrainingImages
) -> tuple[TrainingDuplicate, ...]:
    names = dict(zip(files, predictions.files, strict=True))
    return tuple(
        TrainingDuplicate(names[pair.first], short_name(pair.second), pair.exact, pair.correlation)
        for pair in near_duplicates(files, training.files)
    )
