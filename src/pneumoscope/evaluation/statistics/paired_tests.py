"""Several models on the same images: which differences are more than chance."""

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
class McNemar:
    """How two models' calls agree with the truth, and the exact test that they do so equally often.

    Parameters
    ----------
    both, first_only, second_only, neither
        Numbers of images that both called rightly, only the first, only the second, and neither.
    p
        Two-sided; 1 where the models are never right on different images.
    """

    both: int
    first_only: int
    second_only: int
    neither: int
    p: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models compared.

    Parameters
    ----------
    first, second
        Their names.
    auc
        Their areas under the ROC curve, by DeLong's paired test.
    auc_p_holm
        Its p, corrected for the number of pairs; None where the test gives none.
    calls
        Their calls at their thresholds, by McNemar's test.
    calls_p_holm
        Its p, corrected likewise.
    """

    first: str
    second: str
    auc: AucComparison
    auc_p_holm: float | None
    calls: McNemar
    calls_p_holm: float


def mcnemar(first_correct: NDArray[np.bool_], second_correct: NDArray[np.bool_]) -> McNemar:
    """Test whether two models are right equally often, by the exact form of McNemar's test.

    Only images on which one alone is right speak; if the models are equally good, each of those is
    as likely the first's as the second's [1]_.

    Parameters
    ----------
    first_correct, second_correct
        Whether each model called each image rightly, shape (n,), of the same images.

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
    >>> right = np.array([True] * 5 + [False])
    >>> mcnemar(right, ~right)
    McNemar(both=0, first_only=5, second_only=1, neither=0, p=0.21875)
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
    apart = first_only + second_only
    p = float(binomtest(first_only, apart).pvalue) if apart else 1.0
    return McNemar(both, first_only, second_only, neither, p)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Correct p-values for their number, so that one false alarm among all is as rare as promised.

    Parameters
    ----------
    p_values
        Of all the tests that were made, each in [0, 1].

    Returns
    -------
    tuple of float
        In the order given; compare each with the same 0.05.

    References
    ----------
    Holm S. A simple sequentially rejective multiple test procedure. Scandinavian Journal of
    Statistics 6:65-70, 1979.

    Examples
    --------
    >>> holm([0.25, 0.01, 0.02])
    (0.25, 0.03, 0.04)
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    times = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * times), 1.0)
    return tuple(adjusted.tolist())


def compare_pairs(models: Mapping[str, tuple[Predictions, float]]) -> tuple[Pair, ...]:
    """Compare every model with every other, on the same images.

    The p-values of all pairs are corrected together by Holm's method, those of the AUCs and those
    of the calls each by themselves. DeLong's and McNemar's tests take every image as independent
    of the others: where patients have several images, differences look surer than they are.

    Parameters
    ----------
    models
        By name: the predictions, and the threshold from which a probability means PNEUMONIA. The
        rows may stand in any order.

    Returns
    -------
    tuple of Pair
        In the order of the models; none of a single model.

    Raises
    ------
    PredictionsError
        If two tables are not of the same files and labels; the message names the first that
        differs.

    Examples
    --------
    >>> labels, files = np.array([0, 0, 1, 1]), ("a", "b", "c", "d")
    >>> good = Predictions(files, labels, np.array([0.1, 0.2, 0.8, 0.9]), files)
    >>> poor = Predictions(files, labels, np.array([0.1, 0.7, 0.6, 0.9]), files)
    >>> (pair,) = compare_pairs({"good": (good, 0.5), "poor": (poor, 0.5)})
    >>> pair.auc.first, pair.auc.second, pair.calls.first_only, pair.calls_p_holm
    (1.0, 0.75, 1, 1.0)
    """
    tables = aligned({name: table for name, (table, _) in models.items()})
    correct = {
        name: (table.probabilities >= models[name][1]) == (table.labels == 1)
        for name, table in tables.items()
    }
    names = list(combinations(tables, 2))
    areas = [
        compare_aucs(tables[a].labels, tables[a].probabilities, tables[b].probabilities)
        for a, b in names
    ]
    calls = [mcnemar(correct[a], correct[b]) for a, b in names]
    # A test without a p was made all the same, and counts.
    area_ps = holm([1.0 if area.p is None else area.p for area in areas])
    call_ps = holm([call.p for call in calls])
    return tuple(
        Pair(a, b, area, None if area.p is None else area_p, call, call_p)
        for (a, b), area, area_p, call, call_p in zip(
            names, areas, area_ps, calls, call_ps, strict=True
        )
    )


def aligned(models: Mapping[str, Predictions]) -> dict[str, Predictions]:
    """Return the tables with their rows in the order of the first one's.

    Parameters
    ----------
    models
        Predictions by the name of the model.

    Raises
    ------
    PredictionsError
        If a table has a file that another lacks, has one twice, or labels one otherwise; the
        message names the file and the models.

    Examples
    --------
    >>> one = Predictions(("a", "b"), np.array([0, 1]), np.array([0.2, 0.8]), ("a", "b"))
    >>> two = Predictions(("b", "a"), np.array([1, 0]), np.array([0.7, 0.3]), ("b", "a"))
    >>> aligned({"one": one, "two": two})["two"].probabilities
    array([0.3, 0.7])
    """
    if not models:
        return {}
    names = list(models)
    first = models[names[0]]
    return {name: _in_the_order_of(first, names[0], models[name], name) for name in names}


def _in_the_order_of(
    first: Predictions, first_name: str, other: Predictions, name: str
) -> Predictions:
    places = {file: row for row, file in enumerate(other.files)}
    if len(places) < len(other.files):
        twice = next(file for row, file in enumerate(other.files) if places[file] != row)
        raise PredictionsError(f"{twice}: it is twice in the predictions of {name}; keep one row")
    for file in first.files:
        if file not in places:
            raise _missing(file, name, first_name)
    known = set(first.files)
    for file in other.files:
        if file not in known:
            raise _missing(file, first_name, name)
    same_order = other.rows(np.array([places[file] for file in first.files]))
    for row in np.flatnonzero(first.labels != same_order.labels)[:1]:
        raise PredictionsError(
            f"{first.files[row]}: {CLASS_NAMES[first.labels[row]]} in the predictions of "
            f"{first_name}, but {CLASS_NAMES[same_order.labels[row]]} in those of {name}; correct "
            "the label and evaluate anew"
        )
    return same_order


def _missing(file: str, lacking: str, having: str) -> PredictionsError:
    return PredictionsError(
        f"{file}: it is among the predictions of {having}, but not of {lacking}; have both models "
        "read the same images"
    )
