"""Doubtful labels of the test split: second reader, confident learning, and shared errors."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact, spearmanr

from benchmarks.report import Cell, Table
from benchmarks.test_split_data import (
    AuditedSplit,
    Flags,
    counted_share,
    estimate_by_patient,
    kappa_by_patient,
    weighted_mean,
)
from benchmarks.test_split_networks import OutOfSampleNetwork
from pneumoscope.dataset import Label
from pneumoscope.evaluation.statistics.discrimination import assess_discrimination
from pneumoscope.evaluation.statistics.label_errors import label_error_candidates

SUBTYPES = ("normal", "bacteria", "virus")

CROSS_NOTE = "Rows: published; columns: the expert, who did not know the published label."

AGREEMENT_NOTE = """\
The expert's reading as a test of the published label, pneumonia of either kind against none, with
intervals by patient. Subtype: bacteria against virus, where both say pneumonia."""

FLAGS_NOTE = "Images that the expert marked, by published label, with intervals by patient."

CANDIDATES_NOTE = """\
Candidates of confident learning: images that the network confidently puts into the class that is
not their published label. Shares: how many of them the expert calls the other class, against the
other images of the same label. Difference with its interval by patient, p by Fisher's exact test of
images (two-sided)."""

ERRORS_NOTE = """\
Errors: the published label is contradicted at the network's threshold. By chance: both wrong, if
errors were independent within the class. Kappa of the errors with its interval by patient. Rank
correlation: Spearman's, of the probabilities within the class; it needs no threshold."""

VOTES_NOTE = """\
Test images by the number of networks that contradict the published label, and how many of these the
expert contradicts too, with intervals by patient."""


def second_reader_tables(split: AuditedSplit) -> Iterator[Table]:
    """Yield the tables of the expert's reading against the published labels."""
    yield Table("Published label and expert", list(cross_rows(split)), CROSS_NOTE)
    yield Table("Expert against the published labels", list(agreement_rows(split)), AGREEMENT_NOTE)
    yield Table("Marks of the expert", list(flag_rows(split)), FLAGS_NOTE)


def cross_rows(split: AuditedSplit) -> Iterator[dict[str, Cell]]:
    """Yield the numbers of images by published subtype and the expert's."""
    for published in SUBTYPES:
        rows = split.subtypes == published
        counts = {name: int((rows & (split.expert == name)).sum()) for name in SUBTYPES}
        disputed = {"contradicted": counted_share(split.disputed[rows], split.patient[rows])}
        yield {"published": published, "images": int(rows.sum()), **counts, **disputed}


def agreement_rows(split: AuditedSplit) -> Iterator[dict[str, Cell]]:
    """Yield sensitivity, specificity, predictive values and kappa of the expert's reading."""
    usable, borderline = ~split.flags["unusable"], split.flags["borderline"]
    parts = {
        "all": np.full(len(usable), True),
        "usable": usable,
        "usable, not borderline": usable & ~borderline,
    }
    for name, rows in parts.items():
        calls = split.predictions(split.expert_labels.astype(float)).rows(rows)
        (point,) = assess_discrimination(calls, {"expert": 0.5}, ()).points
        kappa = kappa_by_patient(
            split.labels[rows] == 1, split.expert_labels[rows] == 1, split.patient[rows]
        )
        metrics = {
            metric: str(point.estimates[metric])
            for metric in ("sensitivity", "specificity", "ppv", "npv")
        }
        yield {"images": name, "n": int(rows.sum()), **metrics, "kappa": str(kappa)}
    rows = (split.labels == 1) & (split.expert_labels == 1)
    first, second = split.subtypes[rows] == "bacteria", split.expert[rows] == "bacteria"
    kappa = kappa_by_patient(first, second, split.patient[rows])
    empty = dict.fromkeys(("sensitivity", "specificity", "ppv", "npv"), None)
    yield {"images": "subtype", "n": int(rows.sum()), **empty, "kappa": str(kappa)}


def flag_rows(split: AuditedSplit) -> Iterator[dict[str, Cell]]:
    """Yield how many images of each class carry each mark, and are contradicted with it."""
    for name, marked in split.flags.items():
        row: dict[str, Cell] = {"mark": name}
        for label in Label:
            rows = split.labels == label
            row[label.name] = counted_share(marked[rows], split.patient[rows])
            both = rows & marked
            row[f"of these contradicted, {label.name}"] = counted_share(
                split.disputed[both], split.patient[both]
            )
        yield row


def candidates(network: OutOfSampleNetwork) -> Flags:
    """Return the test images whose label is probably wrong, by confident learning."""
    found = label_error_candidates(network.test, limit=len(network.test.files)).candidates
    files = {candidate.file for candidate in found}
    return np.array([file in files for file in network.test.files])


def candidates_table(split: AuditedSplit, networks: Sequence[OutOfSampleNetwork]) -> Table:
    """Return how many candidates of confident learning the expert contradicts, against others."""
    by_network = {network.name: candidates(network) for network in networks}
    votes = np.sum([*by_network.values()], axis=0)
    sets = by_network | {
        "at least one": votes > 0,
        "at least two": votes > 1,
        "all": votes == len(networks),
    }
    rows = [
        {"candidates of": name} | _candidates_row(split, chosen, label)
        for name, chosen in sets.items()
        for label in Label
    ]
    return Table("Confident learning", rows, CANDIDATES_NOTE)


def _candidates_row(split: AuditedSplit, chosen: Flags, label: Label) -> dict[str, Cell]:
    of_class = split.labels == label
    chosen, disputed = chosen[of_class], split.disputed[of_class]
    patient = split.patient[of_class]
    cells = [
        [int((chosen & disputed).sum()), int((chosen & ~disputed).sum())],
        [int((~chosen & disputed).sum()), int((~chosen & ~disputed).sum())],
    ]
    difference = estimate_by_patient(
        lambda weights: (
            weighted_mean(disputed, weights * chosen) - weighted_mean(disputed, weights * ~chosen)
        ),
        patient,
    )
    return {
        "label": label.name,
        "contradicted, candidates": counted_share(disputed[chosen], patient[chosen]),
        "contradicted, others": counted_share(disputed[~chosen], patient[~chosen]),
        "difference": str(difference),
        "p": float(fisher_exact(cells).pvalue),
    }


def errors_table(split: AuditedSplit, networks: Sequence[OutOfSampleNetwork]) -> Table:
    """Return how far the errors of each two networks fall on the same images."""
    rows = [
        {
            "first": first.name,
            "second": second.name,
            "shared training patients": "yes" if first.shares_patients(second) else "no",
            **_errors_row(split, first, second, label),
        }
        for first, second in combinations(networks, 2)
        for label in Label
    ]
    return Table("Errors of two networks", rows, ERRORS_NOTE)


def _errors_row(
    split: AuditedSplit, first: OutOfSampleNetwork, second: OutOfSampleNetwork, label: Label
) -> dict[str, Cell]:
    of_class = split.labels == label
    wrong = [network.wrong[of_class] for network in (first, second)]
    counts = [int(errors.sum()) for errors in wrong]
    kappa = kappa_by_patient(wrong[0], wrong[1], split.patient[of_class])
    ranks = spearmanr(*(network.test.probabilities[of_class] for network in (first, second)))
    return {
        "label": label.name,
        "errors of the first": counts[0],
        "errors of the second": counts[1],
        "both": int((wrong[0] & wrong[1]).sum()),
        "by chance": counts[0] * counts[1] / int(of_class.sum()),
        "kappa": str(kappa),
        "rank correlation": float(ranks.statistic),
    }


def votes(networks: Sequence[OutOfSampleNetwork]) -> NDArray[np.intp]:
    """Return the number of networks that contradict the published label of each test image."""
    return np.asarray(np.sum([network.wrong for network in networks], axis=0))


def votes_table(split: AuditedSplit, networks: Sequence[OutOfSampleNetwork]) -> Table:
    """Return the images by the number of networks against their label, and the expert's view."""
    against = votes(networks)
    rows: list[dict[str, Cell]] = []
    for number in range(len(networks) + 1):
        row: dict[str, Cell] = {"networks against the label": number}
        for label in Label:
            chosen = (split.labels == label) & (against == number)
            row[label.name] = int(chosen.sum())
            row[f"expert too, {label.name}"] = counted_share(
                split.disputed[chosen], split.patient[chosen]
            )
        rows.append(row)
    return Table("Labels that networks contradict", rows, VOTES_NOTE)
