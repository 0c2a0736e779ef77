"""Statistics of the readings in a period: volume, durations, refusals, and drift."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from pneumoscope.clinic.monitoring.observations import Observation, first_per_patient
from pneumoscope.clinic.monitoring.reference import STATISTICS, Reference
from pneumoscope.evaluation.predictions import Floats
from pneumoscope.evaluation.statistics.drift import DistributionShift, ks_test
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.report.estimate import Estimate


@dataclass(frozen=True, slots=True)
class DateRange:
    """Range of whole days in UTC; the first and the last day are included."""

    first: date
    last: date

    @classmethod
    def before(cls, now: datetime, days: int, back: int = 0) -> "DateRange":
        """Return the given number of days up to yesterday, or ``back`` such ranges earlier.

        Examples
        --------
        >>> noon = datetime(2026, 11, 25, 12, tzinfo=UTC)
        >>> str(DateRange.before(noon, 7)), str(DateRange.before(noon, 7, 1))
        ('2026-11-18 to 2026-11-24', '2026-11-11 to 2026-11-17')
        """
        end = now.astimezone(UTC).date() - timedelta(days * back)
        return cls(end - timedelta(days), end - timedelta(1))

    @property
    def begin(self) -> datetime:
        """First moment of the first day."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def end(self) -> datetime:
        """First moment after the last day."""
        return datetime.combine(self.last + timedelta(1), time(), UTC)

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class DurationSummary:
    """Median and 95th percentile of durations, in seconds."""

    median: float
    percentile_95: float


@dataclass(frozen=True, slots=True)
class Proportion:
    """Part of a whole, both as counts, with the estimate and Wilson's 95 % interval."""

    part: int
    whole: int
    estimate: Estimate

    @classmethod
    def of(cls, part: int, whole: int) -> "Proportion":
        """Return a proportion of two counts.

        Examples
        --------
        >>> str(Proportion.of(1, 4).estimate)
        '0.250 (0.046 to 0.699)'
        """
        return cls(part, whole, proportion(part, whole))


@dataclass(frozen=True, slots=True)
class Period:
    """Statistics of the readings in a period.

    Parameters
    ----------
    days
        Days of the period.
    images, patients
        Number of images, and of patients, with a reading of any status.
    reading
        Duration of reading an image.
    waiting
        Time from receipt of an image to its reading.
    unread
        Patients whose first image was not read: outside, rejected, or failed.
    refusals
        Number of images that were not read, by the code of the first reason.
    reasons
        Number of images by quality finding, those of images that were read included.
    shifts
        Comparison of each statistic with the reference population; empty without a reference. A
        statistic is missing if there are too few patients or it is constant in the reference.
    """

    days: DateRange
    images: int
    patients: int
    reading: DurationSummary | None
    waiting: DurationSummary | None
    unread: Proportion
    refusals: Mapping[str, int]
    reasons: Mapping[str, int]
    shifts: Mapping[str, DistributionShift]


def summarise(
    days: DateRange, observations: Sequence[Observation], reference: Reference | None
) -> Period:
    """Return the statistics of a period; readings of other days are ignored.

    Readings of other bundles than the reference's are not compared with it.
    """
    within = [reading for reading in observations if days.begin <= reading.created < days.end]
    patients = list(first_per_patient(within))
    reasons = Counter(code for reading in within for code in reading.codes)
    refusals = Counter(reading.refusal for reading in within if reading.refusal is not None)
    return Period(
        days=days,
        images=len(within),
        patients=len(patients),
        reading=_summarise_durations([reading.milliseconds / 1000 for reading in within]),
        waiting=_summarise_durations([reading.waited for reading in within]),
        unread=unread_proportion(patients),
        refusals=dict(refusals.most_common()),
        reasons=dict(reasons.most_common()),
        shifts={} if reference is None else shifts(within, reference),
    )


def unread_proportion(patients: Sequence[Observation]) -> Proportion:
    """Return the proportion of images that were not read, given one image of each patient."""
    return Proportion.of(sum(image.unread for image in patients), len(patients))


def shifts(
    observations: Sequence[Observation], reference: Reference
) -> dict[str, DistributionShift]:
    """Compare each statistic of the first image of each patient with a reference population."""
    samples = values_by_statistic(observations, reference.bundle)
    tests = {name: ks_test(samples[name], reference.values[name]) for name in STATISTICS}
    return {name: shift for name, shift in tests.items() if shift is not None}


def values_by_statistic(observations: Sequence[Observation], bundle: str) -> dict[str, Floats]:
    """Return the values of each statistic in a bundle's readings, one image of each patient.

    Images without values are passed over: a patient's frontal view may come after a lateral one.
    """
    described = (reading for reading in observations if reading.bundle == bundle and reading.values)
    patients = list(first_per_patient(described))
    return {
        name: np.array(
            [reading.values[name] for reading in patients if name in reading.values], np.float64
        )
        for name in STATISTICS
    }


def _summarise_durations(seconds: Sequence[float]) -> DurationSummary | None:
    if not seconds:
        return None
    median, percentile_95 = np.quantile(seconds, (0.5, 0.95))
    return DurationSummary(float(median), float(percentile_95))
