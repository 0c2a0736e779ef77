"""For whom a reader works: its figures in each subgroup, and the gap to everybody else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.bootstrap import patient_weights
from pneumoscope.evaluation.intervals import Estimate, Interval, wilson
from pneumoscope.evaluation.metrics import Floats
from pneumoscope.evaluation.predictions import CLASS_NAMES, Predictions
from pneumoscope.evaluation.subgroup_columns import Membership, memberships

TOO_FEW = 20
"""With fewer images of a class than this, a figure that rests on the class is not stated."""

_CELLS_AT_ONCE = 1_000_000

_Rows: TypeAlias = NDArray[np.intp]


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
    auc_gap
        The AUC less that of all other images, in [-1, 1].
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
class _Grounds:
    """The rows that a subgroup's figures rest on."""

    member: Membership
    against: str | None
    sensitivity: tuple[_Rows]
    specificity: tuple[_Rows]
    auc: tuple[_Rows, _Rows]
    rest: tuple[_Rows, _Rows]


def subgroup_table(
    predictions: Predictions, threshold: float, draws: int = 1000, seed: int = 0
) -> SubgroupTable:
    """Return the figures of every subgroup that the columns of ``predictions.groups`` make.

    Which subgroups these are, see `memberships`. One whose images all have PNEUMONIA, such as
    bacteria, is set against all NORMAL images, one without any against all with PNEUMONIA; the
    other images that it is compared with are set against the same. Intervals are percentiles of a
    bootstrap by patient in which subgroup and rest are drawn together; those of sensitivity and
    specificity are Wilson's where every patient has one image of the class, and where all images
    are called alike, counting patients. They are not corrected for the number of subgroups: of 20
    gaps that are none, about one interval leaves 0 out.

    Parameters
    ----------
    predictions
        The table to judge.
    threshold
        A probability of at least this means PNEUMONIA.
    draws
        Number of resamplings.
    seed
        The same seed gives the same intervals.

    Returns
    -------
    SubgroupTable
        Empty if the table has no further columns.

    Examples
    --------
    >>> files = tuple(f"{row}.png" for row in range(80))
    >>> labels = np.arange(80) % 2
    >>> sex = ("F",) * 40 + ("M",) * 40
    >>> right = Predictions(files, labels, 0.25 + labels / 2, files, {"sex": sex})
    >>> [(each.value, each.n, str(each.sensitivity)) for each in subgroup_table(right, 0.5).groups]
    [('F', 40, '1.000 (0.839 to 1.000)'), ('M', 40, '1.000 (0.839 to 1.000)')]
    """
    # In the order of their probabilities, which is all that the AUC needs of them.
    table = predictions.rows(np.argsort(predictions.probabilities, kind="stable"))
    patient = np.unique(np.array(table.patients), return_inverse=True)[1]
    members, left_out = memberships(table.groups)
    grounds = [_grounds(table.labels == 1, member) for member in members]
    right = (table.probabilities >= threshold) == (table.labels == 1)
    chunks = [
        [_figures(table, right, one, weights) for one in grounds]
        for weights in _chunks(patient, draws, seed)
    ]
    once = np.ones((len(patient), 1))
    groups = []
    for place, one in enumerate(grounds):
        found = {name: float(value[0]) for name, value in _figures(table, right, one, once).items()}
        drawn = {name: np.concatenate([each[place][name] for each in chunks]) for name in found}
        groups.append(_subgroup(one, patient, right, found, drawn))
    return SubgroupTable(tuple(groups), left_out)


def _grounds(ill: NDArray[np.bool_], member: Membership) -> _Grounds:
    ill_in, healthy_in = np.flatnonzero(ill & member.rows), np.flatnonzero(~ill & member.rows)
    ill_out, healthy_out = np.flatnonzero(ill & ~member.rows), np.flatnonzero(~ill & ~member.rows)
    auc, against = (ill_in, healthy_in), None
    # All images of the class that the subgroup lacks are outside it, so the rest has the same ones.
    if not len(healthy_in):
        auc, against = (ill_in, healthy_out), f"all {CLASS_NAMES[0]}"
    elif not len(ill_in):
        auc, against = (ill_out, healthy_in), f"all {CLASS_NAMES[1]}"
    rest = (ill_out, healthy_out)
    return _Grounds(member, against, (ill_in,), (healthy_in,), auc, rest)


def _chunks(patient: _Rows, draws: int, seed: int) -> Iterator[Floats]:
    """Yield how often each image counts in each draw, shape (n, draws of the chunk)."""
    rng = np.random.default_rng(seed)
    at_once = max(1, _CELLS_AT_ONCE // len(patient))
    for start in range(0, draws, at_once):
        weights = patient_weights(patient, min(at_once, draws - start), rng)
        # Draws side by side in memory: subgroups then pick whole rows.
        yield np.ascontiguousarray(weights.T)


def _figures(
    table: Predictions, right: NDArray[np.bool_], grounds: _Grounds, weights: Floats
) -> dict[str, Floats]:
    """Return the figures for every column of weights; NaN where undefined."""
    auc = _area(table.probabilities, weights, *grounds.auc)
    return {
        "auc": auc,
        "sensitivity": _share(right, weights, *grounds.sensitivity),
        "specificity": _share(right, weights, *grounds.specificity),
        "auc_gap": auc - _area(table.probabilities, weights, *grounds.rest),
    }


def _share(right: NDArray[np.bool_], weights: Floats, rows: _Rows) -> Floats:
    return _ratio(weights[rows[right[rows]]].sum(axis=0), weights[rows].sum(axis=0))


def _area(probabilities: Floats, weights: Floats, ill: _Rows, healthy: _Rows) -> Floats:
    """Return the AUC of the ill rows against the healthy ones, both ascending in probability."""
    below = np.zeros((len(healthy) + 1, weights.shape[1]))
    np.cumsum(weights[healthy], axis=0, out=below[1:])
    of_ill, ill_weights = probabilities[ill], weights[ill]
    lower = np.searchsorted(probabilities[healthy], of_ill, side="left")
    not_higher = np.searchsorted(probabilities[healthy], of_ill, side="right")
    # A tie counts one half: half of what is lower, and half of what is not higher.
    wins = np.einsum("rd,rd->d", ill_weights, below[lower]) / 2
    wins += np.einsum("rd,rd->d", ill_weights, below[not_higher]) / 2
    return _ratio(wins, ill_weights.sum(axis=0) * below[-1])


def _ratio(part: Floats, whole: Floats) -> Floats:
    ratio: Floats = np.full(part.shape, np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def _subgroup(
    grounds: _Grounds,
    patient: _Rows,
    right: NDArray[np.bool_],
    found: Mapping[str, float],
    drawn: Mapping[str, Floats],
) -> Subgroup:
    rests_on = {name: getattr(grounds, name) for name in ("auc", "sensitivity", "specificity")}
    rests_on["auc_gap"] = (*grounds.auc, *grounds.rest)
    least = {name: min(map(len, classes)) for name, classes in rests_on.items()}
    estimates = dict.fromkeys(rests_on, Estimate(None))
    for name, classes in rests_on.items():
        if least[name] >= TOO_FEW:
            interval = _interval([patient[rows] for rows in classes], drawn[name])
            if interval is not None and len(classes) == 1:
                interval = _exact(patient[classes[0]], right[classes[0]]) or interval
            estimates[name] = Estimate(found[name], interval)
    rows = grounds.member.rows
    return Subgroup(
        grounds.member.column,
        grounds.member.value,
        n=int(rows.sum()),
        positives=len(grounds.sensitivity[0]),
        patients=len(np.unique(patient[rows])),
        against=grounds.against,
        too_few=tuple(name for name, count in least.items() if 0 < count < TOO_FEW),
        **estimates,
    )


def _interval(patients: list[_Rows], drawn: Floats) -> Interval | None:
    # Drawing a single patient again and again would pretend that all others are like that one.
    if min(len(np.unique(each)) for each in patients) < 2 or np.isnan(drawn).all():
        return None
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return Interval(float(low), float(high))


def _exact(patient: _Rows, right: NDArray[np.bool_]) -> Interval | None:
    """Return Wilson's interval where each patient has one verdict that counts once, else None."""
    patients = len(np.unique(patient))
    if right.all() or not right.any():
        # Every draw would give the same share, as if nothing could ever be called otherwise.
        return wilson(patients * int(right[0]), patients)
    return wilson(int(right.sum()), patients) if patients == len(patient) else None
