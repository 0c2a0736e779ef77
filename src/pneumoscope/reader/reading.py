"""Reading: what a reader says of one radiograph, and its findings at operating points."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pneumoscope.lungs import LungField
from pneumoscope.reader.input_statistics import InputStatistics
from pneumoscope.reader.quality_gate import QualityFinding
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.operating_point import OperatingPoint


class Status(StrEnum):
    """Outcome of reading a radiograph.

    ``read``; ``flagged``: read, with reasons for doubt; ``outside``: no finding, because the bundle
    may not answer for the patient or the image; ``rejected``: not read, because it is not a usual
    frontal chest radiograph; ``failed``: the file could not be decoded.
    """

    READ = "read"
    FLAGGED = "flagged"
    OUTSIDE = "outside"
    REJECTED = "rejected"
    FAILED = "failed"


class Finding(StrEnum):
    """Meaning of a probability at an operating point, in the words in which it is shown.

    ``uncertain`` is given only by readers that abstain.
    """

    SUSPECTED = "pneumonia suspected"
    NO_SIGN = "no sign of pneumonia"
    UNCERTAIN = "uncertain"


UNKNOWN_MEANING = "How often such a finding is right was not measured."
"""Sentence in the place of what a finding means, where no likelihood ratio is stated."""

OTHER_FINDINGS = "Other findings were not looked for."
"""Warning beside a finding: without a sign of pneumonia a radiograph need not be normal."""


@dataclass(frozen=True, eq=False)
class Reading:
    """Reading of a radiograph.

    Parameters
    ----------
    status
        Outcome of the reading.
    bundle
        Identity of the bundle that read the radiograph.
    reasons
        Reasons why it was flagged, outside, rejected or failed, in words.
    probability
        Calibrated probability of pneumonia; None unless read or flagged.
    findings
        Findings by the name of the operating point; empty unless read or flagged.
    low_confidence
        Names of the operating points in whose uncertain band the probability lies.
    likelihood_ratios
        Likelihood ratio of the finding with its confidence by the name of the operating point, if
        the bundle states it of its test split: by it and the prevalence, `post_test_probability`
        says what the finding means. Flagged images have none: theirs is another.
    heatmap
        Log-odds that each place of the radiograph adds, float32, shape (rows, columns); 0 outside
        of the lungs if these are read alone (see `place_heatmap`), else outside of the body. None
        unless read or flagged.
    probability_outside
        Output of the network for a radiograph that is outside; it has no meaning for the patient.
        None unless outside.
    assumed_population
        Name of the population that a patient of unknown age was assumed to belong to; None if the
        age is known, no bundle was chosen by it, or the image was not read.
    quality
        Findings about the decoding, the population and the quality of the image, and whether it is
        unfamiliar; of a failed reading the reason.
    sha256
        SHA-256 of the file's bytes or of the array's pixels; None if failed.
    distance
        Distance from the training images over the bundle's limit, above 1 if unfamiliar (see
        `FeatureFamiliarity`); None unless read, flagged or outside.
    view, laterality
        View Position and Image Laterality of the DICOM file, else None.
    lungs
        Lung field; None if failed, or if the bundle reads whole images.
    inputs
        Statistics of the image, also if rejected; None if failed.
    square
        Whole radiograph at the network's resolution, uint8, shape (size, size); None if failed.
    milliseconds
        Time from the source to the reading; in a batch with a share of the network's time.
    """

    status: Status
    bundle: str
    reasons: tuple[str, ...] = ()
    probability: float | None = None
    findings: Mapping[str, Finding] = field(default_factory=dict)
    low_confidence: frozenset[str] = frozenset()
    likelihood_ratios: Mapping[str, Estimate] = field(default_factory=dict)
    heatmap: NDArray[np.float32] | None = None
    probability_outside: float | None = None
    assumed_population: str | None = None
    quality: tuple[QualityFinding, ...] = ()
    sha256: str | None = None
    distance: float | None = None
    view: str | None = None
    laterality: str | None = None
    lungs: LungField | None = None
    inputs: InputStatistics | None = None
    square: NDArray[np.uint8] | None = field(default=None, repr=False)
    milliseconds: float = 0.0

    def _repr_html_(self) -> str:
        from pneumoscope.reader.jupyter import view_reading  # it imports this module

        return view_reading(self)


def finding_at(probability: float, point: OperatingPoint, *, abstain: bool = False) -> Finding:
    """Return the finding of a probability at an operating point.

    Parameters
    ----------
    probability
        Calibrated probability of pneumonia.
    point
        Threshold, and the uncertain band around it.
    abstain
        Whether to give no finding within the uncertain band.

    Examples
    --------
    >>> point = OperatingPoint(
    ...     rule="", threshold=0.3, low=0.2, high=0.3, level=0.01, measured={}
    ... )
    >>> [finding_at(p, point).value for p in (0.29, 0.3)]
    ['no sign of pneumonia', 'pneumonia suspected']
    >>> [finding_at(p, point, abstain=True).value for p in (0.19, 0.2, 0.3, 0.31)]
    ['no sign of pneumonia', 'uncertain', 'uncertain', 'pneumonia suspected']
    """
    if abstain and is_low_confidence(probability, point):
        return Finding.UNCERTAIN
    return Finding.SUSPECTED if probability >= point.threshold else Finding.NO_SIGN


def is_low_confidence(probability: float, point: OperatingPoint) -> bool:
    """Return whether a probability lies in the uncertain band of an operating point."""
    return point.low <= probability <= point.high


def describe_finding(finding: Finding, *, low_confidence: bool) -> str:
    """Return a finding and its confidence in words.

    Examples
    --------
    >>> describe_finding(Finding.SUSPECTED, low_confidence=True)
    'pneumonia suspected, low confidence'
    """
    is_qualified = low_confidence and finding is not Finding.UNCERTAIN
    return f"{finding}, low confidence" if is_qualified else str(finding)


def describe_probability(probability: float, point: OperatingPoint) -> str:
    """Return the finding of a probability at an operating point, with its confidence, in words."""
    return describe_finding(
        finding_at(probability, point), low_confidence=is_low_confidence(probability, point)
    )


CONFIDENCES = tuple(
    describe_finding(finding, low_confidence=low_confidence)
    for finding, low_confidence in (
        (Finding.SUSPECTED, False),
        (Finding.SUSPECTED, True),
        (Finding.NO_SIGN, True),
        (Finding.NO_SIGN, False),
    )
)
"""Findings with their confidence in words, from the highest probability to the lowest."""


def count_findings(
    labels: NDArray[np.int8], probabilities: NDArray[np.float64], point: OperatingPoint
) -> dict[str, dict[str, int]]:
    """Return the number of images of each class with each finding and confidence.

    Where a reader abstains, those with low confidence are the uncertain ones.

    Parameters
    ----------
    labels
        Labels, 0 or 1, shape (n,).
    probabilities
        Calibrated probabilities of pneumonia, shape (n,).
    point
        Operating point.

    Returns
    -------
    dict of str to dict of str to int
        Numbers by the name of the class, and the finding in the words of `CONFIDENCES`.

    Examples
    --------
    >>> point = OperatingPoint(rule="", threshold=0.5, low=0.3, high=0.6, level=0.01)
    >>> counts = count_findings(np.int8([0, 0, 1, 1]), np.array([0.1, 0.4, 0.5, 0.9]), point)
    >>> [name for name, n in counts["NORMAL"].items() if n]
    ['no sign of pneumonia, low confidence', 'no sign of pneumonia']
    """
    counts = {name: dict.fromkeys(CONFIDENCES, 0) for name in ("NORMAL", "PNEUMONIA")}
    for label, probability in zip(labels, probabilities.tolist(), strict=True):
        counts["PNEUMONIA" if label else "NORMAL"][describe_probability(probability, point)] += 1
    return counts


def format_probability(probability: float) -> str:
    """Return a probability as a percentage, never 0 or 100 %.

    Examples
    --------
    >>> [format_probability(p) for p in (0.0001, 0.1234, 1.0)]
    ['<0.1%', '12.3%', '>99.9%']
    """
    if probability < 0.001:
        return "<0.1%"
    return ">99.9%" if probability > 0.999 else f"{probability:.1%}"
