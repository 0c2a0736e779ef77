"""Coverage of the 95 % intervals, by simulation from a model whose true values are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.delong import delong
from pneumoscope.evaluation.statistics.discrimination import assess_discrimination
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.terminal import track

N_DATA_SETS, N_SMALLEST_DATA_SETS = 1_000, 20
N_RESAMPLES, N_SMALLEST_RESAMPLES = 1_000, 50
N_PATIENTS = 300
"""Number of patients of a data set."""

MAX_IMAGES_PER_PATIENT = 4
PREVALENCE = 0.4
SEPARATION = 1.5
"""Distance of the classes' means, in standard deviations of either."""

CORRELATION = 0.6
"""Correlation of the scores of one patient's images."""

CUT_OFF = 0.5
"""Score of the operating point."""

N_VALID = 3
"""Number of the methods without resampling whose intervals are valid."""

AUC = float(norm.cdf(SEPARATION / np.sqrt(2)))
SENSITIVITY = float(norm.cdf(SEPARATION - CUT_OFF))

NOTE = f"""\
{N_DATA_SETS:,} data sets of {N_PATIENTS} patients, {PREVALENCE:.0%} of them ill, from a binormal
model: scores are normal, those of the ill {SEPARATION} standard deviations higher. True AUC:
{AUC:.4f}; true sensitivity at the operating point: {SENSITIVITY:.4f}. Several images: one to
{MAX_IMAGES_PER_PATIENT} a patient, whose scores are correlated by {CORRELATION}; the last two lines
show the intervals that take them as independent. {N_RESAMPLES:,} bootstrap resamples. Held: number
of data sets whose interval contains the true value, nominally 95 %, acceptable 93 to 97 %, with
Wilson's interval."""


@dataclass(frozen=True)
class Method:
    """A method of computing an interval, and the data to try it on.

    Parameters
    ----------
    name
        Name in the table.
    max_images
        Largest number of images of a patient; the smallest is one.
    truth
        True value that the interval should contain.
    estimate
        Function that computes the estimate of a data set.
    """

    name: str
    max_images: int
    truth: float
    estimate: Callable[[Predictions], Estimate]


def draw(rng: np.random.Generator, max_images: int) -> Predictions:
    """Draw a data set from the model.

    Parameters
    ----------
    rng
        Random number generator.
    max_images
        Largest number of images of a patient; all numbers from one on are equally likely.
    """
    patient = np.repeat(np.arange(N_PATIENTS), rng.integers(1, max_images + 1, N_PATIENTS))
    labels = (rng.random(N_PATIENTS) < PREVALENCE).astype(np.int8)[patient]
    of_patient = rng.normal(0, np.sqrt(CORRELATION), N_PATIENTS)[patient]
    of_image = rng.normal(0, np.sqrt(1 - CORRELATION), len(patient))
    scores = SEPARATION * labels + of_patient + of_image
    return Predictions(
        tuple(map(str, range(len(patient)))),
        labels,
        norm.cdf(scores),
        tuple(map(str, patient)),
    )


def methods() -> tuple[Method, ...]:
    """Return the methods without resampling: the first `N_VALID` are valid, the others not."""
    several = MAX_IMAGES_PER_PATIENT
    return (
        Method("Wilson, sensitivity, one image a patient", 1, SENSITIVITY, _wilson),
        Method("DeLong, AUC, one image a patient", 1, AUC, _delong),
        Method("DeLong by patient, AUC, several images", several, AUC, _clustered_delong),
        Method("Wilson, sensitivity, several images", several, SENSITIVITY, _wilson),
        Method("DeLong, AUC, several images", several, AUC, _delong),
    )


def count(method: Method, data_sets: int, seed: int = 0) -> int:
    """Return the number of data sets whose interval contains the true value."""
    rng = np.random.default_rng(seed)
    estimates = (method.estimate(draw(rng, method.max_images)) for _ in range(data_sets))
    return sum(_contains(estimate, method.truth) for estimate in estimates)


def count_bootstrap(data_sets: int, resamples: int, seed: int = 0) -> tuple[int, int]:
    """Return the number of data sets whose bootstrap intervals contain AUC and sensitivity.

    Parameters
    ----------
    data_sets
        Number of data sets, with several images a patient.
    resamples
        Number of bootstrap resamples of each.
    seed
        Random seed of the data sets; each is resampled with a seed of its own.
    """
    rng = np.random.default_rng(seed)
    auc = sensitivity = 0
    for number in track(range(data_sets), "Data sets", data_sets):
        table = draw(rng, MAX_IMAGES_PER_PATIENT)
        result = assess_discrimination(table, {"point": _threshold()}, (), resamples, number)
        auc += _contains(result.auc, AUC)
        sensitivity += _contains(result.points[0].estimates["sensitivity"], SENSITIVITY)
    return auc, sensitivity


def _wilson(table: Predictions) -> Estimate:
    called: NDArray[np.bool_] = table.probabilities[table.labels == 1] >= _threshold()
    return proportion(int(called.sum()), len(called))


def _delong(table: Predictions) -> Estimate:
    return delong(table.labels, table.probabilities)


def _clustered_delong(table: Predictions) -> Estimate:
    return delong(table.labels, table.probabilities, table.patient_numbers())


def _threshold() -> float:
    return float(norm.cdf(CUT_OFF))


def _contains(estimate: Estimate, truth: float) -> bool:
    return estimate.interval is not None and estimate.interval[0] <= truth <= estimate.interval[1]


def rows(data_sets: int, resamples: int) -> Sequence[dict[str, Cell]]:
    """Return a row for each interval: the valid ones, the bootstrap's, then the invalid ones."""
    held = {method.name: count(method, data_sets) for method in methods()}
    names = list(held)
    auc, sensitivity = count_bootstrap(data_sets, resamples)
    held |= {"bootstrap by patient, AUC": auc, "bootstrap by patient, sensitivity": sensitivity}
    order = [*names[:N_VALID], *list(held)[len(names) :], *names[N_VALID:]]
    return [_row(name, held[name], data_sets) for name in order]


def _row(name: str, held: int, data_sets: int) -> dict[str, Cell]:
    return {
        "interval": name,
        "data sets": data_sets,
        "held": held,
        "share": held / data_sets,
        "95 %": proportion(held, data_sets).interval_text(),
    }


def main() -> None:
    """Run from the command line."""
    arguments = option_parser(__doc__).parse_args()
    data_sets, resamples = N_DATA_SETS, N_RESAMPLES
    if arguments.smallest:
        data_sets, resamples = N_SMALLEST_DATA_SETS, N_SMALLEST_RESAMPLES
    table = Table("Coverage of the 95 % intervals", rows(data_sets, resamples), NOTE)
    publish("interval_coverage", [table], arguments.out)


if __name__ == "__main__":
    main()
