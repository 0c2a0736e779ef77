"""Monitoring overview of a clinic, for the API and the monitoring page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from pneumoscope.clinic.monitoring.agreement import (
    Agreement,
    JudgedAccuracy,
    agreement,
    judged_accuracy,
    judged_readings,
)
from pneumoscope.clinic.monitoring.observations import observations_between
from pneumoscope.clinic.monitoring.periods import DateRange, Period, summarise
from pneumoscope.clinic.monitoring.reference import Reference, find_reference
from pneumoscope.clinic.settings import Clinic, Settings
from pneumoscope.evaluation.statistics.paired_tests import holm
from pneumoscope.reader import Bundle
from pneumoscope.report.operating_point import OperatingPoint
from pneumoscope.support.errors import ClinicError

_DAYS_PER_WEEK = 7


@dataclass(frozen=True)
class Baseline:
    """Bundle, operating point and reference population that readings are compared with."""

    bundle: str
    """Identity of the bundle."""
    name: str
    """Name of the operating point."""
    point: OperatingPoint
    reference: Reference | None
    """Reference population of the bundle; None if unknown."""

    @classmethod
    def of(cls, bundle: Bundle, settings: Settings) -> "Baseline":
        """Return the baseline of a clinic; ClinicError if the bundle's reference is damaged."""
        name = settings.operating_point
        return cls(
            bundle.identity,
            name,
            bundle.record.operating_points[name],
            find_reference(bundle.identity, settings.data),
        )


def baselines_of(clinic: Clinic) -> tuple[Baseline, ...]:
    """Return the baseline of each bundle of a clinic; ClinicError if a reference is damaged."""
    return tuple(Baseline.of(bundle, clinic.settings) for bundle in clinic.bundles)


@dataclass(frozen=True, slots=True)
class MonitoringQuery:
    """Periods, site and bundle of an overview."""

    days: int = 28
    """Length of one period in days."""
    periods: int = 6
    """Number of consecutive periods; the last one ends yesterday."""
    site: str | None = None
    """Identifier of one site; None for all sites."""
    bundle: str | None = None
    """Identity of a bundle in use; None for the first one."""


@dataclass(frozen=True, slots=True)
class MonitoringOverview:
    """Monitoring overview; days are whole days in UTC, without today.

    Volume, durations and refusals are of all readings; drift, agreement and accuracy are of the
    readings of one bundle.

    Parameters
    ----------
    made
        Time of the overview.
    site
        Identifier of the site; None for all sites.
    bundles
        Identities of the bundles in use that have readings, and of the compared one.
    bundle, operating_point
        Identity of the bundle whose readings are compared, and name of its operating point.
    reference_patients
        Number of patients in the bundle's reference population; None if unknown.
    periods
        Statistics of each period, the latest last.
    adjusted_p
        p-value of each statistic in the latest period, adjusted for their number (Holm).
    agreement
        Agreement of clinicians with the readings, week by week, the latest last.
    accuracy
        Sensitivity and specificity over all periods, as far as judgements tell.
    """

    made: datetime
    site: str | None
    bundles: tuple[str, ...]
    bundle: str
    operating_point: str
    reference_patients: int | None
    periods: tuple[Period, ...]
    adjusted_p: Mapping[str, float]
    agreement: tuple[Agreement, ...]
    accuracy: JudgedAccuracy


def monitoring_overview(
    session: Session, baselines: Sequence[Baseline], query: MonitoringQuery, now: datetime
) -> MonitoringOverview:
    """Return the monitoring overview of a clinic; ClinicError if it does not use the bundle."""
    baseline = _choose(baselines, query.bundle)
    ranges = [DateRange.before(now, query.days, back) for back in reversed(range(query.periods))]
    observations = observations_between(session, ranges[0].begin, ranges[-1].end, query.site)
    read_with = {observation.bundle for observation in observations}
    judged = judged_readings(session, baseline.bundle, query.site)
    reference = baseline.reference
    periods = tuple(summarise(days, observations, reference) for days in ranges)
    latest = periods[-1].shifts
    weeks = max(1, query.days * query.periods // _DAYS_PER_WEEK)
    return MonitoringOverview(
        made=now,
        site=query.site,
        bundles=tuple(
            each.bundle for each in baselines if each is baseline or each.bundle in read_with
        ),
        bundle=baseline.bundle,
        operating_point=baseline.name,
        reference_patients=None if reference is None else reference.patients,
        periods=periods,
        adjusted_p=dict(zip(latest, holm([shift.p for shift in latest.values()]), strict=True)),
        agreement=tuple(
            agreement(DateRange.before(now, _DAYS_PER_WEEK, back), judged)
            for back in reversed(range(weeks))
        ),
        accuracy=judged_accuracy(
            observations, judged, baseline.bundle, baseline.name, baseline.point
        ),
    )


def _choose(baselines: Sequence[Baseline], bundle: str | None) -> Baseline:
    for baseline in baselines:
        if bundle in (None, baseline.bundle):
            return baseline
    names = ", ".join(baseline.bundle for baseline in baselines)
    raise ClinicError(f"this server does not read with that bundle; choose one of {names}")
