"""Predictions sorted once, to be counted in every subgroup for many weightings of patients."""

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
class _Rivals:
    """Where each image of one class stands among those of the other, all in ascending order."""

    lower: _Rows
    not_higher: _Rows

    @classmethod
    def of(cls, probabilities: Floats, others: Floats) -> "_Rivals":
        return cls(
            np.searchsorted(others, probabilities, side="left"),
            np.searchsorted(others, probabilities, side="right"),
        )

    def beaten(self, others: _Counts) -> Floats:
        """Return twice the number of others below each image; a tie counts once."""
        # Sums of integers do not wait for one another as those of floats do.
        below = np.zeros(len(others) + 1, np.int32)
        np.cumsum(others, out=below[1:])
        beaten: Floats = np.add(
            below.take(self.lower), below.take(self.not_higher), dtype=np.float64
        )
        return beaten


@dataclass(frozen=True, slots=True, eq=False)
class _Members:
    """A subgroup's places among the ill and among the healthy images."""

    ill: _Rows
    healthy: _Rows
    pairs: _Rivals


@dataclass(frozen=True, slots=True, eq=False)
class _Weighed:
    """How often all images count in one draw, in each class from the lowest probability up.

    ``ill_wins`` and ``healthy_losses`` are twice the pairs that each image has part in and in which
    the ill one stands higher; a tie counts once. All are whole numbers, so sums of them are exact.
    """

    ill: _Counts
    healthy: _Counts
    found: _Counts
    cleared: _Counts
    ill_wins: Floats
    healthy_losses: Floats

    def totals(self) -> tuple[float, float, float, float, float]:
        """Return the weight of the ill, the healthy, the found and the cleared, and all wins."""
        parts = (self.ill, self.healthy, self.found, self.cleared, self.ill_wins)
        ill, healthy, found, cleared, wins = (float(part.sum()) for part in parts)
        return ill, healthy, found, cleared, wins


@dataclass(frozen=True, slots=True, eq=False)
class SubgroupDraws:
    """Images sorted by probability, ready to be weighed by patient.

    The pairs that all other images win are those of all images, less those in which a member of
    the subgroup has part. So the other images need no counting, however many subgroups there are.
    """

    ill_patient: _Rows
    healthy_patient: _Rows
    found: NDArray[np.bool_]
    cleared: NDArray[np.bool_]
    ill_above: _Rivals
    healthy_above: _Rivals
    members: tuple[_Members, ...]

    @classmethod
    def of(
        cls,
        predictions: Predictions,
        patient: _Rows,
        threshold: float,
        subgroups: Sequence[NDArray[np.bool_]],
    ) -> "SubgroupDraws":
        """Sort images.

        Parameters
        ----------
        predictions
            The table.
        patient
            Number of each image's patient, 0 to patients - 1, shape (n,).
        threshold
            A probability of at least this means PNEUMONIA.
        subgroups
            Which images belong to each, shape (n,).
        """
        order = np.argsort(predictions.probabilities, kind="stable")
        is_ill = predictions.labels[order] == 1
        ill, healthy = order[is_ill], order[~is_ill]
        of_ill, of_healthy = predictions.probabilities[ill], predictions.probabilities[healthy]
        members = []
        for rows in subgroups:
            places = np.flatnonzero(rows[ill]), np.flatnonzero(rows[healthy])
            pairs = _Rivals.of(of_ill[places[0]], of_healthy[places[1]])
            members.append(_Members(*places, pairs))
        return cls(
            patient[ill],
            patient[healthy],
            of_ill >= threshold,
            of_healthy < threshold,
            _Rivals.of(of_ill, of_healthy),
            _Rivals.of(of_healthy, of_ill),
            tuple(members),
        )

    def figures(self, times: NDArray[np.int32]) -> Floats:
        """Return what the images say if each patient counts some number of times.

        Parameters
        ----------
        times
            How often each patient counts, shape (patients,).

        Returns
        -------
        array
            AUC, sensitivity and specificity of each subgroup and of all other images, NaN where
            undefined, shape (subgroups, 2, 3). Where a subgroup has no image of a class, its AUC
            sets it against all images of that class.

        Examples
        --------
        >>> files, said = ("a", "b", "c", "d"), np.array([0.1, 0.6, 0.7, 0.9])
        >>> table = Predictions(files, np.array([0, 1, 0, 1]), said, files)
        >>> first_two = np.array([True, True, False, False])
        >>> draws = SubgroupDraws.of(table, np.arange(4), 0.5, [first_two])
        >>> draws.figures(np.ones(4, np.int32)).tolist()
        [[[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]]
        """
        ill, healthy = times.take(self.ill_patient), times.take(self.healthy_patient)
        weighed = _Weighed(
            ill,
            healthy,
            ill * self.found,
            healthy * self.cleared,
            ill * self.ill_above.beaten(healthy),
            healthy * (2 * ill.sum() - self.healthy_above.beaten(ill)),
        )
        totals = weighed.totals()
        fractions = np.array([_fractions(each, weighed, totals) for each in self.members])
        return ratio(fractions[:, 0], fractions[:, 1])


def _fractions(
    members: _Members, weighed: _Weighed, totals: tuple[float, ...]
) -> tuple[list[list[float]], list[list[float]]]:
    """Return parts and wholes of the three figures, of the members and of all others."""
    all_ill, all_healthy, all_found, all_cleared, all_wins = totals
    its_ill, its_healthy = weighed.ill.take(members.ill), weighed.healthy.take(members.healthy)
    ill, healthy = float(its_ill.sum()), float(its_healthy.sum())
    found = weighed.found.take(members.ill).sum()
    cleared = weighed.cleared.take(members.healthy).sum()
    ill_wins = weighed.ill_wins.take(members.ill).sum()
    healthy_losses = weighed.healthy_losses.take(members.healthy).sum()
    # Not the product @: its library starts threads of its own, and those here would wait for them.
    among_them = (its_ill * members.pairs.beaten(its_healthy)).sum()
    wins, rivals = among_them, (ill, healthy)
    if not len(members.healthy):
        wins, rivals = ill_wins, (ill, all_healthy)
    elif not len(members.ill):
        wins, rivals = healthy_losses, (all_ill, healthy)
    # The pairs among the members have been taken away twice.
    wins_out = all_wins - ill_wins - healthy_losses + among_them
    ill_out, healthy_out = all_ill - ill, all_healthy - healthy
    part = [[wins, found, cleared], [wins_out, all_found - found, all_cleared - cleared]]
    whole = [
        [2 * rivals[0] * rivals[1], ill, healthy],
        [2 * ill_out * healthy_out, ill_out, healthy_out],
    ]
    return part, whole
