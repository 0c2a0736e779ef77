"""Paired tests of models on the same images: DeLong's, McNemar's, and Holm's correction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from pneumoscope.evaluation.predictions import CLASS_NAMES, Predictions
from pneumoscope.evaluation.statistics.delong import AucComparison, compare_aucs
from pneumoscope.support.errors import PredictionsError


@dataclass(frozen=True, slots=True)
class McNemarTest:
    """Agreement of two models' calls with the labels, and the exact test of equal accuracy.

    Parameters
    ----------
    both, first_only, second_only, neither
        Numbers of images that both models classified correctly, only the first, only the second,
        and neither.
    p
        Two-sided p-value; 1 where the models are correct on the same images.
    """

    both: int
    first_only: int
    second_only: int
    neither: int
    p: float


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Comparison of two models on the same images, by their names.

    The areas under the ROC curve are compared by DeLong's paired test, clustered by patient, the
    calls at the models' thresholds by McNemar's. The p-values ``_holm`` are corrected for the
    number of pairs; that of the AUC is None where the test gives none.
    """

    first: str
    second: str
    auc: AucComparison
    auc_p_holm: float | None
    calls: McNemarTest
    calls_p_holm: float


def mcnemar(first_correct: NDArray[np.bool_], second_correct: NDArray[np.bool_]) -> McNemarTest:
    """Test whether two models are equally accurate, by the exact form of McNemar's test.

    Only images that one model alone classified correctly are informative; if the models are equally
    accurate, each of those is as likely the first's as the second's [1]_.

    Parameters
    ----------
    first_correct, second_correct
        Whether each model classified each image correctly, shape (n,), of the same images.

    Raises
    ------
    PredictionsError
        If the two are not of the same length.

    References
    ----------
    .. [1] McNemar Q. Note on the sampling error of the difference between correlated proportions or
       percentages. Psychometrika 12:153-157, 1947.

    Examples
    --------
    >>> correct = np.array([True] * 5 + [False])
    >>> mcnemar(correct, ~correct)
    McNemarTest(both=0, first_only=5, second_only=1, neither=0, p=0.21875)
    """
    if first_correct.shape != second_correct.shape:
        raise PredictionsError(
            f"the first model called {first_correct.size} images and the second "
            f"{second_correct.size}; give both models' calls of the same images"
        )
    first_only = int(np.sum(first_correct & ~second_correct))
    second_only = int(np.sum(~first_correct & second_correct))
    both = int(np.sum(first_correct & second_correct))
    neither = first_correct.size - both - first_only - second_only
    discordant = first_only + second_only
    p = float(binomtest(first_only, discordant).pvalue) if discordant else 1.0
    return McNemarTest(both, first_only, second_only, neither, p)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values corrected for their number by Holm's step-down method [1]_.

    It controls the family-wise error rate: the probability of even one false positive.

    Parameters
    ----------
    p_values
        p-values of all tests that were made, each in [0, 1].

    Returns
    -------
    tuple of float
        Corrected p-values in the order given; compare each with the same level, such as 0.05.

    References
    ----------
    .. [1] Holm S. A simple sequentially rejective multiple test procedure. Scandinavian Journal of
       Statistics 6:65-70, 1979.

    Examples
    --------
    >>> holm([0.25, 0.01, 0.02])
    (0.25, 0.03, 0.04)
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return tuple(adjusted.tolist())


def compare_pairs(models: Mapping[str, tuple[Predictions, float]]) -> tuple[PairedComparison, ...]:
    """Compare every model with every other one on the same images.

    The p-values of all pairs are corrected together by Holm's method, separately for AUCs and
    calls. DeLong's test is clustered by patient. McNemar's takes images as independent: where
    patients have several images, its p-values are too small.

    Parameters
    ----------
    models
        Predictions and threshold (lowest probability that is called PNEUMONIA) by the name of the
        model. The rows may be in any order.

    Returns
    -------
    tuple of PairedComparison
        In the order of the models; empty for a single model.

    Raises
    ------
    PredictionsError
        If two tables differ in files or labels; the message names the first that differs.

    Examples
    --------
    >>> labels, files = np.array([0, 0, 1, 1]), ("a", "b", "c", "d")
    >>> good = Predictions(files, labels, np.array([0.1, 0.2, 0.8, 0.9]), files)
    >>> poor = Predictions(files, labels, np.array([0.1, 0.7, 0.6, 0.9]), files)
    >>> (pair,) = compare_pairs({"good": (good, 0.5), "poor": (poor, 0.5)})
    >>> pair.auc.first, pair.auc.second, pair.calls.first_only, pair.calls_p_holm
    (1.0, 0.75, 1, 1.0)
    """
    tables = align_predictions({name: table for name, (table, _) in models.items()})
    correct = {
        name: (table.probabilities >= models[name][1]) == (table.labels == 1)
        for name, table in tables.items()
    }
    names = list(combinations(tables, 2))
    patient = _best_known_patients(tables)
    aucs = [
        compare_aucs(tables[a].labels, tables[a].probabilities, tables[b].probabilities, patient)
        for a, b in names
    ]
    calls = [mcnemar(correct[a], correct[b]) for a, b in names]
    # A test without a p-value was made all the same, and counts.
    auc_ps = holm([1.0 if auc.p is None else auc.p for auc in aucs])
    call_ps = holm([call.p for call in calls])
    return tuple(
        PairedComparison(a, b, auc, None if auc.p is None else auc_p, call, call_p)
        for (a, b), auc, auc_p, call, call_p in zip(
            names, aucs, auc_ps, calls, call_ps, strict=True
        )
    )


def _best_known_patients(tables: Mapping[str, Predictions]) -> NDArray[np.intp]:
    """Return the patients' numbers from the table that knows the most of them."""
    known = min(tables.values(), key=lambda table: table.n_without_patient, default=None)
    return np.zeros(0, np.intp) if known is None else known.patient_numbers()


def align_predictions(models: Mapping[str, Predictions]) -> dict[str, Predictions]:
    """Return the tables with their rows in the order of the first table's.

    Parameters
    ----------
    models
        Predictions by the name of the model.

    Raises
    ------
    PredictionsError
        If a table lacks a file of another one, has a file twice, or has another label; the message
        names the file and the models.

    Examples
    --------
    >>> first = Predictions(("a", "b"), np.array([0, 1]), np.array([0.2, 0.8]), ("a", "b"))
    >>> second = Predictions(("b", "a"), np.array([1, 0]), np.array([0.7, 0.3]), ("b", "a"))
    >>> align_predictions({"first": first, "second": second})["second"].probabilities
    array([0.3, 0.7])
    """
    if not models:
        return {}
    first_name, first = next(iter(models.items()))
    return {name: _reorder(table, name, first, first_name) for name, table in models.items()}


def _reorder(table: Predictions, name: str, first: Predictions, first_name: str) -> Predictions:
    """Return a table with its rows in the order of the first one's."""
    rows = {file: row for row, file in enumerate(table.files)}
    if len(rows) < len(table.files):
        repeated = next(file for row, file in enumerate(table.files) if rows[file] != row)
        raise PredictionsError(
            f"{repeated}: it is twice in the predictions of {name}; keep one row"
        )
    for file in first.files:
        if file not in rows:
            raise _missing(file, name, first_name)
    known = set(first.files)
    for file in table.files:
        if file not in known:
            raise _missing(file, first_name, name)
    reordered = table.rows(np.array([rows[file] for file in first.files]))
    for row in np.flatnonzero(first.labels != reordered.labels)[:1]:
        raise PredictionsError(
            f"{first.files[row]}: {CLASS_NAMES[first.labels[row]]} in the predictions of "
            f"{first_name}, but {CLASS_NAMES[reordered.labels[row]]} in those of {name}; correct "
            "the label and evaluate again"
        )
    return reordered


def _missing(file: str, lacking: str, having: str) -> PredictionsError:
    return PredictionsError(
        f"{file}: it is among the predictions of {having}, but not of {lacking}; evaluate both "
        "models on the same images"
    )
