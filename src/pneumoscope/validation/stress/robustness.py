"""How well a reader reads radiographs that were exposed, sharpened, stored or framed otherwise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.delong import delong
from pneumoscope.evaluation.statistics.intervals import Estimate
from pneumoscope.radiograph import Radiograph
from pneumoscope.reader import Reader
from pneumoscope.reader.bundle import GATE
from pneumoscope.reader.quality_gate import QualityGate, Severity
from pneumoscope.validation.stress.perturbations import PERTURBATIONS, Floats, Perturbation
from pneumoscope.validation.stress.sample import (
    LIMIT,
    ask_each,
    ask_network,
    draw_sample,
    sensitivity,
    share,
    specificity,
)


@dataclass(frozen=True, slots=True)
class RobustnessPoint:
    """What a reader is worth at one strength of a change.

    Parameters
    ----------
    strength
        In the unit of the curve; 0 is unchanged.
    auc
        With DeLong's interval.
    sensitivity, specificity
        At the threshold, with Wilson's interval.
    change
        Mean absolute difference of the probability from that of the unchanged image.
    rejected
        Share of images that the quality gate would not let be read, with Wilson's interval. The
        other figures are of all images, as if there were no gate.
    """

    strength: float
    auc: Estimate
    sensitivity: Estimate
    specificity: Estimate
    change: float
    rejected: Estimate


@dataclass(frozen=True, slots=True)
class RobustnessCurve:
    """A reader's worth against the strength of one kind of change.

    Parameters
    ----------
    name, unit
        Of the `Perturbation`.
    threshold
        Of sensitivity and specificity.
    n, positives, unreadable
        Images that were read, those among them with PNEUMONIA, and those that could not be read.
    points
        In the order of the strengths.
    """

    name: str
    unit: str
    threshold: float
    n: int
    positives: int
    unreadable: int
    points: tuple[RobustnessPoint, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """For every strength of every perturbation, in order: what was said of one image."""

    probabilities: NDArray[np.float64]
    rejected: NDArray[np.bool_]


def robustness(
    reader: Reader,
    files: Sequence[Path],
    predictions: Predictions,
    threshold: float,
    *,
    perturbations: Sequence[Perturbation] = PERTURBATIONS,
    limit: int = LIMIT,
    seed: int = 0,
) -> tuple[RobustnessCurve, ...]:
    """Change radiographs in every way and strength, and judge how they are read.

    Each image is decoded once. Noise is drawn once for an image and made stronger, so that a curve
    does not shake with the draws.

    Parameters
    ----------
    reader
        Who reads.
    files
        Where the images of ``predictions`` are, in the same order.
    predictions
        Their labels; their probabilities are not used.
    threshold
        A probability of at least this means PNEUMONIA.
    perturbations
        Kinds of change.
    limit
        Images that are drawn at most, of both classes in their shares.
    seed
        Of the drawing and the noise.

    Returns
    -------
    tuple of RobustnessCurve
        One for each perturbation.

    References
    ----------
    Hendrycks D, Dietterich T. Benchmarking neural network robustness to common corruptions and
    perturbations. ICLR 2019.
    """
    gate = QualityGate.from_bytes(reader.bundle.contents[GATE])

    def question(row: int, radiograph: Radiograph) -> _Answer:
        return _answer(reader, gate, radiograph.pixels, perturbations, (seed, row))

    rows = draw_sample(predictions.labels, limit, seed)
    answers = ask_each(reader, files, rows, question, "Testing robustness")
    if not answers.results:
        return ()
    said = np.stack([one.probabilities for one in answers.results], axis=1)
    rejected = np.stack([one.rejected for one in answers.results], axis=1)
    labels = predictions.labels[answers.rows]
    curves, start = [], 0
    for one in perturbations:
        part = slice(start, start + len(one.strengths))
        points = _points(one, labels, said[part], rejected[part], threshold)
        n, positives = len(labels), int(labels.sum())
        curves.append(
            RobustnessCurve(one.name, one.unit, threshold, n, positives, answers.unreadable, points)
        )
        start = part.stop
    return tuple(curves)


def _answer(
    reader: Reader,
    gate: QualityGate,
    pixels: Floats,
    perturbations: Sequence[Perturbation],
    seed: tuple[int, int],
) -> _Answer:
    steps = [(one, strength) for one in perturbations for strength in one.strengths]
    rejected: list[bool] = []

    def pictures() -> Iterator[Floats]:
        yield pixels
        for one, strength in steps:
            if strength != 0:
                yield one.apply(pixels, strength, np.random.default_rng(seed))

    def judged() -> Iterator[Floats]:
        for picture in pictures():
            findings = gate.assess(picture)
            rejected.append(any(finding.severity is Severity.REJECT for finding in findings))
            yield picture

    said = ask_network(reader, judged())
    changes = np.array([strength != 0 for _, strength in steps])
    place = np.cumsum(changes) * changes  # the unchanged image is asked about once, and comes first
    return _Answer(said[place], np.array(rejected)[place])


def _points(
    perturbation: Perturbation,
    labels: NDArray[np.int8],
    said: NDArray[np.float64],
    rejected: NDArray[np.bool_],
    threshold: float,
) -> tuple[RobustnessPoint, ...]:
    unchanged = said[perturbation.strengths.index(0)]
    return tuple(
        RobustnessPoint(
            strength,
            delong(labels, probabilities),
            sensitivity(labels, probabilities, threshold),
            specificity(labels, probabilities, threshold),
            float(np.abs(probabilities - unchanged).mean()),
            share(int(refused.sum()), len(labels)),
        )
        for strength, probabilities, refused in zip(
            perturbation.strengths, said, rejected, strict=True
        )
    )
