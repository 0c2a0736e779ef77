"""Shortcut learning: performance on radiographs with the lungs, or all but the lungs, masked out.

The verdict on these measurements is in `pneumoscope.validation.stress.shortcut_verdict`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.statistics.delong import delong
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.evaluation.statistics.metrics import proportions
from pneumoscope.lungs import LungField, load_lung_finder
from pneumoscope.radiograph import Radiograph
from pneumoscope.reader import Reader
from pneumoscope.report.estimate import Estimate
from pneumoscope.validation.stress.masks import Mask, Pixels, border, corners, widened_lungs
from pneumoscope.validation.stress.sample import (
    MAX_IMAGES,
    SampleResults,
    draw_sample,
    map_sample,
    run_without_gate,
)
from pneumoscope.validation.stress.thumbnails import png_bytes, shrink

_IMAGE_SIDE = 192
_LUNG_GREY, _BACKGROUND_GREY = 0.3, 0.6
"""Grey values of the outline of the lungs."""


class Condition(StrEnum):
    """Part of a radiograph that is shown to the network.

    The part that is masked out gets the mean grey value of the part that remains, so that no black
    area shows where it was. ``outline`` shows the shape of the lung mask alone, in two grey values:
    the information on the disease that the mask itself carries.
    """

    UNCHANGED = "unchanged"
    LUNGS_MASKED = "lungs masked"
    BORDER_BLANKED = "border and corners blanked"
    LUNGS_ONLY = "only the lungs"
    BORDER_ONLY = "only the border"
    OUTLINE = "only the outline of the lungs"


@dataclass(frozen=True, slots=True)
class Example:
    """Thumbnail of a radiograph in one condition, and its probability of pneumonia there."""

    label: int
    """Label, 1 for PNEUMONIA."""
    probability: float
    png: bytes


@dataclass(frozen=True, slots=True)
class ShortcutRow:
    """Performance in one condition.

    Parameters
    ----------
    condition
        Part of the radiographs that is shown.
    auc
        Area under the ROC curve, with DeLong's interval.
    sensitivity, specificity
        Sensitivity and specificity at the threshold, with Wilson's interval.
    mean_positive, mean_negative
        Mean probability of the images with and without PNEUMONIA; None where there are none.
    examples
        An image with and one without PNEUMONIA, the same in all conditions.
    """

    condition: Condition
    auc: Estimate
    sensitivity: Estimate
    specificity: Estimate
    mean_positive: float | None
    mean_negative: float | None
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class ShortcutTable:
    """Performance in every condition.

    Parameters
    ----------
    rows
        One row per `Condition`, in order.
    n, positives, unreadable
        Number of images read, of those with PNEUMONIA among them, and of unreadable ones.
    lungs_found_positive, lungs_found_negative
        Share of the images with and without PNEUMONIA in which both lungs were found with
        confidence.
    """

    rows: tuple[ShortcutRow, ...]
    n: int
    positives: int
    unreadable: int
    lungs_found_positive: Estimate
    lungs_found_negative: Estimate

    def row(self, condition: Condition) -> ShortcutRow:
        """Return the row of a condition."""
        return next(row for row in self.rows if row.condition is condition)


@dataclass(frozen=True, slots=True, eq=False)
class _ImageResult:
    """Results for one image: its probability in every condition, and whether lungs were found."""

    probabilities: Floats
    lungs_found: bool


def measure_shortcuts(
    reader: Reader,
    files: Sequence[Path],
    predictions: Predictions,
    threshold: float,
    *,
    limit: int = MAX_IMAGES,
    seed: int = 0,
) -> ShortcutTable | None:
    """Measure performance on radiographs with parts masked out; None if none could be read.

    Parameters are those of `measure_robustness`.

    References
    ----------
    Zech JR et al. Variable generalization performance of a deep learning model to detect pneumonia
    in chest radiographs. PLoS Medicine 15:e1002683, 2018. Maguolo G, Nanni L. A critic evaluation
    of methods for COVID-19 automatic detection from X-ray images. Information Fusion 76:1-7, 2021.
    """

    def mask_and_read(_: int, radiograph: Radiograph) -> _ImageResult:
        field, images = _in_every_condition(radiograph.pixels)
        return _ImageResult(run_without_gate(reader, images, field)[0], field.found)

    rows = draw_sample(predictions.labels, limit, seed)
    sample = map_sample(mask_and_read, reader, files, rows, "Testing for shortcuts")
    if not sample.results:
        return None
    return _table(reader, files, predictions.labels, sample, threshold)


def _in_every_condition(pixels: Pixels) -> tuple[LungField, list[Pixels]]:
    """Return the lung field of a radiograph, and the radiograph in every condition.

    The lungs are those of the package's lung finder, whatever the bundle; a bundle that reads lungs
    gets them in every condition, since a masked image has none to find.
    """
    field = load_lung_finder().find(pixels)
    height, width = pixels.shape
    lungs = widened_lungs(field, (height, width))
    return field, [apply_mask(pixels, lungs, condition) for condition in Condition]


def apply_mask(pixels: Pixels, lungs: Mask, condition: Condition) -> Pixels:
    """Return a radiograph with a part masked out.

    Parameters
    ----------
    pixels
        Pixels, float32, shape (height, width), range [0, 1].
    lungs
        Mask of the lungs, of the same shape.
    condition
        Part that remains.

    Examples
    --------
    >>> lungs = np.array([[True, False, False]])
    >>> apply_mask(np.float32([[0.2, 0.4, 0.8]]), lungs, Condition.LUNGS_MASKED).round(2)
    array([[0.6, 0.4, 0.8]], dtype=float32)
    """
    match condition:
        case Condition.UNCHANGED:
            return pixels
        case Condition.OUTLINE:
            return np.where(lungs, np.float32(_LUNG_GREY), np.float32(_BACKGROUND_GREY))
        case _:
            masked = _MASKED_PARTS[condition](lungs)
            remaining = pixels[~masked]
            grey = remaining.mean() if remaining.size else np.float32(0)
            return np.where(masked, grey, pixels).astype(np.float32)


_MASKED_PARTS: dict[Condition, Callable[[Mask], Mask]] = {
    Condition.LUNGS_MASKED: lambda lungs: lungs,
    Condition.BORDER_BLANKED: lambda lungs: border(lungs.shape) | corners(lungs.shape),
    Condition.LUNGS_ONLY: lambda lungs: ~lungs,
    Condition.BORDER_ONLY: lambda lungs: ~border(lungs.shape),
}


def _table(
    reader: Reader,
    files: Sequence[Path],
    all_labels: NDArray[np.int8],
    sample: SampleResults[_ImageResult],
    threshold: float,
) -> ShortcutTable:
    labels = all_labels[sample.rows]
    probabilities = np.stack([image.probabilities for image in sample.results], axis=1)
    lungs_found = np.array([image.lungs_found for image in sample.results])
    typical = _typical_rows(labels, probabilities[0], sample.rows)
    examples = _examples(reader, files, all_labels, typical)
    rows = tuple(
        _row(condition, labels, values, threshold, examples[condition])
        for condition, values in zip(Condition, probabilities, strict=True)
    )
    positive_found, negative_found = (
        proportion(int(lungs_found[labels == label].sum()), int((labels == label).sum()))
        for label in (1, 0)
    )
    n, positives = len(labels), int(labels.sum())
    return ShortcutTable(rows, n, positives, sample.unreadable, positive_found, negative_found)


def _row(
    condition: Condition,
    labels: NDArray[np.int8],
    probabilities: Floats,
    threshold: float,
    examples: tuple[Example, ...],
) -> ShortcutRow:
    rates = proportions(labels, probabilities, threshold)
    return ShortcutRow(
        condition,
        delong(labels, probabilities),
        rates["sensitivity"],
        rates["specificity"],
        _mean(probabilities[labels == 1]),
        _mean(probabilities[labels == 0]),
        examples,
    )


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None


def _typical_rows(
    labels: NDArray[np.int8], probabilities: Floats, rows: NDArray[np.intp]
) -> list[int]:
    """Return the row of the image of median probability, with and without PNEUMONIA."""
    typical = []
    for label in (1, 0):
        places = np.flatnonzero(labels == label)
        if places.size:
            median = np.argsort(probabilities[places], kind="stable")[places.size // 2]
            typical.append(int(rows[places[median]]))
    return typical


def _examples(
    reader: Reader, files: Sequence[Path], labels: NDArray[np.int8], rows: list[int]
) -> dict[Condition, tuple[Example, ...]]:
    """Read a few images once more, and draw them in every condition."""

    def draw(row: int, radiograph: Radiograph) -> list[Example]:
        field, images = _in_every_condition(radiograph.pixels)
        probabilities, _ = run_without_gate(reader, images, field)
        return [
            Example(int(labels[row]), float(probability), png_bytes(shrink(image, _IMAGE_SIDE)))
            for image, probability in zip(images, probabilities, strict=True)
        ]

    drawn = map_sample(draw, reader, files, np.array(rows), "Drawing examples").results
    return dict(zip(Condition, zip(*drawn, strict=True), strict=True))
