"""Operating points: a decision threshold, and the metrics of the decisions made with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pneumoscope.report.estimate import Estimate

_Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Decision threshold with the band of uncertain probabilities around it.

    Parameters
    ----------
    rule
        Rule by which the threshold was chosen, in words.
    threshold
        Lowest probability that is called pneumonia.
    low, high
        Ends of the uncertain band, both included; it holds the threshold. It is made by split
        conformal prediction.
    level
        Largest share of either class beyond the far end of the band, for images like those of
        validation.
    measured
        Metrics on the validation images that the threshold was chosen on, by name; see
        `POINT_METRICS`.
    tested
        The same metrics on the test split; empty if that was not read.
    measured_abstaining, tested_abstaining
        The same metrics where no finding is made within the uncertain band: sensitivity counts
        images with pneumonia that are suspected, specificity healthy ones with no sign, each among
        all images of its class. Empty if not recorded.
    findings, tested_findings
        Numbers of these validation images, and of the test split's, by class and by finding and
        confidence in words. Empty if not recorded.
    likelihood_ratios
        Likelihood ratio on the test split of each finding and confidence in words: the share of
        images with pneumonia that have it over that of the others. Empty if that was not read.
    """

    rule: str
    threshold: float
    low: float
    high: float
    level: float
    measured: Mapping[str, Estimate] = field(default_factory=dict)
    tested: Mapping[str, Estimate] = field(default_factory=dict)
    measured_abstaining: Mapping[str, Estimate] = field(default_factory=dict)
    tested_abstaining: Mapping[str, Estimate] = field(default_factory=dict)
    findings: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    tested_findings: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    likelihood_ratios: Mapping[str, Estimate] = field(default_factory=dict)

    def stated(self, *, abstain: bool) -> Mapping[str, Estimate]:
        """Return the metrics of the findings that are shown, of the test split if it was read."""
        if abstain:
            return self.tested_abstaining or self.measured_abstaining
        return self.tested or self.measured


@dataclass(frozen=True, slots=True)
class PointMetric:
    """Metric of an operating point: a fraction of numbers of images.

    ``fraction`` returns numerator and denominator from the numbers of true negatives, false
    positives, false negatives and true positives, each an array of any one shape; in a proportion
    the denominator counts images and the numerator some of them. Summary tables with room for few
    columns show headline metrics alone.
    """

    label: str
    fraction: Callable[[_Floats, _Floats, _Floats, _Floats], tuple[_Floats, _Floats]]
    is_proportion: bool = True
    is_headline: bool = False


POINT_METRICS: dict[str, PointMetric] = {
    "sensitivity": PointMetric("Sensitivity", lambda tn, fp, fn, tp: (tp, tp + fn), True, True),
    "specificity": PointMetric("Specificity", lambda tn, fp, fn, tp: (tn, tn + fp), True, True),
    "ppv": PointMetric("PPV", lambda tn, fp, fn, tp: (tp, tp + fp), True, True),
    "npv": PointMetric("NPV", lambda tn, fp, fn, tp: (tn, tn + fn), True, True),
    "lr_positive": PointMetric(
        "LR+", lambda tn, fp, fn, tp: (tp * (tn + fp), fp * (tp + fn)), False
    ),
    "lr_negative": PointMetric(
        "LR−", lambda tn, fp, fn, tp: (fn * (tn + fp), tn * (tp + fn)), False
    ),
    "f1": PointMetric("F1", lambda tn, fp, fn, tp: (2 * tp, 2 * tp + fp + fn), False),
    "mcc": PointMetric(
        "MCC",
        lambda tn, fp, fn, tp: (
            tp * tn - fp * fn,
            ((tp + fn) * (tn + fp)) ** 0.5 * ((tp + fp) * (tn + fn)) ** 0.5,
        ),
        False,
    ),
    "accuracy": PointMetric("Accuracy", lambda tn, fp, fn, tp: (tp + tn, tn + fp + fn + tp)),
}
"""Metrics of an operating point by name, in the order in which they are reported.

Tables, pages, model cards, bundles and JSON are made from this one list: a metric that is added
here appears in all of them. LR+ and LR− are the likelihood ratios, MCC is Matthews' correlation
coefficient.
"""
