"""When an alert is raised: the rules, their thresholds, and how often they may be wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scipy.stats import fisher_exact
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.monitoring.alerts import Concern, Rule, settle
from pneumoscope.clinic.monitoring.observations import Observation, observe, one_of_each_patient
from pneumoscope.clinic.monitoring.opinions import Said, agreement, opinions
from pneumoscope.clinic.monitoring.overview import Yardstick
from pneumoscope.clinic.monitoring.periods import (
    Days,
    Share,
    shifts,
    unread_share,
    values_of_patients,
)
from pneumoscope.clinic.monitoring.reference import Reference
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Site, Task
from pneumoscope.evaluation.statistics.drift import Band
from pneumoscope.evaluation.statistics.paired_tests import holm

YEARLY = 0.05
"""Chance of any false alarm of the rules that test something, in a year in which all is well."""

LOOKS = 366
"""In a year: one a day. Days are whole ones, so a further look on a day finds what was found."""

LEVEL = YEARLY / LOOKS
"""That the adjusted p-values of one look must not exceed to raise an alert."""

WINDOW = 28
"""Days that are looked at."""

BEFORE = 3
"""Times as many days before them: what shares are compared with."""

WORSE = 0.05
"""By how much a share must be worse than before, besides being so by more than chance."""

PATIENCE = timedelta(minutes=15)
"""That the first waiting image may have waited."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Something that was tested at a look.

    Parameters
    ----------
    p
        Of what was found, or more, by chance.
    concern
        What is to be said if it is no chance; None if it is too little to be said.
    """

    p: float
    concern: Concern | None


def look(database: Database, yardstick: Yardstick, now: datetime) -> None:
    """Look at all, and begin and end alerts.

    Parameters
    ----------
    database
        The clinic's.
    yardstick
        What readings are held against.
    now
        The moment.
    """
    with database.reading() as session:
        tests = list(_tests(session, yardstick, now))
    with database.writing() as session:
        tested = [rule for rule in Rule if rule is not Rule.QUEUE]
        settle(session, convincing(tests), tested, now)
    look_at_queue(database, now)


def look_at_queue(database: Database, now: datetime) -> None:
    """Begin an alert when images wait too long, and end it when they do not."""
    with database.reading() as session:
        oldest = session.scalar(select(func.min(Task.queued)))
    waited = timedelta(0) if oldest is None else now - oldest
    minutes = waited // timedelta(minutes=1)
    message = f"an image has waited for {minutes} minutes to be read; are there workers?"
    late = [Concern(Rule.QUEUE, None, "", message)] if waited > PATIENCE else []
    with database.writing() as session:
        settle(session, late, [Rule.QUEUE], now)


def convincing(tests: Sequence[Outcome]) -> list[Concern]:
    """Return the concerns of those tests whose finding is no chance, all tests taken together.

    If nothing has changed, any concern comes of a look with a chance of at most `LEVEL`, and of a
    year of daily looks with at most `YEARLY` (Holm within a look, Bonferroni over looks), whatever
    the tests and the looks have to do with each other.
    """
    adjusted = holm([test.p for test in tests])
    return [
        test.concern
        for test, p in zip(tests, adjusted, strict=True)
        if p <= LEVEL and test.concern is not None
    ]


def _tests(session: Session, yardstick: Yardstick, now: datetime) -> Iterator[Outcome]:
    """Test each site by itself: it has its own patients and its own machines."""
    last = Days.before(now, WINDOW)
    earlier = Days(last.first - BEFORE * timedelta(WINDOW), last.first - timedelta(1))
    for site in session.scalars(select(Site.id).order_by(Site.id)).all():
        seen = observe(session, earlier.begin, last.end, site)
        now_seen = [one for one in seen if one.created >= last.begin]
        before_seen = [one for one in seen if one.created < last.begin]
        if yardstick.reference is not None:
            yield from drift_tests(site, now_seen, yardstick.reference)
        yield from change_tests(site, now_seen, before_seen, yardstick.bundle)
        yield unread_test(site, now_seen, before_seen)
        yield agreement_test(site, last, earlier, opinions(session, yardstick.bundle, site))


def drift_tests(
    site: str, observations: Sequence[Observation], reference: Reference
) -> Iterator[Outcome]:
    """Test each statistic of a site's patients against the reference."""
    for name, shift in shifts(observations, reference).items():
        message = (
            f"the distribution of {name} is not that of the bundle's population: stability index "
            f"{shift.index:.2f}, distance {shift.distance:.2f}, {shift.patients} patients"
        )
        rule = Rule.LARGE_DRIFT if shift.band is Band.LARGE else Rule.DRIFT
        yield Outcome(shift.p, Concern(rule, site, name, message))


def change_tests(
    site: str, last: Sequence[Observation], earlier: Sequence[Observation], bundle: str
) -> Iterator[Outcome]:
    """Test each statistic of a site's new patients against those that came before them."""
    known = {one.patient for one in earlier}
    new = [one for one in last if one.patient not in known]
    before = Reference(bundle, values_of_patients(earlier, bundle))
    for name, shift in shifts(new, before).items():
        message = (
            f"the distribution of {name} is not what it was in the {BEFORE * WINDOW} days before: "
            f"stability index {shift.index:.2f}, distance {shift.distance:.2f}, "
            f"{shift.patients} patients"
        )
        concern = Concern(Rule.CHANGE, site, name, message)
        # Among very many patients a change of no importance is no chance either.
        yield Outcome(shift.p, None if shift.band is Band.SMALL else concern)


def unread_test(site: str, last: Sequence[Observation], earlier: Sequence[Observation]) -> Outcome:
    """Test whether more patients' images are rejected or fail than before."""
    now, before = (unread_share(list(one_of_each_patient(part))) for part in (last, earlier))
    message = f"more images are rejected or fail: {_words(now)}, before {_words(before)}"
    return _share_test(now, before, Concern(Rule.UNREAD, site, "", message))


def agreement_test(site: str, last: Days, earlier: Days, said: Sequence[Said]) -> Outcome:
    """Test whether people agree less than before."""
    now, before = (agreement(days, said).agree for days in (last, earlier))
    message = f"people agree less with readings: {_words(now)}, before {_words(before)}"
    concern = Concern(Rule.AGREEMENT, site, "", message)
    not_now, not_before = (Share.of(one.whole - one.part, one.whole) for one in (now, before))
    return _share_test(not_now, not_before, concern)


def _share_test(now: Share, before: Share, concern: Concern) -> Outcome:
    """Test whether a share is higher than it was (Fisher's exact test, one-sided)."""
    table = [[one.part, one.whole - one.part] for one in (now, before)]
    p = float(fisher_exact(table, "greater").pvalue) if now.whole and before.whole else 1.0
    worse = p < 1 and now.part / now.whole - before.part / before.whole >= WORSE
    return Outcome(p, concern if worse else None)


def _words(share: Share) -> str:
    return f"{share.part} of {share.whole}"
