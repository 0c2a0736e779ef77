"""For whom a reader works: its figures in each subgroup, and the gap to everybody else."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import CLASS_NAMES, Floats, Predictions
from pneumoscope.evaluation.statistics.bootstrap import estimate_from_resamples, resample
from pneumoscope.evaluation.statistics.intervals import proportion, weighted_sum, widen_certain
from pneumoscope.evaluation.subgroups.columns import Membership, memberships
from pneumoscope.evaluation.subgroups.resampling import SubgroupDraws
from pneumoscope.report.estimate import Estimate

TOO_FEW = 20
"""With fewer images of a class than this, a figure that rests on the class is not stated."""

_FIGURES = ("auc", "sensitivity", "specificity")

_Rows: TypeAlias = NDArray[np.intp]
_Classes: TypeAlias = tuple[_Rows, ...]
_Side: TypeAlias = dict[str, _Classes]


@dataclass(frozen=True, slots=True)
class Subgroup:
    """How a reader does on the images that share a value.

    Parameters
    ----------
    column, value
        What they share.
    n, positives, patients
        Numbers of images, of those with PNEUMONIA, and of patients.
    against
        Where the images are of one class: what their AUC sets them against, such as "all NORMAL";
        else None.
    auc, sensitivity, specificity
        In [0, 1]; without a value where undefined or in ``too_few``, without an interval where a
        single patient stands for a class.
    auc_gap, sensitivity_gap, specificity_gap
        The figure less that of all other images, in [-1, 1]; it rests on both.
    too_few
        The names of the figures that rest on fewer than `TOO_FEW` images of a class.
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


@dataclass(frozen=True, slots=True)
class SubgroupTable:
    """The subgroups, and why other columns have none.

    Parameters
    ----------
    groups
        By column, in the order of the table.
    left_out
        The reason, by the name of each column that is left out.
    """

    groups: tuple[Subgroup, ...]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Images:
    """What is known of each image, shape (n,): is it ill, called rightly, and whose is it."""

    ill: NDArray[np.bool_]
    right: NDArray[np.bool_]
    patient: _Rows

    def patients(self, rows: _Rows) -> int:
        """Return of how many patients some images are."""
        return len(np.unique(self.patient[rows]))


def subgroup_table(
    predictions: Predictions, threshold: float, draws: int = 1000, seed: int = 0
) -> SubgroupTable:
    """Return the figures of every subgroup that the columns of ``predictions.groups`` make.

    Which subgroups these are, see `memberships`. One whose images all have PNEUMONIA, such as
    bacteria, is set against all NORMAL images, one without any against all with PNEUMONIA; the
    other images that it is compared with are set against the same. Intervals are percentiles of a
    bootstrap by patient in which subgroup and rest are drawn together; those of sensitivity and
    specificity are Wilson's where every patient has one image of the class. A figure of exactly 0
    or 1, which no draw would change, has Wilson's interval of its patients, and a gap to or from it
    the interval that Newcombe makes of its two sides' [1]_. They are not corrected for the number
    of subgroups: of 20 gaps that are none, about one interval leaves 0 out.

    Parameters
    ----------
    predictions
        The table to judge.
    threshold
        A probability of at least this means PNEUMONIA.
    draws
        Number of resamplings.
    seed
        The same seed gives the same intervals, on any number of cores.

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
    >>> right = Predictions(files, labels, 0.25 + labels / 2, files, {"sex": sex})
    >>> [(each.value, each.n, str(each.sensitivity)) for each in subgroup_table(right, 0.5).groups]
    [('F', 40, '1.000 (0.839 to 1.000)'), ('M', 40, '1.000 (0.839 to 1.000)')]
    """
    patient = predictions.patient_numbers()
    members, left_out = memberships(predictions.groups)
    if not members:
        return SubgroupTable((), left_out)
    subgroups = [member.rows for member in members]
    sorted_once = SubgroupDraws.of(predictions, patient, threshold, subgroups)
    drawn = resample(sorted_once.figures, patient, draws, seed)
    ill = predictions.labels == 1
    images = _Images(ill, (predictions.probabilities >= threshold) == ill, patient)
    groups = [_subgroup(images, member, drawn[:, row]) for row, member in enumerate(members)]
    return SubgroupTable(tuple(groups), left_out)


def _subgroup(images: _Images, member: Membership, drawn: Floats) -> Subgroup:
    """Judge the images of a subgroup by figures of shape (1 + draws, 2, 3), the table's first."""
    ill, rows = images.ill, member.rows
    inside, outside, against = _sides(ill, rows)
    estimates: dict[str, Estimate] = {}
    too_few = []
    for place, name in enumerate(_FIGURES):
        sides = inside[name], outside[name]
        least = [min(map(len, classes)) for classes in sides]
        ours, theirs = (
            _estimate(images, classes, drawn[:, side, place]) for side, classes in enumerate(sides)
        )
        gap = _gap(ours, theirs, drawn[:, 0, place] - drawn[:, 1, place])
        for figure, estimate, fewest in (
            (name, ours, least[0]),
            (f"{name}_gap", gap, min(least)),
        ):
            estimates[figure] = estimate if fewest >= TOO_FEW else Estimate(None)
            if 0 < fewest < TOO_FEW:
                too_few.append(figure)
    return Subgroup(
        member.column,
        member.value,
        n=int(rows.sum()),
        positives=int((rows & ill).sum()),
        patients=images.patients(np.flatnonzero(rows)),
        against=against,
        too_few=tuple(too_few),
        **estimates,
    )


def _sides(ill: NDArray[np.bool_], rows: NDArray[np.bool_]) -> tuple[_Side, _Side, str | None]:
    """Return what rests on which images in a subgroup and outside, and what its AUC is against."""
    ill_in, healthy_in = np.flatnonzero(ill & rows), np.flatnonzero(~ill & rows)
    ill_out, healthy_out = np.flatnonzero(ill & ~rows), np.flatnonzero(~ill & ~rows)
    auc, against = (ill_in, healthy_in), None
    # All images of the class that the subgroup lacks are outside it, so the rest has the same ones.
    if not len(healthy_in):
        auc, against = (ill_in, healthy_out), f"all {CLASS_NAMES[0]}"
    elif not len(ill_in):
        auc, against = (ill_out, healthy_in), f"all {CLASS_NAMES[1]}"
    inside: _Side = {"auc": auc, "sensitivity": (ill_in,), "specificity": (healthy_in,)}
    outside: _Side = {
        "auc": (ill_out, healthy_out),
        "sensitivity": (ill_out,),
        "specificity": (healthy_out,),
    }
    return inside, outside, against


def _estimate(images: _Images, classes: _Classes, resampled: Floats) -> Estimate:
    """Return the estimate of a metric that is based on some images of each class."""
    patients = min(map(images.patients, classes))
    estimate = estimate_from_resamples(resampled)
    # Drawing a single patient again and again would pretend that all others are like that one.
    if patients < 2 or estimate.interval is None:
        return Estimate(float(resampled[0]))
    rows = classes[0]
    if len(classes) == 1 and patients == len(rows):
        return proportion(int(images.right[rows].sum()), patients)
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
