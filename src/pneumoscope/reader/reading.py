"""What a reader says of one radiograph."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pneumoscope.reader.input_statistics import InputStatistics
from pneumoscope.reader.quality_gate import QualityFinding
from pneumoscope.report.operating_point import OperatingPoint


class Status(StrEnum):
    """How reading one radiograph ended.

    ``read``; ``flagged``: read, with reasons to doubt; ``rejected``: not read, because it is not
    what the network was made for; ``failed``: could not be decoded.
    """

    READ = "read"
    FLAGGED = "flagged"
    REJECTED = "rejected"
    FAILED = "failed"


class Finding(StrEnum):
    """What a probability means at an operating point."""

    PNEUMONIA = "pneumonia"
    UNCERTAIN = "uncertain"
    NORMAL = "normal"


@dataclass(frozen=True, eq=False)
class Reading:
    """One radiograph, read.

    Parameters
    ----------
    status
        See `Status`.
    bundle
        Identity of the bundle that read it.
    reasons
        Why it was flagged or rejected, or failed; in words.
    probability
        Of pneumonia, calibrated; None unless read or flagged.
    findings
        By the name of the operating point; empty unless read or flagged.
    heatmap
        float32, shape (rows, columns), over the whole radiograph: how much each place adds to the
        log-odds; None unless read or flagged.
    quality
        What the quality gate found, and whether the network saw anything like it in training.
    sha256
        Of the file's bytes, or of the pixels given; None if it failed.
    distance
        From the images that the network learned from, by the limit above which one is unfamiliar
        (see `FeatureFamiliarity`); None unless read or flagged.
    view, laterality
        As the DICOM file says, else None.
    inputs
        What the image is like, also if it was rejected; None if it failed.
    milliseconds
        From bytes to reading; in a batch its share of the network's time.
    """

    status: Status
    bundle: str
    reasons: tuple[str, ...] = ()
    probability: float | None = None
    findings: Mapping[str, Finding] = field(default_factory=dict)
    heatmap: NDArray[np.float32] | None = None
    quality: tuple[QualityFinding, ...] = ()
    sha256: str | None = None
    distance: float | None = None
    view: str | None = None
    laterality: str | None = None
    inputs: InputStatistics | None = None
    milliseconds: float = 0.0


def find(probability: float, point: OperatingPoint) -> Finding:
    """Return the finding of a probability at an operating point.

    Examples
    --------
    >>> point = OperatingPoint(
    ...     rule="", threshold=0.3, low=0.2, high=0.3, level=0.01, measured={}
    ... )
    >>> [find(p, point).value for p in (0.1, 0.2, 0.3, 0.31)]
    ['normal', 'uncertain', 'uncertain', 'pneumonia']
    """
    if point.low <= probability <= point.high:
        return Finding.UNCERTAIN
    return Finding.PNEUMONIA if probability >= point.threshold else Finding.NORMAL


def percent(probability: float) -> str:
    """Return a probability for people: never quite 0 or 100 %.

    Examples
    --------
    >>> percent(0.0001), percent(0.1234), percent(1.0)
    ('<0.1%', '12.3%', '>99.9%')
    """
    if probability < 0.001:
        return "<0.1%"
    return ">99.9%" if probability > 0.999 else f"{probability:.1%}"
