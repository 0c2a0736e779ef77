"""Gallery of the worst false negatives and false positives, with heat maps and similar images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import CLASS_NAMES, Predictions
from pneumoscope.radiograph import Radiograph, read_radiograph
from pneumoscope.reader import Reader, Reading, Status
from pneumoscope.reader.overlay import draw_overlay
from pneumoscope.support.errors import UnreadableRadiographError
from pneumoscope.validation.stress.neighbours import FeatureIndex, Neighbour, short_name
from pneumoscope.validation.stress.sample import map_sample
from pneumoscope.validation.stress.thumbnails import png_bytes, shrink

MAX_FAILURES = 12
"""Default for the largest number of failures of each kind that are shown."""

_IMAGE_SIDE, _NEIGHBOUR_SIDE = 256, 128
_NEIGHBOURS = 3


@dataclass(frozen=True, slots=True)
class NeighbourImage:
    """Known image that is similar to a failure in the network's features, with its thumbnail."""

    file: str
    """File of the image, by its `short_name`."""
    class_name: str
    """``NORMAL`` or ``PNEUMONIA``."""
    distance: float
    """Distance in the network's features; see `Neighbour`."""
    png: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """Radiograph that was misclassified, with its predicted probability."""

    file: str
    """File name as in the predictions."""
    label: int
    """Label, 1 for PNEUMONIA."""
    probability: float
    png: bytes
    """Thumbnail of the radiograph, at most 256 pixels long."""
    heatmap_png: bytes
    """Thumbnail with the network's heat map."""
    neighbours: tuple[NeighbourImage, ...]
    """Most similar known images, nearest first; empty if none are known."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Number of misclassified radiographs at a threshold, and the worst of each kind, worst first.

    The threshold is the lowest probability that is called PNEUMONIA.
    """

    threshold: float
    false_negatives: tuple[Failure, ...]
    false_positives: tuple[Failure, ...]
    false_negative_count: int
    false_positive_count: int


def find_failures(
    reader: Reader,
    files: Sequence[Path],
    predictions: Predictions,
    threshold: float,
    *,
    known: FeatureIndex | None = None,
    limit: int = MAX_FAILURES,
) -> Failures:
    """Return the worst false negatives and false positives, with their heat maps.

    Parameters
    ----------
    reader
        Reader that draws the heat maps; the predictions should be its own.
    files
        Files of the images of ``predictions``, in the same order. Unreadable ones are left out.
    predictions
        Predicted probabilities and labels.
    threshold
        Lowest probability that is called PNEUMONIA.
    known
        Images among which similar ones are looked up, usually the training images.
    limit
        Largest number of failures of each kind.
    """
    probabilities = predictions.probabilities
    negatives = predictions.false_negatives(threshold)
    positives = predictions.false_positives(threshold)
    worst_negatives = negatives[np.argsort(probabilities[negatives], kind="stable")][:limit]
    worst_positives = positives[np.argsort(-probabilities[positives], kind="stable")][:limit]

    def failure(row: int, radiograph: Radiograph) -> Failure:
        field = reader.preparation.find_lungs(radiograph.pixels)
        output = reader.run(reader.preparation.square(radiograph.pixels, field)[None])
        probability = float(probabilities[row])
        thumbnail = Radiograph(shrink(radiograph.pixels, _IMAGE_SIDE), radiograph.sha256)
        reading = Reading(
            Status.READ,
            reader.bundle.identity,
            probability=probability,
            heatmap=reader.heatmap(output.heatmaps[0], field),
        )
        neighbours = () if known is None else known.nearest(output.features[0], _NEIGHBOURS)
        images = (_neighbour_image(neighbour) for neighbour in neighbours)
        return Failure(
            predictions.files[row],
            int(predictions.labels[row]),
            probability,
            png_bytes(thumbnail.pixels),
            draw_overlay(thumbnail, reading),
            tuple(image for image in images if image is not None),
        )

    def gallery(rows: NDArray[np.intp], description: str) -> tuple[Failure, ...]:
        return map_sample(failure, reader, files, rows, description).results

    return Failures(
        threshold,
        gallery(worst_negatives, "Drawing false negatives"),
        gallery(worst_positives, "Drawing false positives"),
        len(negatives),
        len(positives),
    )


def _neighbour_image(neighbour: Neighbour) -> NeighbourImage | None:
    try:
        pixels = read_radiograph(neighbour.file, 2 * _NEIGHBOUR_SIDE).pixels
    except UnreadableRadiographError:
        return None
    name, class_name = short_name(neighbour.file), CLASS_NAMES[neighbour.label]
    thumbnail = png_bytes(shrink(pixels, _NEIGHBOUR_SIDE))
    return NeighbourImage(name, class_name, neighbour.distance, thumbnail)
