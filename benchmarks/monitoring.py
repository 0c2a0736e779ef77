"""How often monitoring raises a false alarm, how soon it sees a drift, and what its intervals hold.

Years of simulated clinics in which nothing changes, looked at every day; years in which something
does; and judged patients whose truth is known.
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
from pneumoscope.evaluation.statistics.drift import BINS, LARGE_INDEX, ShiftSize, ks_test, population_stability_index
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.evaluation.statistics.verification_bias import Stratum, correct_verification_bias
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.terminal import track

YEARS = 200
"""For each number of patients a day."""

SETS = 1000
STATISTICS = 7
REFERENCE = 568
"""Patients, as in the reference of the default bundle."""

PER_DAY = (3, 10, 30)
ALIKE = 0.5
"""Correlation of a patient's statistics with each other."""

SIMULATIONS = (0.25, 0.5, 1.0)
"""Of one statistic, in its standard deviations."""

PAST = (1 + EARLIER_WINDOWS) * WINDOW_DAYS
"""Days that a look goes back."""

MOST = 90
"""Days within which a drift should be seen."""

_CONCERN = AlertCondition(AlertRule.DRIFT, None, "", "")

FALSE_NOTE = f"""\
Each year has a reference of its own ({REFERENCE} patients) and so many new patients a day from the
same population, {STATISTICS} statistics each (normal, correlated by {ALIKE}); each of {CHECKS_PER_YEAR} daily
looks compares the last {WINDOW_DAYS} days with the reference (drift) and with the {EARLIER_WINDOWS * WINDOW_DAYS} days
before (change), as the server does. False: years in which any look raises any alert, with Wilson's
95 % interval; promised is at most {FALSE_ALARM_RATE_PER_YEAR:.0%}. Without correction: years with any p <= 0.05
against the reference. Index alone: years in which any stability index exceeds {LARGE_INDEX},
whatever the test says."""

SEEN_NOTE = f"""\
One statistic shifts by so many of its standard deviations on a day, and stays so. Days until the
alert: median over years, and what 90 % do not exceed; none: more than {MOST} days."""

COVERAGE_NOTE = f"""\
{SETS:,} simulated clinics each, by the method of Begg and Greenes in two strata. Known: the shares
of those called ill, and of the others, whose truth somebody said. Held: how often the 95 % interval
holds the truth."""


def patients(rng: np.random.Generator, count: int) -> Floats:
    """Draw patients' statistics, shape (statistics, count)."""
    shared = rng.normal(0, np.sqrt(ALIKE), count)
    return shared + rng.normal(0, np.sqrt(1 - ALIKE), (STATISTICS, count))


class Year:
    """A simulated year of a clinic, and the reference of its bundle.

    Parameters
    ----------
    rng
        Where the randomness comes from.
    per_day
        New patients.
    days
        That are looked at; what a look goes back comes before them.
    """

    def __init__(self, rng: np.random.Generator, per_day: int, days: int) -> None:
        self.per_day = per_day
        self.reference = np.sort(patients(rng, REFERENCE))
        self.seen = patients(rng, (PAST + days) * per_day)

    def windows(self, day: int) -> tuple[Floats, Floats]:
        """Return what is looked at after so many days, and what came before it."""
        first, middle, end = (at * self.per_day for at in (day, day + PAST - WINDOW_DAYS, day + PAST))
        return self.seen[:, first:middle], self.seen[:, middle:end]

    def raises(self, day: int) -> bool:
        """Tell whether a look raises an alert by the server's rules."""
        before, window = self.windows(day)
        drifts, changes = (
            [one for one in map(ks_test, window, other) if one is not None]
            for other in (self.reference, before)
        )
        outcomes = [RuleTest(one.p, _CONCERN) for one in drifts] + [
            RuleTest(one.p, None if one.band is ShiftSize.SMALL else _CONCERN) for one in changes
        ]
        return bool(significant_conditions(outcomes))

    def might_raise(self, day: int) -> bool:
        """Tell of most looks, soon, that they raise no alert.

        An alert needs an exact p that is smaller than the level by as much as there are tests; here
        the asymptotic one is compared with the whole level.
        """
        before, window = self.windows(day)
        return min(smallest_p(window, self.reference), smallest_p(window, before)) <= SIGNIFICANCE_LEVEL


def smallest_p(window: Floats, other: Floats) -> float:
    """Return the smallest asymptotic p of the two-sample test over the statistics."""
    n, m = window.shape[1], other.shape[1]
    steps = np.arange(n) / n
    distance = 0.0
    for sample, values in zip(np.sort(window), np.sort(other), strict=True):
        below = np.searchsorted(values, sample) / m
        distance = max(distance, (below - steps).max(), (steps + 1 / n - below).max())
    return float(2 * np.exp(-2 * n * m / (n + m) * distance**2))


def false_alarms(per_day: int, years: int) -> tuple[int, int, int]:
    """Count years with a false alarm: by the rules, at 0.05 uncorrected, by the index alone."""
    rng = np.random.default_rng(per_day)
    counts = np.zeros(3, np.intp)
    for _ in track(range(years), f"{per_day} a day", years):
        year = Year(rng, per_day, CHECKS_PER_YEAR)
        counts += [
            any(year.might_raise(day) and year.raises(day) for day in range(1, CHECKS_PER_YEAR + 1)),
            any(
                smallest_p(year.windows(day)[1], year.reference) <= 0.05
                for day in range(1, CHECKS_PER_YEAR + 1)
            ),
            any(_large(year, day) for day in range(1, CHECKS_PER_YEAR + 1)),
        ]
    rules, uncorrected, index = counts.tolist()
    return rules, uncorrected, index


def _large(year: Year, day: int) -> bool:
    """Tell whether any stability index is large, as `ks_test` has it."""
    tenths = np.arange(1, BINS) / BINS
    for sample, other in zip(year.windows(day)[1], year.reference, strict=True):
        edges = other[(tenths * len(other)).astype(np.intp)]
        found, expected = (
            np.bincount(np.searchsorted(edges, values), minlength=BINS)
            for values in (sample, other)
        )
        if population_stability_index(found, expected) > LARGE_INDEX:
            return True
    return False


def days_until_seen(per_day: int, shift: float, years: int) -> Floats:
    """Return after how many days each drift was seen; infinity if not within `MOST`."""
    rng = np.random.default_rng(per_day)
    found = np.full(years, np.inf)
    for number in range(years):
        year = Year(rng, per_day, MOST)
        year.seen[0, PAST * per_day :] += shift
        for day in range(1, MOST + 1):
            if year.might_raise(day) and year.raises(day):
                found[number] = day
                break
    return found


def _false_rows(years: int) -> Iterator[dict[str, Cell]]:
    counts = {str(per_day): false_alarms(per_day, years) for per_day in PER_DAY}
    rules, uncorrected, index = (sum(each) for each in zip(*counts.values(), strict=True))
    counts["all"] = (rules, uncorrected, index)
    for name, (rules, uncorrected, index) in counts.items():
        looked = years * (len(PER_DAY) if name == "all" else 1)
        yield {
            "patients a day": name,
            "years": looked,
            "false": rules,
            "share": rules / looked,
            "95 %": proportion(rules, looked).interval_text() or None,
            "without correction": uncorrected / looked,
            "index alone": index / looked,
        }


def _seen_rows(years: int) -> Iterator[dict[str, Cell]]:
    for per_day in PER_DAY:
        for shift in SIMULATIONS:
            days = np.sort(days_until_seen(per_day, shift, years))
            middle, most = (days[int(share * (years - 1))] for share in (0.5, 0.9))
            yield {
                "patients a day": per_day,
                "shift": shift,
                "years": years,
                "median": _days(middle),
                "90 %": _days(most),
            }


def _days(days: float) -> Cell:
    return int(days) if np.isfinite(days) else "none"


def _coverage_rows(sets: int) -> Iterator[dict[str, Cell]]:
    for count, ill, sensitivity, specificity, known in (
        (500, 0.3, 0.95, 0.8, (0.8, 0.2)),
        (2000, 0.3, 0.98, 0.8, (0.8, 0.1)),
        (1000, 0.1, 0.9, 0.9, (0.8, 0.4)),
        (300, 0.5, 0.9, 0.9, (0.5, 0.5)),
    ):
        rng = np.random.default_rng(0)
        truth = (sensitivity, specificity)
        held = np.zeros(2, np.intp)
        for number in track(range(sets), f"{count} patients", sets):
            strata = _judged(rng, count, ill, truth, known)
            found = correct_verification_bias(strata, seed=number)
            estimates = (found.sensitivity, found.specificity)
            held += [_holds(one, at) for one, at in zip(estimates, truth, strict=True)]
        yield {
            "patients": count,
            "ill": ill,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "known": f"{known[0]}, {known[1]}",
            "held, sensitivity": held[0] / sets,
            "held, specificity": held[1] / sets,
        }


def _judged(
    rng: np.random.Generator,
    count: int,
    prevalence: float,
    truth: tuple[float, float],
    known: tuple[float, float],
) -> list[Stratum]:
    ill = rng.random(count) < prevalence
    called = rng.random(count) < np.where(ill, truth[0], 1 - truth[1])
    judged = rng.random(count) < np.where(called, *known)
    return [
        Stratum(
            side,
            int((ill & judged & (called == side)).sum()),
            int((~ill & judged & (called == side)).sum()),
            int((~judged & (called == side)).sum()),
        )
        for side in (True, False)
    ]


def _holds(estimate: Estimate, truth: float) -> bool:
    return estimate.interval is not None and estimate.interval[0] <= truth <= estimate.interval[1]


def main() -> None:
    """Run from the command line."""
    arguments = option_parser(__doc__).parse_args()
    years, sets = (2, 20) if arguments.smallest else (YEARS, SETS)
    tables = [
        Table(
            f"False alarms in a year, level {SIGNIFICANCE_LEVEL:.2g} a look", [*_false_rows(years)], FALSE_NOTE
        ),
        Table("Days until a drift is seen", [*_seen_rows(max(2, years // 2))], SEEN_NOTE),
        Table("Coverage of corrected intervals", [*_coverage_rows(sets)], COVERAGE_NOTE),
    ]
    publish("monitoring", tables, arguments.out)


if __name__ == "__main__":
    main()
