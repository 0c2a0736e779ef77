"""Samples of images for the stress tests: drawing, decoding and running the network."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats
from pneumoscope.lungs import LungField
from pneumoscope.radiograph import Radiograph, read_radiograph
from pneumoscope.reader import Reader
from pneumoscope.support.errors import UnreadableRadiographError
from pneumoscope.support.parallel import map_in_order
from pneumoscope.support.terminal import track

MAX_IMAGES = 300
"""Default for the largest number of images that a stress test reads."""

_BATCH_SIZE = 4

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class SampleResults(Generic[Result]):
    """Results for the images of a sample.

    Parameters
    ----------
    rows
        Row numbers of the images that could be read, ascending.
    results
        Result for each of these images.
    unreadable
        Number of images of the sample that could not be read and are left out.
    """

    rows: NDArray[np.intp]
    results: tuple[Result, ...]
    unreadable: int


def draw_sample(labels: NDArray[np.int8], limit: int, seed: int) -> NDArray[np.intp]:
    """Draw a random sample of row numbers, ascending, with at least one row of each class.

    It is stratified by class.

    Parameters
    ----------
    labels
        Labels, 0 or 1, shape (n,).
    limit
        Largest number of rows; all rows are taken if there are no more than that.
    seed
        Random seed; the same seed gives the same rows.

    Examples
    --------
    >>> rows = draw_sample(np.repeat(np.int8([0, 1]), [80, 20]), limit=10, seed=0)
    >>> len(rows), int((rows >= 80).sum())
    (10, 2)
    """
    if len(labels) <= limit:
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    negative, positive = (rng.permutation(np.flatnonzero(labels == label)) for label in (0, 1))
    count = round(limit * len(positive) / len(labels))
    count = min(max(count, min(1, len(positive))), limit - min(1, len(negative)))
    return np.sort(np.concatenate([positive[:count], negative[: limit - count]]))


def map_sample(
    function: Callable[[int, Radiograph], Result],
    reader: Reader,
    files: Sequence[Path],
    rows: NDArray[np.intp],
    description: str,
) -> SampleResults[Result]:
    """Decode each image of a sample once, and apply a function to it, on the reader's threads.

    Parameters
    ----------
    function
        Function of the row number and the radiograph; several threads call it at once.
    reader
        Reader, whose bundle determines the size that images are decoded at.
    files
        Files of all images.
    rows
        Row numbers of the sample.
    description
        Label of the progress bar.
    """
    min_side = reader.min_side

    def apply(row: int) -> Result | None:
        try:
            radiograph = read_radiograph(files[row], min_side)
        except UnreadableRadiographError:
            return None
        return function(row, radiograph)

    iterator = map_in_order(apply, rows.tolist(), reader.threads, ahead=2 * reader.threads)
    results = list(track(iterator, description, len(rows)))
    is_readable = [result is not None for result in results]
    readable = tuple(result for result in results if result is not None)
    return SampleResults(rows[is_readable], readable, len(rows) - len(readable))


def run_without_gate(
    reader: Reader, images: Iterable[NDArray[np.float32]], field: LungField | None = None
) -> tuple[Floats, NDArray[np.float32]]:
    """Return probability and features of each image, whether or not it would be read.

    They have the shapes (n,) and (n, features); neither the quality gate nor the bundle's limits of
    refusal are asked.

    Parameters
    ----------
    reader
        Reader whose network is run.
    images
        Images, each float32, shape (height, width), range [0, 1]; consumed in small batches.
    field
        Lung field of all images, for a bundle that reads lungs; by default each one's own is found.
    """
    inputs = (reader.preparation.square(image, field) for image in images)
    probabilities: list[Floats] = []
    features: list[NDArray[np.float32]] = []
    while batch := list(islice(inputs, _BATCH_SIZE)):
        output = reader.run(np.stack(batch))
        probabilities.append(reader.probabilities(output.logits))
        features.append(output.features)
    return np.concatenate(probabilities), np.concatenate(features)
