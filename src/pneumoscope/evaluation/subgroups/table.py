"""Metrics of each subgroup, and the gap to all other images."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from pneumoscope.evaluation.predictions import CLASS_NAMES, Floats, Predictions
from pneumoscope.evaluation.statistics.bootstrap import estimate_from_resamples, resample
from pneumoscope.evaluation.statistics.intervals import proportion, weighted_sum, widen_certain
from pneumoscope.evaluation.statistics.paired_tests import holm
from pneumoscope.evaluation.subgroups.columns import SubgroupRows, find_subgroups
from pneumoscope.evaluation.subgroups.resampling import SubgroupRanking
from pneumoscope.report.estimate import Estimate

SUBGROUP_DRAWS = 1000
"""Default number of bootstrap resamples behind the intervals of subgroups."""

MIN_IMAGES_PER_CLASS = 20
"""Fewest images of a class for a metric that is based on the class."""

SUBGROUP_METRICS = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity"}
"""Metrics of a subgroup, and their labels in tables."""

_Rows: TypeAlias = NDArray[np.intp]
_Classes: TypeAlias = tuple[_Rows, ...]
_Side: TypeAlias = dict[str, _Classes]


@dataclass(frozen=True, slots=True)
class Subgroup:
    """Metrics of the images that share a value.

    Parameters
    ----------
    column, value
        Column of the table, and the value or range of its cells.
    n, positives, patients
        Numbers of images, of those with PNEUMONIA, and of patients.
    against
        Images that the AUC compares with, such as "all NORMAL", where the subgroup's are of one
        class; else None.
    auc, sensitivity, specificity
        Metrics in [0, 1]; without a value where undefined or in ``too_few``, without an interval
        where a class has a single patient.
    auc_gap, sensitivity_gap, specificity_gap
        Metric minus that of all other images, in [-1, 1].
    too_few
        Names of the metrics and gaps that are based on fewer than `MIN_IMAGES_PER_CLASS` images of
        a class.
    gap_p_holm
        p-values of the gaps by the name of the metric, corrected by Holm's method for the number of
        gaps of that metric; those without an interval are left out. The two gaps of a column with
        two values count as one.
    """

    column: str
    value: str
    n: int
    positives: int
    patients: int
    against: str | None
    auc: Estimate
    sensitivity: Estimate
    specificity: Estimate
    auc_gap: Estimate
    sensitivity_gap: Estimate
    specificity_gap: Estimate
    too_few: tuple[str, ...]
    gap_p_holm: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SubgroupTable:
    """Subgroups by column, in the order of the table, and why columns were left out."""

    groups: tuple[Subgroup, ...]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Images:
    """Label, correctness of the call and patient of each image, shape (n,)."""

    ill: NDArray[np.bool_]
    correct: NDArray[np.bool_]
    patient: _Rows

    def patients(self, rows: _Rows) -> int:
        """Return the number of patients of some images."""
        return len(np.unique(self.patient[rows]))


def subgroup_table(
    predictions: Predictions, threshold: float, draws: int = SUBGROUP_DRAWS, seed: int = 0
) -> SubgroupTable:
    """Return the metrics of every subgroup from the columns of ``predictions.groups``.

    For the subgroups see `find_subgroups`. One whose images all have PNEUMONIA, such as bacteria,
    is compared with all NORMAL images, one without any with all images with PNEUMONIA; the gap is
    to the other images, compared with the same. Intervals are percentiles of a bootstrap by patient
    in which subgroup and rest are resampled together; those of sensitivity and specificity are
    Wilson's where every patient has one image of the class. A metric of exactly 0 or 1, which no
    resample would change, has Wilson's interval of its patients, and a gap to or from it Newcombe's
    interval of the difference [1]_. They are not corrected for the number of subgroups: of 20 gaps
    that are truly 0, about one interval excludes 0. The p-values beside them are.

    Parameters
    ----------
    predictions
        Table to evaluate.
    threshold
        Lowest probability that is called PNEUMONIA.
    draws
        Number of bootstrap resamples.
    seed
        Random seed; the same seed gives the same intervals, on any number of cores.

    Returns
    -------
    SubgroupTable
        Empty if the table has no further columns.

    References
    ----------
    .. [1] Newcombe RG. Interval estimation for the difference between independent proportions:
       comparison of eleven methods. Statistics in Medicine 17:873-890, 1998.

    Examples
    --------
    >>> files = tuple(f"{row}.png" for row in range(80))
    >>> labels = np.arange(80) % 2
    >>> sex = ("F",) * 40 + ("M",) * 40
    >>> correct = Predictions(files, labels, 0.25 + labels / 2, files, {"sex": sex})
    >>> for group in subgroup_table(correct, threshold=0.5).groups:
    ...     print(group.value, group.n, group.sensitivity)
    F 40 1.000 (0.839 to 1.000)
    M 40 1.000 (0.839 to 1.000)
    """
    patient = predictions.patient_numbers()
    subgroups, left_out = find_subgroups(predictions.groups)
    if not subgroups:
        return SubgroupTable((), left_out)
    rows = [subgroup.rows for subgroup in subgroups]
    ranking = SubgroupRanking.of(predictions, patient, threshold, rows)
    resampled = resample(ranking.metrics, patient, draws, seed)
    ill = predictions.labels == 1
    images = _Images(ill, (predictions.probabilities >= threshold) == ill, patient)
    groups = (
        _subgroup(images, subgroup, resampled[:, number])
        for number, subgroup in enumerate(subgroups)
    )
    return SubgroupTable(_with_p_values(list(groups)), left_out)


def _with_p_values(groups: Sequence[Subgroup]) -> tuple[Subgroup, ...]:
    """Return subgroups with the p-values of their gaps, corrected for the number of each metric's.

    The two gaps of a column with two values are one test: each is the other's negative.
    """
    corrected: list[dict[str, float]] = [{} for _ in groups]
    n_values = Counter(group.column for group in groups)
    for name in SUBGROUP_METRICS:
        tests: dict[tuple[str, int], list[int]] = defaultdict(list)
        p_values = {}
        for number, group in enumerate(groups):
            gap = getattr(group, f"{name}_gap")
            p = _p_value(gap)
            if p is not None:
                test = group.column, 0 if n_values[group.column] == 2 else number
                tests[test].append(number)
                p_values[test] = p
        adjusted = holm([p_values[test] for test in tests])
        for numbers, p in zip(tests.values(), adjusted, strict=True):
            for number in numbers:
                corrected[number][name] = p
    return tuple(replace(group, gap_p_holm=p) for group, p in zip(groups, corrected, strict=True))


def _p_value(gap: Estimate) -> float | None:
    """Return the p-value of a difference from 0, by the side of its interval that faces 0.

    None without an interval, or where that has no width on this side.

    Examples
    --------
    >>> round(_p_value(Estimate(0.1, 0.0, 0.3)), 3)
    0.05
    """
    if gap.value is None or gap.low is None or gap.high is None:
        return None
    distance = gap.value - gap.low if gap.value > 0 else gap.high - gap.value
    if distance <= 0:
        return None
    return float(2 * norm.sf(abs(gap.value) / (distance / norm.ppf(0.975))))


def _subgroup(images: _Images, subgroup: SubgroupRows, resampled: Floats) -> Subgroup:
    """Return the metrics of a subgroup from those of shape (1 + draws, 2, 3), the table's first."""
    ill, rows = images.ill, subgroup.rows
    inside, outside, against = _sides(ill, rows)
    estimates: dict[str, Estimate] = {}
    too_few = []
    for index, name in enumerate(SUBGROUP_METRICS):
        sides = inside[name], outside[name]
        smaller_class = [min(map(len, classes)) for classes in sides]
        ours, rest = (
            _estimate(images, classes, resampled[:, side, index])
            for side, classes in enumerate(sides)
        )
        gap = _gap(ours, rest, resampled[:, 0, index] - resampled[:, 1, index])
        for metric, estimate, n in (
            (name, ours, smaller_class[0]),
            (f"{name}_gap", gap, min(smaller_class)),
        ):
            estimates[metric] = estimate if n >= MIN_IMAGES_PER_CLASS else Estimate(None)
            if 0 < n < MIN_IMAGES_PER_CLASS:
                too_few.append(metric)
    return Subgroup(
        subgroup.column,
        subgroup.value,
        n=int(rows.sum()),
        positives=int((rows & ill).sum()),
        patients=images.patients(np.flatnonzero(rows)),
        against=against,
        too_few=tuple(too_few),
        gap_p_holm={},
        **estimates,
    )


def _sides(ill: NDArray[np.bool_], rows: NDArray[np.bool_]) -> tuple[_Side, _Side, str | None]:
    """Return the images of each metric inside and outside, and those that the AUC is against."""
    ill_inside, healthy_inside = np.flatnonzero(ill & rows), np.flatnonzero(~ill & rows)
    ill_outside, healthy_outside = np.flatnonzero(ill & ~rows), np.flatnonzero(~ill & ~rows)
    auc, against = (ill_inside, healthy_inside), None
    # All images of the class that the subgroup lacks are outside it, so the rest has the same ones.
    if not len(healthy_inside):
        auc, against = (ill_inside, healthy_outside), f"all {CLASS_NAMES[0]}"
    elif not len(ill_inside):
        auc, against = (ill_outside, healthy_inside), f"all {CLASS_NAMES[1]}"
    inside: _Side = {"auc": auc, "sensitivity": (ill_inside,), "specificity": (healthy_inside,)}
    outside: _Side = {
        "auc": (ill_outside, healthy_outside),
        "sensitivity": (ill_outside,),
        "specificity": (healthy_outside,),
    }
    return inside, outside, against


def _estimate(images: _Images, classes: _Classes, resampled: Floats) -> Estimate:
    """Return the estimate of a metric that is based on some images of each class."""
    patients = min(map(images.patients, classes))
    estimate = estimate_from_resamples(resampled)
    # Drawing a single patient again and again would pretend that all others are like that one.
    if patients < 2 or estimate.interval is None:
        return Estimate(estimate.value)
    rows = classes[0]
    if len(classes) == 1 and patients == len(rows):
        return proportion(int(images.correct[rows].sum()), patients)
    return widen_certain(estimate, patients)


def _gap(inside: Estimate, outside: Estimate, resampled: Floats) -> Estimate:
    """Return the difference of two estimates, with the interval of its resamples."""
    if inside.value is None or outside.value is None:
        return Estimate(None)
    gap = inside.value - outside.value
    if inside.interval is None or outside.interval is None:
        return Estimate(gap)
    if {inside.value, outside.value} & {0.0, 1.0}:
        # Newcombe's method for the difference of two proportions.
        return weighted_sum([(1, inside), (-1, outside)])
    return replace(estimate_from_resamples(resampled), value=gap)
