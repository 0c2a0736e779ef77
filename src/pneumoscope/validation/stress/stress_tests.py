"""A reader inspected on images: robustness, shortcuts, failures, and images met in training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.reader import Reader
from pneumoscope.validation.stress.failures import Failures, find_failures
from pneumoscope.validation.stress.neighbours import FeatureIndex, near_duplicates
from pneumoscope.validation.stress.robustness import RobustnessCurve, robustness
from pneumoscope.validation.stress.shortcuts import ShortcutTable, shortcuts


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """What a network learned from, with 0 or 1 for each."""

    files: tuple[Path, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MetInTraining:
    """A judged image that is, or nearly is, a training image.

    Parameters
    ----------
    file
        As the predictions name it.
    training
        The training image, by `short_name`.
    exact
        True if both decode to the same pixels.
    correlation
        Of their grey values at 64 x 64 pixels.
    """

    file: str
    training: str
    exact: bool
    correlation: float


@dataclass(frozen=True, slots=True)
class StressTests:
    """What was seen by looking at the images again.

    Parameters
    ----------
    robustness, shortcuts, failures
        See the modules of these names; no shortcuts where none of the images could be read.
    duplicates
        Judged images that are, or nearly are, among the training images, exact ones first; None if
        those are not known.
    """

    robustness: tuple[RobustnessCurve, ...]
    shortcuts: ShortcutTable | None
    failures: Failures
    duplicates: tuple[MetInTraining, ...] | None


def run_stress_tests(
    reader: Reader,
    files: Sequence[Path],
    predictions: Predictions,
    threshold: float,
    training: TrainingImages | None = None,
) -> StressTests:
    """Look at images again: changed, with parts taken away, and where they were judged wrongly.

    Parameters
    ----------
    reader
        Whose predictions they are.
    files
        Where the images of ``predictions`` are, in the same order.
    predictions
        Of the reader.
    threshold
        At which it is read.
    training
        What it learned from, for the nearest of those to each failure.
    """
    known = None if training is None else FeatureIndex.build(reader, *_columns(training))
    return StressTests(
        robustness(reader, files, predictions, threshold),
        shortcuts(reader, files, predictions, threshold),
        find_failures(reader, files, predictions, threshold, known=known),
        None if training is None else _met(files, predictions, training),
    )


def short_name(path: Path) -> str:
    """Return the last three parts of a path: what says which image it is, and not where it lies.

    Examples
    --------
    >>> short_name(Path("/data/chest/train/NORMAL/a.png")), short_name(Path("/a.png"))
    ('train/NORMAL/a.png', 'a.png')
    """
    return "/".join(path.relative_to(path.anchor).parts[-3:])


def _met(
    files: Sequence[Path], predictions: Predictions, training: TrainingImages
) -> tuple[MetInTraining, ...]:
    names = dict(zip(files, predictions.files, strict=True))
    return tuple(
        MetInTraining(names[one.first], short_name(one.second), one.exact, one.correlation)
        for one in near_duplicates(files, training.files)
    )


def _columns(training: TrainingImages) -> tuple[Sequence[Path], Sequence[int]]:
    return training.files, training.labels
