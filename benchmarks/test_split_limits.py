"""Limits of an AUC on the test split: sampling, and errors in the published labels."""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Cell, Table
from benchmarks.test_split_data import AuditedSplit, Flags, Patients, auc_by_patient
from benchmarks.test_split_networks import OutOfSampleNetwork
from pneumoscope.evaluation.predictions import Floats
from pneumoscope.evaluation.statistics.delong import compare_aucs, delong
from pneumoscope.evaluation.statistics.roc import roc_auc
from pneumoscope.evaluation.statistics.temperature_scaling import log_odds
from pneumoscope.report.estimate import format_number
from pneumoscope.support.terminal import track

AUCS = (0.95, 0.97, 0.98, 0.99, 0.995)
ERROR_RATES = (0.005, 0.01, 0.02, 0.05, 0.1)
DIFFERENCES = (0.0, 0.002, 0.004, 0.006, 0.008, 0.01, 0.0125, 0.015, 0.02, 0.025, 0.03)
"""Differences of two networks' AUCs for which the power is simulated."""

POWER = 0.8
SIMULATIONS = 1000

SAMPLING_NOTE = """\
The shipped network's log-odds, those of PNEUMONIA shifted until the AUC is the one stated. By
image: DeLong's interval. By patient: percentile bootstrap. Width: of the latter."""

DIFFERENCE_NOTE = f"""\
Smallest difference of two AUCs that DeLong's paired test finds (p < 0.05) in {POWER:.0%} of
{{simulations}} test splits, drawn by patient from the two networks' real predictions, the second
shifted to an AUC that is lower by the difference. Found where there is none: share of test splits
with p < 0.05 and no difference; 0.05 is promised."""

LABELS_NOTE = """\
Highest AUC that a perfect reader of the truth reaches against published labels of which a share is
wrong. At random: the errors have nothing to do with how clear the image is; then it is 1 minus the
mean of the two rates. Mildest: the wrongly labelled images are the least clear of their true class;
clearest: the clearest. Swing: 95 % of the differences of two networks' AUCs ({pair}), minus their
difference as published, if so many labels of each class are changed at random."""


def shift_to_auc(labels: NDArray[np.int8], logits: Floats, auc: float) -> Floats:
    """Return logits with those of class 1 shifted by a constant that gives an AUC.

    Examples
    --------
    >>> labels = np.repeat([0, 1], 500).astype(np.int8)
    >>> logits = np.random.default_rng(0).normal(size=1000)
    >>> round(roc_auc(labels, shift_to_auc(labels, logits, 0.98)), 3)
    0.98
    """
    low, high = -50.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        if (roc_auc(labels, logits + middle * labels) or 0.0) < auc:
            low = middle
        else:
            high = middle
    shifted: Floats = logits + high * labels
    return shifted


def sampling_table(split: AuditedSplit, network: OutOfSampleNetwork) -> Table:
    """Return the 95 % intervals of several AUCs on images like these."""
    logits = log_odds(network.test.probabilities)
    rows: list[dict[str, Cell]] = []
    for auc in AUCS:
        shifted = shift_to_auc(split.labels, logits, auc)
        by_patient = auc_by_patient(split.labels, shifted, split.patient)
        low, high = by_patient.interval or (np.nan, np.nan)
        rows.append(
            {
                "AUC": auc,
                "by image": str(delong(split.labels, shifted)),
                "by patient": str(by_patient),
                "width": high - low,
            }
        )
    return Table("Sampling error of one AUC", rows, SAMPLING_NOTE)


def difference_table(
    split: AuditedSplit, networks: Sequence[OutOfSampleNetwork], simulations: int
) -> Table:
    """Return the smallest difference of two AUCs that this test split can find."""
    cases = [
        (first, second, auc) for first, second in combinations(networks, 2) for auc in (0.98, 0.99)
    ]
    rows: list[dict[str, Cell]] = []
    for first, second, auc in track(cases, "Simulating test splits", len(cases)):
        logits = [log_odds(network.test.probabilities) for network in (first, second)]
        power = simulated_power(split.labels, split.patient, logits[0], logits[1], auc, simulations)
        ranks = [np.argsort(np.argsort(values)) for values in logits]
        correlation = np.corrcoef(ranks[0], ranks[1])[0, 1]
        rows.append(
            {
                "first": first.name,
                "second": second.name,
                "first's AUC": auc,
                "rank correlation": float(correlation),
                "smallest difference": smallest_difference(power),
                "found where there is none": float(power[0]),
            }
        )
    note = DIFFERENCE_NOTE.format(simulations=f"{simulations:,}")
    return Table("Sampling error of a difference", rows, note)


def simulated_power(
    labels: NDArray[np.int8],
    patient: Patients,
    first: Floats,
    second: Floats,
    auc: float,
    simulations: int,
) -> Floats:
    """Return the share of simulated test splits in which each of `DIFFERENCES` is found.

    Parameters
    ----------
    labels, patient
        Label and patient of each image.
    first, second
        Log-odds of two networks, shape (n,); only their order within each class is used.
    auc
        AUC of the first network.
    simulations
        Number of simulated test splits, of patients drawn with replacement.
    """
    first = shift_to_auc(labels, first, auc)
    seconds = [shift_to_auc(labels, second, auc - difference) for difference in DIFFERENCES]
    _, numbers = np.unique(patient, return_inverse=True)
    rows_of = [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]
    rng = np.random.default_rng(0)
    found = np.zeros(len(DIFFERENCES))
    for _ in range(simulations):
        drawn = rng.integers(0, len(rows_of), len(rows_of))
        rows = np.concatenate([rows_of[number] for number in drawn])
        for index, shifted in enumerate(seconds):
            p = compare_aucs(labels[rows], first[rows], shifted[rows]).p
            found[index] += p is not None and p < 0.05
    return found / simulations


def smallest_difference(power: Floats) -> float | None:
    """Return the difference that is found with `POWER`, between those simulated; None if larger.

    Examples
    --------
    >>> smallest_difference(np.array([0.05, 0.4, 0.6, 1.0, 1, 1, 1, 1, 1, 1, 1]))
    0.005
    """
    steps = zip(pairwise(DIFFERENCES), pairwise(power), strict=True)
    for (low, high), (below, above) in steps:
        if below < POWER <= above:
            return float(round(low + (high - low) * (POWER - below) / (above - below), 6))
    return None


def perfect_reader_auc(wrong_normal: float, wrong_ill: float, rank: float = 0.5) -> float:
    """Return the AUC of a perfect reader of the truth against labels that are partly wrong.

    A pair of a published PNEUMONIA and a published NORMAL image is ranked as published if both
    labels are right, never if both are wrong, and with the probability ``rank`` if one is wrong:
    then both images are of one true class, and the reader ranks them by how clear they are.

    Parameters
    ----------
    wrong_normal, wrong_ill
        Shares of the published NORMAL and PNEUMONIA labels that are wrong.
    rank
        Probability that a wrongly labelled image is less clear than a rightly labelled one of the
        same true class: 1/2 where errors are at random. Then the AUC is the mean of sensitivity and
        specificity of the truth against the labels.

    Examples
    --------
    >>> perfect_reader_auc(0.1, 0.05), perfect_reader_auc(0.1, 0.05, rank=1)
    (0.925, 0.995)
    """
    right_normal, right_ill = 1 - wrong_normal, 1 - wrong_ill
    mixed = right_ill * wrong_normal + wrong_ill * right_normal
    return round(right_ill * right_normal + rank * mixed, 10)


def labels_table(
    split: AuditedSplit,
    networks: Sequence[OutOfSampleNetwork],
    contradicted: dict[str, Flags],
    relabelings: int,
) -> Table:
    """Return the highest AUC of a perfect reader if labels are wrong at several rates.

    Parameters
    ----------
    split
        Test split.
    networks
        Two networks whose difference is compared under changed labels.
    contradicted
        Images whose label is doubted, by the name of the doubt, for further rows.
    relabelings
        Number of random changes of labels.
    """
    rates = {f"{rate:.1%} of each class": (rate, rate) for rate in ERROR_RATES}
    for name, doubted in contradicted.items():
        normal, ill = (float(doubted[split.labels == label].mean()) for label in (0, 1))
        rates[name] = normal, ill
    rows: list[dict[str, Cell]] = []
    for name, (wrong_normal, wrong_ill) in track(rates.items(), "Changing labels", len(rates)):
        low, high = swing(split.labels, networks, (wrong_normal, wrong_ill), relabelings)
        rows.append(
            {
                "labels that are wrong": name,
                "NORMAL": wrong_normal,
                "PNEUMONIA": wrong_ill,
                "at random": perfect_reader_auc(wrong_normal, wrong_ill),
                "mildest": perfect_reader_auc(wrong_normal, wrong_ill, rank=1),
                "clearest": perfect_reader_auc(wrong_normal, wrong_ill, rank=0),
                "swing": " to ".join(format_number(end) for end in (low, high)),
            }
        )
    pair = " and ".join(network.name for network in networks)
    return Table("Highest AUC of a perfect reader", rows, LABELS_NOTE.format(pair=pair))


def swing(
    labels: NDArray[np.int8],
    networks: Sequence[OutOfSampleNetwork],
    rates: tuple[float, float],
    relabelings: int,
) -> tuple[float, float]:
    """Return the middle 95 % of the change of two networks' AUC difference by changed labels."""
    rng = np.random.default_rng(0)
    published = _difference(labels, networks)
    changes = []
    for _ in range(relabelings):
        wrong = rng.random(len(labels)) < np.array(rates)[labels]
        changes.append(_difference(np.where(wrong, 1 - labels, labels), networks) - published)
    low, high = np.quantile(changes, (0.025, 0.975))
    return float(low), float(high)


def _difference(labels: NDArray[np.int8], networks: Sequence[OutOfSampleNetwork]) -> float:
    first, second = (roc_auc(labels, network.test.probabilities) or 0.5 for network in networks)
    return first - second


def tables(
    split: AuditedSplit,
    networks: Sequence[OutOfSampleNetwork],
    contradicted: dict[str, Flags],
    simulations: int,
) -> Iterator[Table]:
    """Yield the tables of both limits; the first network is the shipped one."""
    yield sampling_table(split, networks[0])
    yield difference_table(split, networks[:3], simulations)
    yield labels_table(split, networks[:2], contradicted, simulations)
