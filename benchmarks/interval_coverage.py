"""How often the 95 % intervals hold the truth, on data drawn from a model where it is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.delong import delong
from pneumoscope.evaluation.statistics.discrimination import Discrimination, discriminate
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.terminal import track

SETS = 1_000
DRAWS = 1_000
SMALLEST = 20
PATIENTS = 300
"""Of one data set."""

PREVALENCE = 0.4
APART = 1.5
"""Distance of the classes' means, in standard deviations of either."""

ALIKE = 0.6
"""Correlation of the scores of one patient's images."""

CUT = 0.5
"""Score of the operating point."""

AUC = float(norm.cdf(APART / np.sqrt(2)))
SENSITIVITY = float(norm.cdf(APART - CUT))

NOTE = f"""\
{SETS:,} data sets of {PATIENTS} patients, {PREVALENCE:.0%} of them ill, from a binormal model:
scores are normal, those of the ill {APART} standard deviations higher. True: the AUC is {AUC:.4f},
the sensitivity at the operating point {SENSITIVITY:.4f}. With several images (one to four, their
scores correlated by {ALIKE}) a patient counts once only if patients are resampled; the last two
lines show what becomes of intervals that take images as independent. The bootstrap draws {DRAWS:,}
times. Held: in how many data sets
the interval holds the truth, nominally 95 %, acceptable 93 to 97 %, and Wilson's interval of it."""


@dataclass(frozen=True)
class Method:
    """A way to an interval.

    Parameters
    ----------
    name
        As the table says it.
    most
        A patient has one to this many images.
    truth
        What the interval should hold.
    estimate
        Of a data set.
    """

    name: str
    most: int
    truth: float
    estimate: Callable[[Predictions], Estimate]


def draw(rng: np.random.Generator, most: int) -> Predictions:
    """Draw a data set from the model.

    Parameters
    ----------
    rng
        Where the randomness comes from.
    most
        A patient has one to this many images, each number as likely.
    """
    patient = np.repeat(np.arange(PATIENTS), rng.integers(1, most + 1, PATIENTS))
    labels = (rng.random(PATIENTS) < PREVALENCE).astype(np.int8)[patient]
    shared = rng.normal(0, np.sqrt(ALIKE), PATIENTS)[patient]
    scores = APART * labels + shared + rng.normal(0, np.sqrt(1 - ALIKE), len(patient))
    return Predictions(
        tuple(map(str, range(len(patient)))),
        labels,
        norm.cdf(scores),
        tuple(map(str, patient)),
    )


def methods() -> tuple[Method, ...]:
    """Return the intervals that need no resampling: the first two are valid, the others not."""
    return (
        Method("Wilson, sensitivity, one image a patient", 1, SENSITIVITY, _wilson),
        Method("DeLong, AUC, one image a patient", 1, AUC, _delong),
        Method("Wilson, sensitivity, several images", 4, SENSITIVITY, _wilson),
        Method("DeLong, AUC, several images", 4, AUC, _delong),
    )


def count(method: Method, sets: int, seed: int = 0) -> int:
    """Return in how many data sets the interval holds the truth."""
    rng = np.random.default_rng(seed)
    return sum(_holds(method.estimate(draw(rng, method.most)), method.truth) for _ in range(sets))


def count_bootstrap(sets: int, draws: int, seed: int = 0) -> tuple[int, int]:
    """Return in how many data sets the bootstrap's intervals hold the AUC and the sensitivity.

    Parameters
    ----------
    sets
        Data sets, with several images a patient.
    draws
        Bootstrap draws for each.
    seed
        Of the data sets; each is resampled with a seed of its own.
    """
    rng = np.random.default_rng(seed)
    auc = sensitivity = 0
    for number in track(range(sets), "Data sets", sets):
        judged = _judged(draw(rng, 4), draws, number)
        auc += _holds(judged.auc, AUC)
        sensitivity += _holds(judged.points[0].estimates["sensitivity"], SENSITIVITY)
    return auc, sensitivity


def _judged(table: Predictions, draws: int, seed: int) -> Discrimination:
    return discriminate(table, {"point": _threshold()}, (), draws, seed)


def _wilson(table: Predictions) -> Estimate:
    called: NDArray[np.bool_] = table.probabilities[table.labels == 1] >= _threshold()
    return proportion(int(called.sum()), len(called))


def _delong(table: Predictions) -> Estimate:
    return delong(table.labels, table.probabilities)


def _threshold() -> float:
    return float(norm.cdf(CUT))


def _holds(estimate: Estimate, truth: float) -> bool:
    return estimate.interval is not None and estimate.interval[0] <= truth <= estimate.interval[1]


def rows(sets: int, draws: int) -> Sequence[dict[str, Cell]]:
    """Count for every interval, those by bootstrap between the valid and the invalid others."""
    held = {method.name: count(method, sets) for method in methods()}
    names = list(held)
    auc, sensitivity = count_bootstrap(sets, draws)
    held |= {"bootstrap by patient, AUC": auc, "bootstrap by patient, sensitivity": sensitivity}
    return [_row(name, held[name], sets) for name in [*names[:2], *list(held)[4:], *names[2:]]]


def _row(name: str, held: int, sets: int) -> dict[str, Cell]:
    ends = proportion(held, sets).interval_text()
    return {"interval": name, "data sets": sets, "held": held, "share": held / sets, "95 %": ends}


def main() -> None:
    """Run from the command line."""
    given = option_parser(__doc__).parse_args()
    sets, draws = (SMALLEST, 50) if given.smallest else (SETS, DRAWS)
    table = Table("Coverage of the 95 % intervals", rows(sets, draws), NOTE)
    publish("interval_coverage", [table], given.out)


if __name__ == "__main__":
    main()
