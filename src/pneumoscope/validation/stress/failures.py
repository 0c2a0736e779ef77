"""The images that were judged wrongly, worst first, with what the network saw in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.radiograph import Radiograph, read_radiograph
from pneumoscope.reader import Reader, Reading, Status
from pneumoscope.reader.overlay import overlay
from pneumoscope.support.errors import UnreadableRadiographError
from pneumoscope.validation.stress.neighbours import FeatureIndex, Neighbour
from pneumoscope.validation.stress.sample import ask_each, prepare
from pneumoscope.validation.stress.thumbnails import png_of, small

LIMIT = 12
"""Failures of each kind that are shown at most."""

_PICTURE, _NEIGHBOUR = 256, 128
_NEIGHBOURS = 3


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A known image that is like a failure to the network, with its picture."""

    neighbour: Neighbour
    png: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """One image that was judged wrongly.

    Parameters
    ----------
    file
        As the predictions name it.
    label
        The truth, 1 for PNEUMONIA.
    probability
        That the predictions state.
    png
        The radiograph, 256 pixels long at most.
    heatmap_png
        The same with what the reader's network saw.
    neighbours
        The most alike known images, nearest first; empty if none are known.
    """

    file: str
    label: int
    probability: float
    png: bytes
    heatmap_png: bytes
    neighbours: tuple[Lookalike, ...]


@dataclass(frozen=True, slots=True)
class Failures:
    """The gallery of what went wrong at a threshold.

    Parameters
    ----------
    threshold
        A probability of at least this means PNEUMONIA.
    false_negatives, false_positives
        The worst of each, worst first.
    missed, false_alarms
        How many there are in all.
    """

    threshold: float
    false_negatives: tuple[Failure, ...]
    false_positives: tuple[Failure, ...]
    missed: int
    false_alarms: int


def find_failures(
    reader: Reader,
    files: Sequence[Path],
    predictions: Predictions,
    threshold: float,
    *,
    known: FeatureIndex | None = None,
    limit: int = LIMIT,
) -> Failures:
    """Draw the worst false negatives and false positives.

    Parameters
    ----------
    reader
        Whose heat maps are drawn; the predictions should be its own.
    files
        Where the images of ``predictions`` are, in the same order. One that cannot be read is left
        out.
    predictions
        What was said, and the truth.
    threshold
        A probability of at least this means PNEUMONIA.
    known
        Images, usually those of training, among which the most alike are looked for.
    limit
        Of each kind at most.
    """
    said = predictions.probabilities
    missed = predictions.false_negatives(threshold)
    alarms = predictions.false_positives(threshold)
    worst_missed = missed[np.argsort(said[missed], kind="stable")][:limit]
    worst_alarms = alarms[np.argsort(-said[alarms], kind="stable")][:limit]

    def question(row: int, radiograph: Radiograph) -> Failure:
        return _failure(reader, predictions, row, radiograph, known)

    def draw(rows: NDArray[np.intp], what: str) -> tuple[Failure, ...]:
        return ask_each(reader, files, rows, question, what).results

    return Failures(
        threshold,
        draw(worst_missed, "Drawing false negatives"),
        draw(worst_alarms, "Drawing false positives"),
        len(missed),
        len(alarms),
    )


def _failure(
    reader: Reader,
    predictions: Predictions,
    row: int,
    radiograph: Radiograph,
    known: FeatureIndex | None,
) -> Failure:
    look = reader.run(prepare(reader, radiograph.pixels)[None])
    probability = float(predictions.probabilities[row])
    temperature = np.float32(reader.bundle.record.calibration.temperature)
    picture = Radiograph(small(radiograph.pixels, _PICTURE), radiograph.sha256)
    reading = Reading(
        Status.READ,
        reader.bundle.identity,
        probability=probability,
        heatmap=look.heatmaps[0] / temperature,
    )
    near = () if known is None else known.nearest(look.features[0], _NEIGHBOURS)
    return Failure(
        predictions.files[row],
        int(predictions.labels[row]),
        probability,
        png_of(picture.pixels),
        overlay(picture, reading),
        tuple(pair for one in near if (pair := _lookalike(one)) is not None),
    )


def _lookalike(neighbour: Neighbour) -> Lookalike | None:
    try:
        pixels = read_radiograph(neighbour.file, 2 * _NEIGHBOUR).pixels
    except UnreadableRadiographError:
        return None
    return Lookalike(neighbour, png_of(small(pixels, _NEIGHBOUR)))
