"""Alert rules: their tests, thresholds, and rate of false alarms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scipy.stats import fisher_exact
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.monitoring.agreement import JudgedReading, agreement, judged_readings
from pneumoscope.clinic.monitoring.alerts import AlertCondition, AlertRule, update_alerts
from pneumoscope.clinic.monitoring.observations import (
    Observation,
    first_per_patient,
    observations_between,
)
from pneumoscope.clinic.monitoring.overview import Baseline
from pneumoscope.clinic.monitoring.periods import (
    DateRange,
    Proportion,
    shifts,
    unread_proportion,
    values_by_statistic,
)
from pneumoscope.clinic.monitoring.reference import Reference
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Site, Task
from pneumoscope.evaluation.statistics.drift import ShiftSize
from pneumoscope.evaluation.statistics.paired_tests import holm

FALSE_ALARM_RATE_PER_YEAR = 0.05
"""Probability of any false alarm of the testing rules in a year without any change."""

CHECKS_PER_YEAR = 366
"""One check a day. Only whole days count, so that more checks on a day find the same."""

SIGNIFICANCE_LEVEL = FALSE_ALARM_RATE_PER_YEAR / CHECKS_PER_YEAR
"""Largest adjusted p-value in a check that raises an alert."""

WINDOW_DAYS = 28
"""Number of days that are tested."""

EARLIER_WINDOWS = 3
"""Length of the time before them that they are compared with, in windows."""

MIN_PROPORTION_CHANGE = 0.05
"""Smallest increase of a proportion that raises an alert, besides being significant."""

MAX_QUEUE_WAIT = timedelta(minutes=15)
"""Longest time that the first image in the queue may wait without an alert."""


@dataclass(frozen=True, slots=True)
class RuleTest:
    """Result of a rule's statistical test."""

    p: float
    condition: AlertCondition | None
    """Condition to report if the test is significant; None if the effect is too small to matter."""


def check_rules(database: Database, baselines: Sequence[Baseline], now: datetime) -> None:
    """Check all rules, those about readings for each bundle, and begin and end alerts."""
    with database.reading() as session:
        tests = list(_run_tests(session, baselines, now))
    with database.writing() as session:
        rules = [rule for rule in AlertRule if rule is not AlertRule.QUEUE]
        update_alerts(session, significant_conditions(tests), rules, now)
    check_queue(database, now)


def check_queue(database: Database, now: datetime) -> None:
    """Begin an alert if images wait too long to be read, and end it when they do not."""
    with database.reading() as session:
        oldest = session.scalar(select(func.min(Task.queued)))
    waited = timedelta(0) if oldest is None else now - oldest
    minutes = waited // timedelta(minutes=1)
    message = f"an image has been queued for {minutes} minutes; check that workers are running"
    condition = AlertCondition(AlertRule.QUEUE, None, "", message)
    with database.writing() as session:
        conditions = [condition] if waited > MAX_QUEUE_WAIT else []
        update_alerts(session, conditions, [AlertRule.QUEUE], now)


def significant_conditions(tests: Sequence[RuleTest]) -> list[AlertCondition]:
    """Return the conditions of the significant tests of a check, corrected for multiple testing.

    If nothing has changed, a check reports any condition with a probability of at most
    `SIGNIFICANCE_LEVEL`, and a year of daily checks with at most `FALSE_ALARM_RATE_PER_YEAR` (Holm
    within a check, Bonferroni over checks), however tests and checks depend on each other.
    """
    adjusted = holm([test.p for test in tests])
    return [
        test.condition
        for test, p in zip(tests, adjusted, strict=True)
        if p <= SIGNIFICANCE_LEVEL and test.condition is not None
    ]


def _run_tests(
    session: Session, baselines: Sequence[Baseline], now: datetime
) -> Iterator[RuleTest]:
    """Test each site by itself, since it has its own patients and scanners."""
    last = DateRange.before(now, WINDOW_DAYS)
    earlier = DateRange(
        last.first - EARLIER_WINDOWS * timedelta(WINDOW_DAYS), last.first - timedelta(1)
    )
    for site in session.scalars(select(Site.id).order_by(Site.id)).all():
        observations = observations_between(session, earlier.begin, last.end, site)
        recent = [reading for reading in observations if reading.created >= last.begin]
        previous = [reading for reading in observations if reading.created < last.begin]
        yield unread_test(site, recent, previous)
        for baseline in baselines:
            if baseline.reference is not None:
                yield from drift_tests(site, recent, baseline.reference)
            yield from change_tests(site, recent, previous, baseline.bundle)
            judged = judged_readings(session, baseline.bundle, site)
            yield agreement_test(site, last, earlier, judged, baseline.bundle)


def drift_tests(
    site: str, observations: Sequence[Observation], reference: Reference
) -> Iterator[RuleTest]:
    """Test each statistic of a site's patients against the reference population."""
    for name, shift in shifts(observations, reference).items():
        message = (
            f"the distribution of {name} differs from the bundle's reference population: stability "
            f"index {shift.index:.2f}, distance {shift.distance:.2f}, {shift.patients} patients"
        )
        rule = AlertRule.LARGE_DRIFT if shift.band is ShiftSize.LARGE else AlertRule.DRIFT
        yield RuleTest(shift.p, AlertCondition(rule, site, name, message, reference.bundle))


def change_tests(
    site: str, last: Sequence[Observation], earlier: Sequence[Observation], bundle: str
) -> Iterator[RuleTest]:
    """Test each statistic of a site's new patients against the patients before them."""
    known = {reading.patient for reading in earlier}
    new = [reading for reading in last if reading.patient not in known]
    before = Reference(bundle, values_by_statistic(earlier, bundle))
    for name, shift in shifts(new, before).items():
        message = (
            f"the distribution of {name} differs from the {EARLIER_WINDOWS * WINDOW_DAYS} days "
            f"before: stability index {shift.index:.2f}, distance {shift.distance:.2f}, "
            f"{shift.patients} patients"
        )
        condition = AlertCondition(AlertRule.CHANGE, site, name, message, bundle)
        # Among very many patients even a change without importance is significant.
        yield RuleTest(shift.p, None if shift.band is ShiftSize.SMALL else condition)


def unread_test(site: str, last: Sequence[Observation], earlier: Sequence[Observation]) -> RuleTest:
    """Test whether more patients' images are not read than before."""
    now, before = (
        unread_proportion(list(first_per_patient(readings))) for readings in (last, earlier)
    )
    message = f"more images are not read: {_text(now)}, before {_text(before)}"
    return _proportion_test(now, before, AlertCondition(AlertRule.UNREAD, site, "", message))


def agreement_test(
    site: str, last: DateRange, earlier: DateRange, judged: Sequence[JudgedReading], bundle: str
) -> RuleTest:
    """Test whether clinicians agree less with a bundle's readings than before."""
    now, before = (agreement(days, judged).agree for days in (last, earlier))
    message = f"clinicians agree less with readings: {_text(now)}, before {_text(before)}"
    condition = AlertCondition(AlertRule.AGREEMENT, site, "", message, bundle)
    disagree_now, disagree_before = (
        Proportion.of(agree.whole - agree.part, agree.whole) for agree in (now, before)
    )
    return _proportion_test(disagree_now, disagree_before, condition)


def _proportion_test(now: Proportion, before: Proportion, condition: AlertCondition) -> RuleTest:
    """Test whether a proportion is higher than before (Fisher's exact test, one-sided)."""
    table = [[sample.part, sample.whole - sample.part] for sample in (now, before)]
    p = float(fisher_exact(table, "greater").pvalue) if now.whole and before.whole else 1.0
    relevant = p < 1 and now.part / now.whole - before.part / before.whole >= MIN_PROPORTION_CHANGE
    return RuleTest(p, condition if relevant else None)


def _text(proportion: Proportion) -> str:
    return f"{proportion.part} of {proportion.whole}"
