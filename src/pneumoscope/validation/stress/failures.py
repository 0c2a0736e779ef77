"""Galleries of false negatives and false positives, the worst with neighbours and heat maps.

A false negative has no heat map: below the threshold of a finding, nothing is drawn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import CLASS_NAMES, Predictions
from pneumoscope.radiograph import Radiograph, read_radiograph
from pneumoscope.reader import Reader
from pneumoscope.reader.overlay import draw_overlay
from pneumoscope.report.gallery import GalleryImage, fill_gallery
from pneumoscope.support.errors import UnreadableRadiographError
from pneumoscope.validation.stress.neighbours import FeatureIndex, Neighbour, short_name
from pneumoscope.validation.stress.sample import map_sample
from pneumoscope.validation.stress.thumbnails import png_bytes, shrink

MAX_FAILURES = 12
"""Default for the largest number of failures of each kind that are shown with heat maps."""

_IMAGE_SIDE, _NEIGHBOUR_SIDE, _THUMBNAIL_SIDE = 256, 128, 192
_NEIGHBOURS = 3


_Gallery: TypeAlias = tuple[
    tuple["Failure", ...], tuple[GalleryImage, ...], tuple[tuple[str, float], ...]
]
"""Failures of one kind: with heat maps, as thumbnails, and the files of the others."""


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
    heatmap_png: bytes | None
    """Thumbnail with the network's heat map; None below the threshold, where readings draw none."""
    neighbours: tuple[NeighbourImage, ...]
    """Most similar known images, nearest first; empty if none are known."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Misclassified radiographs at a threshold, the worst of each kind first.

    The threshold is the lowest probability that is called PNEUMONIA. The worst have neighbours, and
    heat maps from the threshold on; the ``further`` ones have thumbnails, as far as
    `MAX_GALLERY_BYTES` reach; the ``unshown`` ones are files with their probabilities.
    """

    threshold: float
    false_negatives: tuple[Failure, ...]
    false_positives: tuple[Failure, ...]
    false_negative_count: int
    false_positive_count: int
    further_false_negatives: tuple[GalleryImage, ...] = ()
    further_false_positives: tuple[GalleryImage, ...] = ()
    unshown_false_negatives: tuple[tuple[str, float], ...] = ()
    unshown_false_positives: tuple[tuple[str, float], ...] = ()


def find_failures(
    reader: Reader,
    files: Sequence[Path],
    predictions: Predictions,
    threshold: float,
    *,
    known: FeatureIndex | None = None,
    limit: int = MAX_FAILURES,
) -> Failures:
    """Return the false negatives and false positives, the worst positives with their heat maps.

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
        Largest number of failures of each kind with a heat map.
    """
    probabilities = predictions.probabilities
    negatives, positives = predictions.worst_errors(threshold)

    def failure(row: int, radiograph: Radiograph) -> Failure:
        field = reader.preparation.find_lungs(radiograph.pixels)
        square = reader.preparation.square(radiograph.pixels, field)
        output = reader.run(square[None])
        probability = float(probabilities[row])
        thumbnail = Radiograph(shrink(radiograph.pixels, _IMAGE_SIDE), radiograph.sha256)
        heatmap_png = None
        if probability >= threshold:
            heatmap = reader.heatmap(output.heatmaps[0], field, square)
            heatmap_png = draw_overlay(thumbnail, heatmap)
        neighbours = () if known is None else known.nearest(output.features[0], _NEIGHBOURS)
        images = (_neighbour_image(neighbour) for neighbour in neighbours)
        return Failure(
            predictions.files[row],
            int(predictions.labels[row]),
            probability,
            png_bytes(thumbnail.pixels),
            heatmap_png,
            tuple(image for image in images if image is not None),
        )

    def gallery(rows: NDArray[np.intp], description: str) -> _Gallery:
        worst = map_sample(failure, reader, files, rows[:limit], description).results
        further = fill_gallery(_thumbnails(predictions, files, rows[limit:]))
        shown = {image.file for image in worst} | {image.file for image in further}
        return worst, further, _unshown(predictions, rows, shown)

    false_negatives, further_negatives, unshown_negatives = gallery(
        negatives, "Drawing false negatives"
    )
    false_positives, further_positives, unshown_positives = gallery(
        positives, "Drawing false positives"
    )
    return Failures(
        threshold,
        false_negatives,
        false_positives,
        len(negatives),
        len(positives),
        further_negatives,
        further_positives,
        unshown_negatives,
        unshown_positives,
    )


def _thumbnails(
    predictions: Predictions, files: Sequence[Path], rows: NDArray[np.intp]
) -> Iterator[GalleryImage]:
    """Yield images as thumbnails; those that cannot be read are left out."""
    for row in rows:
        try:
            pixels = read_radiograph(files[row], 2 * _THUMBNAIL_SIDE).pixels
        except UnreadableRadiographError:
            continue
        thumbnail = png_bytes(shrink(pixels, _THUMBNAIL_SIDE))
        yield GalleryImage(predictions.files[row], float(predictions.probabilities[row]), thumbnail)


def _unshown(
    predictions: Predictions, rows: NDArray[np.intp], shown: set[str]
) -> tuple[tuple[str, float], ...]:
    return tuple(
        (predictions.files[row], float(predictions.probabilities[row]))
        for row in rows
        if predictions.files[row] not in shown
    )


def _neighbour_image(neighbour: Neighbour) -> NeighbourImage | None:
    try:
        pixels = read_radiograph(neighbour.file, 2 * _NEIGHBOUR_SIDE).pixels
    except UnreadableRadiographError:
        return None
    name, class_name = short_name(neighbour.file), CLASS_NAMES[neighbour.label]
    thumbnail = png_bytes(shrink(pixels, _NEIGHBOUR_SIDE))
    return NeighbourImage(name, class_name, neighbour.distance, thumbnail)
