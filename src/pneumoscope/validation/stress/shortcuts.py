"""What a network reads besides the lungs: radiographs of which a part was taken away."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.delong import delong
from pneumoscope.evaluation.statistics.intervals import Estimate
from pneumoscope.evaluation.statistics.metrics import Floats
from pneumoscope.radiograph import Radiograph
from pneumoscope.reader import Reader
from pneumoscope.validation.stress.masks import Mask, border, corners, lung_fields
from pneumoscope.validation.stress.sample import (
    LIMIT,
    Answers,
    ask_each,
    ask_network,
    draw_sample,
    sensitivity,
    share,
    specificity,
)
from pneumoscope.validation.stress.thumbnails import png_of, small

Pixels: TypeAlias = NDArray[np.float32]

WELL_ABOVE_CHANCE = 0.6
"""Where the whole interval of an AUC lies above it without lungs, there is a shortcut."""

FEWEST = 20
"""Images of each class below which nothing is concluded."""

_PICTURE = 192
_INSIDE, _OUTSIDE = 0.3, 0.6
"""Grey values of the lungs' outline."""


class Condition(StrEnum):
    """What is left of a radiograph.

    What is taken away becomes the mean grey value of what is left, so that no black hole tells
    where it was. ``outline``: only the shape of the lungs' mask, in two grey values: what the mask
    itself tells of the disease.
    """

    UNCHANGED = "unchanged"
    LUNGS_MASKED = "lungs masked"
    BORDER_BLANKED = "border and corners blanked"
    LUNGS_ONLY = "only the lungs"
    BORDER_ONLY = "only the border"
    OUTLINE = "only the outline of the lungs"


@dataclass(frozen=True, slots=True)
class Example:
    """One radiograph in one condition.

    Parameters
    ----------
    label
        1 for PNEUMONIA.
    probability
        What the network says of it.
    png
        The picture.
    """

    label: int
    probability: float
    png: bytes


@dataclass(frozen=True, slots=True)
class ShortcutRow:
    """What a reader is worth in one condition.

    Parameters
    ----------
    condition
        What is left of the radiographs.
    auc
        With DeLong's interval.
    sensitivity, specificity
        At the threshold, with Wilson's interval.
    mean_ill, mean_healthy
        Mean probability of the images with and without PNEUMONIA; None where there are none.
    examples
        An ill and a healthy image, the same in all conditions.
    """

    condition: Condition
    auc: Estimate
    sensitivity: Estimate
    specificity: Estimate
    mean_ill: float | None
    mean_healthy: float | None
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class ShortcutTable:
    """A reader's worth in every condition.

    Parameters
    ----------
    rows
        One for each `Condition`, in order.
    threshold
        Of sensitivity and specificity.
    n, positives, unreadable
        Images that were read, those among them with PNEUMONIA, and those that could not be read.
    lungs_found_ill, lungs_found_healthy
        Share of images in which both lungs were seen, not replaced by an ellipse.
    """

    rows: tuple[ShortcutRow, ...]
    threshold: float
    n: int
    positives: int
    unreadable: int
    lungs_found_ill: Estimate
    lungs_found_healthy: Estimate

    def row(self, condition: Condition) -> ShortcutRow:
        """Return the row of a condition."""
        return next(row for row in self.rows if row.condition is condition)


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    probabilities: Floats
    found: bool


def shortcuts(
    reader: Reader,
    files: Sequence[Path],
    predictions: Predictions,
    threshold: float,
    *,
    limit: int = LIMIT,
    seed: int = 0,
) -> ShortcutTable | None:
    """Take parts of radiographs away, and judge what is still read.

    Parameters
    ----------
    reader, files, predictions, threshold, limit, seed
        As in `robustness`.

    Returns
    -------
    ShortcutTable or None
        None if no image could be read.

    References
    ----------
    Zech JR et al. Variable generalization performance of a deep learning model to detect pneumonia
    in chest radiographs. PLoS Medicine 15:e1002683, 2018. Maguolo G, Nanni L. A critic evaluation
    of methods for COVID-19 automatic detection from X-ray images. Information Fusion 76:1-7, 2021.
    """

    def question(_: int, radiograph: Radiograph) -> _Answer:
        fields = lung_fields(radiograph.pixels)
        pictures = (apply_mask(radiograph.pixels, fields.mask, one) for one in Condition)
        return _Answer(ask_network(reader, pictures), fields.found)

    drawn = draw_sample(predictions.labels, limit, seed)
    answers = ask_each(reader, files, drawn, question, "Looking for shortcuts")
    if not answers.results:
        return None
    return _table(reader, files, predictions.labels, answers, threshold)


def _table(
    reader: Reader,
    files: Sequence[Path],
    labels_of_all: NDArray[np.int8],
    answers: Answers[_Answer],
    threshold: float,
) -> ShortcutTable:
    labels = labels_of_all[answers.rows]
    said = np.stack([one.probabilities for one in answers.results], axis=1)
    found = np.array([one.found for one in answers.results])
    examples = _examples(reader, files, labels_of_all, _typical(labels, said[0], answers.rows))
    rows = tuple(
        _row(condition, labels, probabilities, threshold, examples[condition])
        for condition, probabilities in zip(Condition, said, strict=True)
    )
    seen = [
        share(int(found[labels == label].sum()), int((labels == label).sum())) for label in (0, 1)
    ]
    n, positives = len(labels), int(labels.sum())
    return ShortcutTable(rows, threshold, n, positives, answers.unreadable, seen[1], seen[0])


def apply_mask(pixels: Pixels, lungs: Mask, condition: Condition) -> Pixels:
    """Return a radiograph of which a part was taken away.

    Parameters
    ----------
    pixels
        float32, shape (height, width), range [0, 1].
    lungs
        Where the lungs are, of the same shape.
    condition
        What is left.

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
            return np.where(lungs, np.float32(_INSIDE), np.float32(_OUTSIDE))
        case _:
            gone = _GONE[condition](lungs)
            left = pixels[~gone]
            grey = left.mean() if left.size else np.float32(0)
            return np.where(gone, grey, pixels).astype(np.float32)


_GONE: dict[Condition, Callable[[Mask], Mask]] = {
    Condition.LUNGS_MASKED: lambda lungs: lungs,
    Condition.BORDER_BLANKED: lambda lungs: border(lungs.shape) | corners(lungs.shape),
    Condition.LUNGS_ONLY: lambda lungs: ~lungs,
    Condition.BORDER_ONLY: lambda lungs: ~border(lungs.shape),
}


def _row(
    condition: Condition,
    labels: NDArray[np.int8],
    said: Floats,
    threshold: float,
    examples: tuple[Example, ...],
) -> ShortcutRow:
    return ShortcutRow(
        condition,
        delong(labels, said),
        sensitivity(labels, said, threshold),
        specificity(labels, said, threshold),
        _mean(said[labels == 1]),
        _mean(said[labels == 0]),
        examples,
    )


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None


def _typical(labels: NDArray[np.int8], said: Floats, rows: NDArray[np.intp]) -> list[int]:
    """Return the rows of an ill and a healthy image: those of middling probability."""
    chosen = []
    for label in (1, 0):
        places = np.flatnonzero(labels == label)
        if places.size:
            middle = np.argsort(said[places], kind="stable")[places.size // 2]
            chosen.append(int(rows[places[middle]]))
    return chosen


def _examples(
    reader: Reader, files: Sequence[Path], labels: NDArray[np.int8], rows: list[int]
) -> dict[Condition, tuple[Example, ...]]:
    """Read a few images once more, and draw them in every condition."""

    def question(row: int, radiograph: Radiograph) -> list[Example]:
        lungs = lung_fields(radiograph.pixels).mask
        pictures = [apply_mask(radiograph.pixels, lungs, one) for one in Condition]
        said = ask_network(reader, pictures)
        return [
            Example(int(labels[row]), float(probability), png_of(small(picture, _PICTURE)))
            for picture, probability in zip(pictures, said, strict=True)
        ]

    drawn = ask_each(reader, files, np.array(rows), question, "Drawing examples").results
    return dict(zip(Condition, zip(*drawn, strict=True), strict=True))


def shortcut_verdict(table: ShortcutTable) -> str:
    """Say in words what the network reads besides the lungs, and by which rule.

    Without lungs, a network that reads lungs alone would have an AUC of 0.5. If the whole interval
    lies above `WELL_ABOVE_CHANCE` with the lungs masked or only the border left, it reads something
    else; if it lies above 0.5, perhaps; otherwise nothing is seen of it in these images. What the
    outline of the mask gives alone may be the lungs' shape, and is said beside it. Where the
    unchanged images are not told apart either, nothing can be concluded; nor with fewer than
    `FEWEST` images of a class, nor where an AUC of exactly 0 or 1 has an interval without width.
    """
    if min(table.positives, table.n - table.positives) < FEWEST:
        return (
            f"{table.n:,} images, {table.positives:,} of them ill: too few to say what the network "
            f"reads besides the lungs. It takes at least {FEWEST} with and without pneumonia."
        )
    unchanged = table.row(Condition.UNCHANGED).auc
    if unchanged.interval is None or unchanged.interval.low <= 0.5:
        return (
            f"The AUC of the unchanged images is {unchanged}: the network does not tell these ill "
            f"and healthy apart, so that they cannot show what it does it by ({table.n:,} images, "
            f"{table.positives:,} of them ill)."
        )
    parts = [
        _without_lungs(table.row(condition))
        for condition in (Condition.LUNGS_MASKED, Condition.BORDER_ONLY)
    ]
    outline = table.row(Condition.OUTLINE).auc
    if (_low(outline) or 0) > 0.5:
        parts.append(
            f"The outline of the lungs' mask alone gives an AUC of {outline}: a part of what "
            "remains with the lungs masked may be the shape of the lungs."
        )
    rule = (
        f"Rule: a shortcut where the whole 95 % interval lies above {WELL_ABOVE_CHANCE}, perhaps "
        f"one where it lies above 0.5; {table.n:,} images, {table.positives:,} of them ill."
    )
    return " ".join([*parts, rule])


def _without_lungs(row: ShortcutRow) -> str:
    said = f"With {row.condition}" if row.condition is Condition.LUNGS_MASKED else "From the border"
    low = _low(row.auc)
    found = (
        "too few to say, for its interval has no width"
        if low is None
        else "the network reads something besides the lungs: a shortcut"
        if low > WELL_ABOVE_CHANCE
        else "the network may read something besides the lungs"
        if low > 0.5
        else "no sign that the network reads anything besides the lungs"
    )
    return f"{said}, the AUC is {row.auc}: {found}."


def _low(auc: Estimate) -> float | None:
    """Return the lower end of an interval; None without one or without width."""
    if auc.interval is None or auc.interval.low == auc.interval.high:
        return None
    return auc.interval.low
