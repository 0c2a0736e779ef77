"""Some days of a clinic in figures: how much, how long, what was rejected, how far from home."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from pneumoscope.clinic.monitoring.observations import Observation, one_of_each_patient
from pneumoscope.clinic.monitoring.reference import STATISTICS, Reference
from pneumoscope.evaluation.statistics.drift import Shift, ks_test
from pneumoscope.evaluation.statistics.intervals import Estimate, wilson
from pneumoscope.evaluation.statistics.metrics import Floats


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days in UTC, from one to another, both included."""

    first: date
    last: date

    @classmethod
    def before(cls, now: datetime, days: int, back: int = 0) -> "Days":
        """Return the days that ended before today, or ``back`` times as many days earlier.

        Examples
        --------
        >>> noon = datetime(2026, 11, 25, 12, tzinfo=UTC)
        >>> str(Days.before(noon, 7)), str(Days.before(noon, 7, 1))
        ('2026-11-18 to 2026-11-24', '2026-11-11 to 2026-11-17')
        """
        end = now.astimezone(UTC).date() - timedelta(days * back)
        return cls(end - timedelta(days), end - timedelta(1))

    @property
    def begin(self) -> datetime:
        """Their first moment."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def end(self) -> datetime:
        """The first moment after them."""
        return datetime.combine(self.last + timedelta(1), time(), UTC)

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the middle of some durations lies, in seconds, and what 95 % of them do not exceed."""

    median: float
    most: float


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, with Wilson's 95 % interval."""

    part: int
    whole: int
    estimate: Estimate

    @classmethod
    def of(cls, part: int, whole: int) -> "Share":
        """Return a share.

        Examples
        --------
        >>> str(Share.of(1, 4).estimate)
        '0.250 (0.046 to 0.699)'
        """
        return cls(part, whole, Estimate(part / whole if whole else None, wilson(part, whole)))


@dataclass(frozen=True, slots=True)
class Period:
    """Some days in figures.

    Parameters
    ----------
    days
        Which.
    images, patients
        That were read, or could not be.
    reading
        Seconds that reading an image takes.
    waiting
        Seconds from its coming in to its reading.
    unread
        Patients whose first image was rejected or failed.
    reasons
        How many images have each finding of the quality gate; ``failed`` of what failed.
    shifts
        Of each statistic: beside the reference. Empty without one; a statistic is left out where
        there are too few patients, or nothing to compare.
    """

    days: Days
    images: int
    patients: int
    reading: Spread | None
    waiting: Spread | None
    unread: Share
    reasons: Mapping[str, int]
    shifts: Mapping[str, Shift]


def summarise(
    days: Days, observations: Sequence[Observation], reference: Reference | None
) -> Period:
    """Return the figures of some days.

    Parameters
    ----------
    days
        Which.
    observations
        Of these days, and perhaps of others.
    reference
        Of the bundle in use; images that another bundle read are not compared with it.
    """
    within = [one for one in observations if days.begin <= one.created < days.end]
    patients = list(one_of_each_patient(within))
    reasons = Counter(code for one in within for code in one.codes)
    reasons.update("failed" for one in within if one.status == "failed")
    return Period(
        days=days,
        images=len(within),
        patients=len(patients),
        reading=_spread([one.milliseconds / 1000 for one in within]),
        waiting=_spread([one.waited for one in within]),
        unread=unread_share(patients),
        reasons=dict(reasons.most_common()),
        shifts={} if reference is None else shifts(within, reference),
    )


def unread_share(patients: Sequence[Observation]) -> Share:
    """Return how many, of one image a patient, were rejected or failed."""
    return Share.of(sum(one.unread for one in patients), len(patients))


def shifts(observations: Sequence[Observation], reference: Reference) -> dict[str, Shift]:
    """Compare the statistics of some images, one of each patient, with a reference."""
    samples = values_of_patients(observations, reference.bundle)
    compared = {name: ks_test(samples[name], reference.values[name]) for name in STATISTICS}
    return {name: shift for name, shift in compared.items() if shift is not None}


def values_of_patients(observations: Sequence[Observation], bundle: str) -> dict[str, Floats]:
    """Return each statistic of what a bundle read, of one image a patient."""
    patients = list(one_of_each_patient(one for one in observations if one.bundle == bundle))
    return {
        name: np.array([one.values[name] for one in patients if name in one.values], np.float64)
        for name in STATISTICS
    }


def _spread(seconds: Sequence[float]) -> Spread | None:
    if not seconds:
        return None
    middle, most = np.quantile(seconds, (0.5, 0.95))
    return Spread(float(middle), float(most))
