"""AUC, sensitivity and specificity of every subgroup and its complement, for many resamples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.statistics.roc import ratio

_Rows: TypeAlias = NDArray[np.intp]
_Counts: TypeAlias = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class _Ranks:
    """Ranks of the images of one class among those of the other, all in ascending order."""

    lower: _Rows
    not_higher: _Rows

    @classmethod
    def of(cls, probabilities: Floats, other_class: Floats) -> "_Ranks":
        return cls(
            np.searchsorted(other_class, probabilities, side="left"),
            np.searchsorted(other_class, probabilities, side="right"),
        )

    def wins(self, counts: _Counts) -> Floats:
        """Return twice the number of images of the other class below each image; ties count one.

        ``counts`` is the number of times that each image of the other class counts.
        """
        # Cumulative sums of integers are faster than those of floats.
        below = np.zeros(len(counts) + 1, np.int32)
        np.cumsum(counts, out=below[1:])
        wins: Floats = np.add(below.take(self.lower), below.take(self.not_higher), dtype=np.float64)
        return wins


@dataclass(frozen=True, slots=True, eq=False)
class _Members:
    """Indices of a subgroup's images among the ill and among the healthy images."""

    ill: _Rows
    healthy: _Rows
    ranks: _Ranks


@dataclass(frozen=True, slots=True, eq=False)
class _Resample:
    """Counts of all images in one resample, in each class from the lowest probability up.

    ``true_positive`` and ``true_negative`` are the counts of the ill images that are called ill,
    and of the healthy ones that are not. ``ill_wins`` and ``healthy_losses`` are twice the number
    of each image's pairs in which the ill image has the higher probability; a tie counts one. All
    are whole numbers, so sums of them are exact.
    """

    ill: _Counts
    healthy: _Counts
    true_positive: _Counts
    true_negative: _Counts
    ill_wins: Floats
    healthy_losses: Floats

    def totals(self) -> tuple[float, ...]:
        """Return the numbers of ill, healthy, true positives and true negatives, and all wins."""
        parts = (self.ill, self.healthy, self.true_positive, self.true_negative, self.ill_wins)
        return tuple(float(part.sum()) for part in parts)


@dataclass(frozen=True, slots=True, eq=False)
class SubgroupRanking:
    """Images sorted by probability, to be counted in every subgroup for many resamples.

    The pairs that the complement of a subgroup wins are those of all images, minus those with a
    member of the subgroup. So the complement needs no counting, however many subgroups there are.
    """

    ill_patient: _Rows
    healthy_patient: _Rows
    called_ill: NDArray[np.bool_]
    called_healthy: NDArray[np.bool_]
    ill_ranks: _Ranks
    healthy_ranks: _Ranks
    members: tuple[_Members, ...]

    @classmethod
    def of(
        cls,
        predictions: Predictions,
        patient: _Rows,
        threshold: float,
        subgroups: Sequence[NDArray[np.bool_]],
    ) -> "SubgroupRanking":
        """Sort images.

        ``patient`` is the number of each image's patient, 0 to patients - 1, shape (n,).
        ``threshold`` is the lowest probability that is called PNEUMONIA; each of ``subgroups`` is a
        mask, shape (n,).
        """
        order = np.argsort(predictions.probabilities, kind="stable")
        is_ill = predictions.labels[order] == 1
        ill, healthy = order[is_ill], order[~is_ill]
        of_ill, of_healthy = predictions.probabilities[ill], predictions.probabilities[healthy]
        members = []
        for rows in subgroups:
            indices = np.flatnonzero(rows[ill]), np.flatnonzero(rows[healthy])
            ranks = _Ranks.of(of_ill[indices[0]], of_healthy[indices[1]])
            members.append(_Members(*indices, ranks))
        return cls(
            patient[ill],
            patient[healthy],
            of_ill >= threshold,
            of_healthy < threshold,
            _Ranks.of(of_ill, of_healthy),
            _Ranks.of(of_healthy, of_ill),
            tuple(members),
        )

    def metrics(self, times: NDArray[np.int32]) -> Floats:
        """Return the metrics of all subgroups and their complements for one resample.

        ``times`` is the number of times that each patient counts, shape (patients,). The metrics
        are AUC, sensitivity and specificity of each subgroup and of all other images, NaN where
        undefined, shape (subgroups, 2, 3). Where a subgroup has no image of a class, its AUC is
        that against all images of that class.

        Examples
        --------
        >>> files, probabilities = ("a", "b", "c", "d"), np.array([0.1, 0.6, 0.7, 0.9])
        >>> table = Predictions(files, np.array([0, 1, 0, 1]), probabilities, files)
        >>> first_two = np.array([True, True, False, False])
        >>> ranking = SubgroupRanking.of(table, np.arange(4), 0.5, [first_two])
        >>> ranking.metrics(np.ones(4, np.int32)).tolist()
        [[[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]]
        """
        ill, healthy = times.take(self.ill_patient), times.take(self.healthy_patient)
        counts = _Resample(
            ill,
            healthy,
            ill * self.called_ill,
            healthy * self.called_healthy,
            ill * self.ill_ranks.wins(healthy),
            healthy * (2 * ill.sum() - self.healthy_ranks.wins(ill)),
        )
        totals = counts.totals()
        fractions = np.array([_fractions(members, counts, totals) for members in self.members])
        return ratio(fractions[:, 0], fractions[:, 1])


def _fractions(
    members: _Members, counts: _Resample, totals: tuple[float, ...]
) -> tuple[list[list[float]], list[list[float]]]:
    """Return numerators and denominators of the metrics of the members and of all others."""
    all_ill, all_healthy, all_tp, all_tn, all_wins = totals
    ill_counts, healthy_counts = counts.ill.take(members.ill), counts.healthy.take(members.healthy)
    ill, healthy = float(ill_counts.sum()), float(healthy_counts.sum())
    tp = counts.true_positive.take(members.ill).sum()
    tn = counts.true_negative.take(members.healthy).sum()
    ill_wins = counts.ill_wins.take(members.ill).sum()
    healthy_losses = counts.healthy_losses.take(members.healthy).sum()
    # Not the product @: its library starts threads of its own, and those here would wait for them.
    wins_inside = (ill_counts * members.ranks.wins(healthy_counts)).sum()
    wins, compared = wins_inside, (ill, healthy)
    if not len(members.healthy):
        wins, compared = ill_wins, (ill, all_healthy)
    elif not len(members.ill):
        wins, compared = healthy_losses, (all_ill, healthy)
    # The pairs among the members have been subtracted twice.
    wins_outside = all_wins - ill_wins - healthy_losses + wins_inside
    ill_outside, healthy_outside = all_ill - ill, all_healthy - healthy
    numerators = [[wins, tp, tn], [wins_outside, all_tp - tp, all_tn - tn]]
    denominators = [
        [2 * compared[0] * compared[1], ill, healthy],
        [2 * ill_outside * healthy_outside, ill_outside, healthy_outside],
    ]
    return numerators, denominators
