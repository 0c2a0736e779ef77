"""Robustness of a reader to changes of exposure, sharpness, storage and framing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.statistics.delong import delong
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.evaluation.statistics.metrics import proportions
from pneumoscope.radiograph import Radiograph
from pneumoscope.reader import Reader
from pneumoscope.reader.bundle import FAMILIARITY, GATE
from pneumoscope.reader.familiarity import FeatureFamiliarity
from pneumoscope.reader.quality_gate import QualityGate, Severity
from pneumoscope.report.estimate import Estimate
from pneumoscope.validation.stress.perturbations import PERTURBATIONS, Perturbation, Pixels
from pneumoscope.validation.stress.sample import (
    MAX_IMAGES,
    draw_sample,
    map_sample,
    run_without_gate,
)


@dataclass(frozen=True, slots=True)
class RobustnessPoint:
    """Performance at one strength of a perturbation.

    Parameters
    ----------
    strength
        Strength in the unit of the curve; 0 is the unchanged image.
    auc
        Area under the ROC curve, with DeLong's interval.
    sensitivity, specificity
        Sensitivity and specificity at the threshold, with Wilson's interval.
    change
        Mean absolute difference of the probability from that of the unchanged image.
    rejected
        Share of images that the quality gate would reject, with Wilson's interval.
    outside
        Share of images that would pass the gate, and be beyond the bundle's limits of refusal, with
        Wilson's interval. The other estimates include rejected and outside images, as if there were
        neither gate nor limits.
    """

    strength: float
    auc: Estimate
    sensitivity: Estimate
    specificity: Estimate
    change: float
    rejected: Estimate
    outside: Estimate


@dataclass(frozen=True, slots=True)
class RobustnessCurve:
    """Performance against the strength of one perturbation.

    Parameters
    ----------
    name, unit
        Name and unit of the `Perturbation`.
    n, positives, unreadable
        Number of images read, of those with PNEUMONIA among them, and of unreadable ones.
    points
        Points in the order of the strengths.
    """

    name: str
    unit: str
    n: int
    positives: int
    unreadable: int
    points: tuple[RobustnessPoint, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _ImageResult:
    """Results for one image at every strength of every perturbation, in order."""

    probabilities: Floats
    rejected: NDArray[np.bool_]
    outside: NDArray[np.bool_]


def measure_robustness(
    reader: Reader,
    files: Sequence[Path],
    predictions: Predictions,
    threshold: float,
    *,
    perturbations: Sequence[Perturbation] = PERTURBATIONS,
    limit: int = MAX_IMAGES,
    seed: int = 0,
) -> tuple[RobustnessCurve, ...]:
    """Measure performance under every perturbation at every strength, as one curve each.

    There are no curves if no image could be read. Each image is decoded once. Noise is drawn once
    per image and scaled, so that curves are smooth.

    Parameters
    ----------
    reader
        Reader under test.
    files
        Files of the images of ``predictions``, in the same order.
    predictions
        Labels of the images; the probabilities are not used.
    threshold
        Lowest probability that is called PNEUMONIA.
    perturbations
        Perturbations to apply.
    limit
        Largest number of images, drawn with the share of both classes kept.
    seed
        Random seed of the sample and the noise.

    References
    ----------
    Hendrycks D, Dietterich T. Benchmarking neural network robustness to common corruptions and
    perturbations. ICLR 2019.
    """
    gate = QualityGate.from_bytes(reader.bundle.contents[GATE])
    familiarity = FeatureFamiliarity.from_bytes(reader.bundle.contents[FAMILIARITY])

    def perturb_and_read(row: int, radiograph: Radiograph) -> _ImageResult:
        return _perturb_and_read(
            reader, gate, familiarity, radiograph.pixels, perturbations, (seed, row)
        )

    rows = draw_sample(predictions.labels, limit, seed)
    sample = map_sample(perturb_and_read, reader, files, rows, "Testing robustness")
    if not sample.results:
        return ()
    probabilities, rejected, outside = (
        np.stack([getattr(image, name) for image in sample.results], axis=1)
        for name in ("probabilities", "rejected", "outside")
    )
    labels = predictions.labels[sample.rows]
    n, positives = len(labels), int(labels.sum())
    curves, start = [], 0
    for kind in perturbations:
        part = slice(start, start + len(kind.strengths))
        points = _points(
            kind, labels, probabilities[part], rejected[part], outside[part], threshold
        )
        curves.append(
            RobustnessCurve(kind.name, kind.unit, n, positives, sample.unreadable, points)
        )
        start = part.stop
    return tuple(curves)


def _perturb_and_read(
    reader: Reader,
    gate: QualityGate,
    familiarity: FeatureFamiliarity,
    pixels: Pixels,
    perturbations: Sequence[Perturbation],
    seed: tuple[int, int],
) -> _ImageResult:
    steps = [(kind, strength) for kind in perturbations for strength in kind.strengths]
    rejected: list[bool] = []

    def perturbed_images() -> Iterator[Pixels]:
        yield pixels
        for kind, strength in steps:
            if strength != 0:
                yield kind.apply(pixels, strength, np.random.default_rng(seed))

    def assessed_images() -> Iterator[Pixels]:
        for image in perturbed_images():
            findings = gate.assess(image)
            rejected.append(any(finding.severity is Severity.REJECT for finding in findings))
            yield image

    probabilities, features = run_without_gate(reader, assessed_images())
    is_rejected = np.array(rejected)
    limits = reader.bundle.record.refusal
    is_outside = (
        np.zeros(len(features), np.bool_)
        if limits is None
        else limits.exceeded(familiarity, features) & ~is_rejected
    )
    is_changed = np.array([strength != 0 for _, strength in steps])
    position = np.cumsum(is_changed) * is_changed  # the unchanged image is read once, and first
    return _ImageResult(probabilities[position], is_rejected[position], is_outside[position])


def _points(
    perturbation: Perturbation,
    labels: NDArray[np.int8],
    probabilities: Floats,
    rejected: NDArray[np.bool_],
    outside: NDArray[np.bool_],
    threshold: float,
) -> tuple[RobustnessPoint, ...]:
    """Return the points of a curve; arrays have the shape (strengths, images)."""
    unchanged = probabilities[perturbation.strengths.index(0)]
    points = []
    for strength, values, is_rejected, is_outside in zip(
        perturbation.strengths, probabilities, rejected, outside, strict=True
    ):
        rates = proportions(labels, values, threshold)
        points.append(
            RobustnessPoint(
                strength,
                delong(labels, values),
                rates["sensitivity"],
                rates["specificity"],
                float(np.abs(values - unchanged).mean()),
                proportion(int(is_rejected.sum()), len(labels)),
                proportion(int(is_outside.sum()), len(labels)),
            )
        )
    return tuple(points)
