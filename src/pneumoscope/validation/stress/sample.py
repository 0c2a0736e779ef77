"""What the tests that read images again share: a sample of them, decoded once, and asked about."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats
from pneumoscope.evaluation.statistics.intervals import Estimate, wilson
from pneumoscope.radiograph import Radiograph, prepare_pixels, preprocess, read_radiograph
from pneumoscope.reader import Reader
from pneumoscope.support.errors import UnreadableRadiographError
from pneumoscope.support.parallel import in_order
from pneumoscope.support.terminal import track

LIMIT = 300
"""Images that a stress test reads at most unless asked otherwise."""

_BATCH = 4

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answers(Generic[Result]):
    """What was found for the images of a sample.

    Parameters
    ----------
    rows
        Numbers of the images that could be read, ascending.
    results
        What was found for each of them.
    unreadable
        How many of the sample could not be read and are left out.
    """

    rows: NDArray[np.intp]
    results: tuple[Result, ...]
    unreadable: int


def draw_sample(labels: NDArray[np.int8], limit: int, seed: int) -> NDArray[np.intp]:
    """Draw rows at random, of both classes in their shares and at least one of each there is.

    Parameters
    ----------
    labels
        0 or 1, shape (n,).
    limit
        How many at most; of fewer rows all are taken.
    seed
        The same seed gives the same rows.

    Returns
    -------
    array
        Row numbers, ascending.

    Examples
    --------
    >>> rows = draw_sample(np.repeat(np.int8([0, 1]), [80, 20]), limit=10, seed=0)
    >>> len(rows), int((rows >= 80).sum())
    (10, 2)
    """
    if len(labels) <= limit:
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    healthy, ill = (rng.permutation(np.flatnonzero(labels == label)) for label in (0, 1))
    wanted = round(limit * len(ill) / len(labels))
    wanted = min(max(wanted, min(1, len(ill))), limit - min(1, len(healthy)))
    return np.sort(np.concatenate([ill[:wanted], healthy[: limit - wanted]]))


def ask_each(
    reader: Reader,
    files: Sequence[Path],
    rows: NDArray[np.intp],
    question: Callable[[int, Radiograph], Result],
    what: str,
) -> Answers[Result]:
    """Decode some files, each once, and ask a question about each, on the reader's threads.

    Parameters
    ----------
    reader
        Gives the number of threads, and the size that is decoded.
    files, rows
        The files, and the numbers of those that are read.
    question
        Called with the number and the radiograph; by several threads at once.
    what
        Name of the progress bar.
    """
    min_side = preprocess.OVERSAMPLING * reader.bundle.record.input.size

    def ask(row: int) -> Result | None:
        try:
            radiograph = read_radiograph(files[row], min_side)
        except UnreadableRadiographError:
            return None
        return question(row, radiograph)

    results = in_order(ask, rows.tolist(), reader.threads, ahead=2 * reader.threads)
    found = list(track(results, what, len(rows)))
    read = [place for place, result in enumerate(found) if result is not None]
    kept = tuple(result for result in found if result is not None)
    return Answers(rows[read], kept, len(rows) - len(read))


def prepare(reader: Reader, pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the square that the reader's network is given of a radiograph's pixels."""
    contract = reader.bundle.record.input
    return prepare_pixels(pixels, contract.size, contract.resampling)


def ask_network(reader: Reader, pictures: Iterable[NDArray[np.float32]]) -> Floats:
    """Return the probability of each picture, whatever the quality gate would say of it.

    Parameters
    ----------
    reader
        Whose network is asked.
    pictures
        Each float32, shape (height, width), range [0, 1]; taken a few at a time.
    """
    squares = (prepare(reader, picture) for picture in pictures)
    answers: list[Floats] = []
    while batch := list(islice(squares, _BATCH)):
        answers.append(reader.probabilities(reader.run(np.stack(batch)).logits))
    return np.concatenate(answers)


def share(part: int, whole: int) -> Estimate:
    """Return a share with Wilson's interval.

    Examples
    --------
    >>> str(share(9, 10)), str(share(0, 0))
    ('0.900 (0.596 to 0.982)', 'undefined')
    """
    return Estimate(part / whole if whole else None, wilson(part, whole))


def sensitivity(labels: NDArray[np.int8], probabilities: Floats, threshold: float) -> Estimate:
    """Return the share of the ill with a probability of at least ``threshold``."""
    ill = labels == 1
    return share(int((probabilities[ill] >= threshold).sum()), int(ill.sum()))


def specificity(labels: NDArray[np.int8], probabilities: Floats, threshold: float) -> Estimate:
    """Return the share of the others with a probability below ``threshold``."""
    healthy = labels == 0
    return share(int((probabilities[healthy] < threshold).sum()), int(healthy.sum()))
