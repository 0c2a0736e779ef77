"""Simulation of a clinic's monitoring: false alarms, delay of detection, coverage of intervals.

Simulated clinics are checked every day, through years in which nothing changes and years with a
drift. For the intervals, some patients have a known truth by a clinician's judgement.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.clinic.monitoring.alerts import AlertCondition, AlertRule
from pneumoscope.clinic.monitoring.rules import (
    CHECKS_PER_YEAR,
    EARLIER_WINDOWS,
    FALSE_ALARM_RATE_PER_YEAR,
    SIGNIFICANCE_LEVEL,
    WINDOW_DAYS,
    RuleTest,
    significant_conditions,
)
from pneumoscope.evaluation.predictions import Floats
from pneumoscope.evaluation.statistics.drift import (
    BINS,
    LARGE_INDEX,
    ShiftSize,
    ks_test,
    population_stability_index,
)
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.evaluation.statistics.verification_bias import Stratum, correct_verification_bias
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.terminal import track

N_YEARS = 200
"""Number of simulated years for each number of patients a day."""

N_CLINICS = 1000
N_STATISTICS = 7
N_REFERENCE_PATIENTS = 568
"""Number of patients in the reference of the default bundle."""

PATIENTS_PER_DAY = (3, 10, 30)
CORRELATION = 0.5
"""Correlation of a patient's statistics with each other."""

SHIFTS = (0.25, 0.5, 1.0)
"""Shifts of one statistic, in its standard deviations."""

PAST_DAYS = (1 + EARLIER_WINDOWS) * WINDOW_DAYS
"""Days before a check that the check uses."""

MAX_DELAY_DAYS = 90
"""Days within which a drift should be detected."""

_CONDITION = AlertCondition(AlertRule.DRIFT, None, "", "")

FALSE_ALARMS_NOTE = f"""\
Each year has a reference of its own ({N_REFERENCE_PATIENTS} patients) and new patients every day
from the same population, {N_STATISTICS} statistics each (normal, correlated by {CORRELATION}). Each
of {CHECKS_PER_YEAR} daily checks compares the last {WINDOW_DAYS} days with the reference (drift)
and with the {EARLIER_WINDOWS * WINDOW_DAYS} days before (change), as the server does. False: years
in which any check raises any alert, with Wilson's 95 % interval; promised is at most
{FALSE_ALARM_RATE_PER_YEAR:.0%}. Without correction: years with any p <= 0.05 against the reference.
Index alone: years in which any stability index exceeds {LARGE_INDEX}, whatever the test's p."""

DELAY_NOTE = f"""\
One statistic shifts for good, by a number of its standard deviations. Days until the alert: median
over the years, and their 90th percentile; none: more than {MAX_DELAY_DAYS} days."""

COVERAGE_NOTE = f"""\
{N_CLINICS:,} simulated clinics each, by the method of Begg and Greenes in two strata. Known: share
with a known truth, of the patients called ill and of the others. Held: how often the 95 % interval
contains the true value."""


def patients(rng: np.random.Generator, count: int) -> Floats:
    """Draw the statistics of patients, shape (statistics, count)."""
    common = rng.normal(0, np.sqrt(CORRELATION), count)
    return common + rng.normal(0, np.sqrt(1 - CORRELATION), (N_STATISTICS, count))


class Year:
    """A simulated year of a clinic, and the reference of its bundle.

    Parameters
    ----------
    rng
        Random number generator.
    per_day
        Number of new patients a day.
    days
        Number of days with a check, after the `PAST_DAYS` that the first check uses.
    """

    def __init__(self, rng: np.random.Generator, per_day: int, days: int) -> None:
        self.per_day = per_day
        self.reference = np.sort(patients(rng, N_REFERENCE_PATIENTS))
        self.patients = patients(rng, (PAST_DAYS + days) * per_day)

    def windows(self, day: int) -> tuple[Floats, Floats]:
        """Return the patients of the windows before, and of the window that a check looks at."""
        days = (day, day + PAST_DAYS - WINDOW_DAYS, day + PAST_DAYS)
        first, middle, end = (number * self.per_day for number in days)
        return self.patients[:, first:middle], self.patients[:, middle:end]

    def raises(self, day: int) -> bool:
        """Tell whether a check raises an alert by the server's rules."""
        before, window = self.windows(day)
        drifts, changes = (
            [test for test in map(ks_test, window, sample) if test is not None]
            for sample in (self.reference, before)
        )
        tests = [RuleTest(drift.p, _CONDITION) for drift in drifts]
        tests += [
            RuleTest(change.p, None if change.band is ShiftSize.SMALL else _CONDITION)
            for change in changes
        ]
        return bool(significant_conditions(tests))

    def might_raise(self, day: int) -> bool:
        """Rule out, quickly, that a check raises an alert.

        An alert needs an exact p below the level divided by the number of tests; here the
        asymptotic p is compared with the whole level.
        """
        before, window = self.windows(day)
        p = min(smallest_p(window, self.reference), smallest_p(window, before))
        return p <= SIGNIFICANCE_LEVEL


def smallest_p(window: Floats, reference: Floats) -> float:
    """Return the smallest asymptotic p of the two-sample KS test over the statistics."""
    n, m = window.shape[1], reference.shape[1]
    steps = np.arange(n) / n
    distance = 0.0
    for sample, values in zip(np.sort(window), np.sort(reference), strict=True):
        below = np.searchsorted(values, sample) / m
        distance = max(distance, (below - steps).max(), (steps + 1 / n - below).max())
    return float(2 * np.exp(-2 * n * m / (n + m) * distance**2))


def false_alarms(per_day: int, years: int) -> tuple[int, int, int]:
    """Count years with a false alarm: by the rules, at 0.05 uncorrected, by the index alone."""
    rng = np.random.default_rng(per_day)
    counts = np.zeros(3, np.intp)
    days = range(1, CHECKS_PER_YEAR + 1)
    for _ in track(range(years), f"{per_day} a day", years):
        year = Year(rng, per_day, CHECKS_PER_YEAR)
        counts += [
            any(year.might_raise(day) and year.raises(day) for day in days),
            any(smallest_p(year.windows(day)[1], year.reference) <= 0.05 for day in days),
            any(_has_large_index(year, day) for day in days),
        ]
    rules, uncorrected, index = counts.tolist()
    return rules, uncorrected, index


def _has_large_index(year: Year, day: int) -> bool:
    """Tell whether any stability index is large, with the bins of `ks_test`."""
    quantiles = np.arange(1, BINS) / BINS
    for sample, reference in zip(year.windows(day)[1], year.reference, strict=True):
        edges = reference[(quantiles * len(reference)).astype(np.intp)]
        observed, expected = (
            np.bincount(np.searchsorted(edges, values), minlength=BINS)
            for values in (sample, reference)
        )
        if population_stability_index(observed, expected) > LARGE_INDEX:
            return True
    return False


def detection_delays(per_day: int, shift: float, years: int) -> Floats:
    """Return the days until each drift was detected; infinity beyond `MAX_DELAY_DAYS`."""
    rng = np.random.default_rng(per_day)
    delays = np.full(years, np.inf)
    for number in range(years):
        year = Year(rng, per_day, MAX_DELAY_DAYS)
        year.patients[0, PAST_DAYS * per_day :] += shift
        for day in range(1, MAX_DELAY_DAYS + 1):
            if year.might_raise(day) and year.raises(day):
                delays[number] = day
                break
    return delays


def _false_alarm_rows(years: int) -> Iterator[dict[str, Cell]]:
    counts = {str(per_day): false_alarms(per_day, years) for per_day in PATIENTS_PER_DAY}
    rules, uncorrected, index = (sum(column) for column in zip(*counts.values(), strict=True))
    counts["all"] = (rules, uncorrected, index)
    for name, (rules, uncorrected, index) in counts.items():
        n = years * (len(PATIENTS_PER_DAY) if name == "all" else 1)
        yield {
            "patients a day": name,
            "years": n,
            "false": rules,
            "share": rules / n,
            "95 %": proportion(rules, n).interval_text() or None,
            "without correction": uncorrected / n,
            "index alone": index / n,
        }


def _delay_rows(years: int) -> Iterator[dict[str, Cell]]:
    for per_day in PATIENTS_PER_DAY:
        for shift in SHIFTS:
            days = np.sort(detection_delays(per_day, shift, years))
            middle, ninetieth = (days[int(share * (years - 1))] for share in (0.5, 0.9))
            yield {
                "patients a day": per_day,
                "shift": shift,
                "years": years,
                "median": _days(middle),
                "90 %": _days(ninetieth),
            }


def _days(days: float) -> Cell:
    return int(days) if np.isfinite(days) else "none"


def _coverage_rows(clinics: int) -> Iterator[dict[str, Cell]]:
    for count, ill, sensitivity, specificity, known in (
        (500, 0.3, 0.95, 0.8, (0.8, 0.2)),
        (2000, 0.3, 0.98, 0.8, (0.8, 0.1)),
        (1000, 0.1, 0.9, 0.9, (0.8, 0.4)),
        (300, 0.5, 0.9, 0.9, (0.5, 0.5)),
    ):
        rng = np.random.default_rng(0)
        truth = (sensitivity, specificity)
        held = np.zeros(2, np.intp)
        for number in track(range(clinics), f"{count} patients", clinics):
            strata = _draw_strata(rng, count, ill, truth, known)
            corrected = correct_verification_bias(strata, seed=number)
            estimates = (corrected.sensitivity, corrected.specificity)
            held += [_contains(*pair) for pair in zip(estimates, truth, strict=True)]
        yield {
            "patients": count,
            "ill": ill,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "known": f"{known[0]}, {known[1]}",
            "held, sensitivity": held[0] / clinics,
            "held, specificity": held[1] / clinics,
        }


def _draw_strata(
    rng: np.random.Generator,
    count: int,
    prevalence: float,
    truth: tuple[float, float],
    known: tuple[float, float],
) -> list[Stratum]:
    ill = rng.random(count) < prevalence
    called = rng.random(count) < np.where(ill, truth[0], 1 - truth[1])
    verified = rng.random(count) < np.where(called, *known)
    return [
        Stratum(
            positive,
            int((ill & verified & (called == positive)).sum()),
            int((~ill & verified & (called == positive)).sum()),
            int((~verified & (called == positive)).sum()),
        )
        for positive in (True, False)
    ]


def _contains(estimate: Estimate, truth: float) -> bool:
    return estimate.interval is not None and estimate.interval[0] <= truth <= estimate.interval[1]


def main() -> None:
    """Run from the command line."""
    arguments = option_parser(__doc__).parse_args()
    years, clinics = (1, 20) if arguments.smallest else (N_YEARS, N_CLINICS)
    title = f"False alarms in a year, level {SIGNIFICANCE_LEVEL:.2g} a check"
    delays = [*_delay_rows(max(1, years // 2))]
    tables = [
        Table(title, [*_false_alarm_rows(years)], FALSE_ALARMS_NOTE),
        Table("Days until a drift is detected", delays, DELAY_NOTE),
        Table("Coverage of corrected intervals", [*_coverage_rows(clinics)], COVERAGE_NOTE),
    ]
    publish("monitoring", tables, arguments.out)


if __name__ == "__main__":
    main()
