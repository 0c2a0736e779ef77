"""Names of 95 % confidence intervals: their method, the unit that they count, their resamples."""

from enum import StrEnum
from typing import Literal, TypeAlias

Unit: TypeAlias = Literal["patient", "image"]
"""Unit that an interval takes as independent."""


class IntervalMethod(StrEnum):
    """Method of a confidence interval, as tables, figures and pages name it."""

    BOOTSTRAP = "percentile bootstrap"
    PAIRED_BOOTSTRAP = "paired percentile bootstrap"
    WILSON = "Wilson's score method"
    DELONG = "DeLong's"
    ROBUST = "normal, with cluster-robust variance"
    MOVER = "combined from those of sensitivity and specificity (MOVER)"


def name_interval(method: IntervalMethod, unit: Unit, draws: int | None = None) -> str:
    """Return the name of an interval: its method, its unit and its number of resamples if any.

    Every table and figure that states intervals names them with this, so that a reader knows what
    is independent of what. Where the patient of any image is unknown, the unit is the image.

    Examples
    --------
    >>> name_interval(IntervalMethod.BOOTSTRAP, "patient", 2000)
    '95 % interval: percentile bootstrap by patient, 2,000 resamples'
    >>> name_interval(IntervalMethod.WILSON, "image")
    "95 % interval: Wilson's score method by image"
    """
    resamples = "" if draws is None else f", {draws:,} resamples"
    return f"95 % interval: {method} by {unit}{resamples}"
