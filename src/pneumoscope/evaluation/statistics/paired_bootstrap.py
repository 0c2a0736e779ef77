"""Paired bootstrap: differences of two models' metrics on the same patients."""

import numpy as np

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.bootstrap import DRAWS, estimate_from_resamples, resample
from pneumoscope.evaluation.statistics.metrics import point_metrics
from pneumoscope.evaluation.statistics.paired_tests import align_predictions
from pneumoscope.evaluation.statistics.roc import Ranking
from pneumoscope.report.estimate import Estimate


def rate_differences(
    first: tuple[Predictions, float],
    second: tuple[Predictions, float],
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Return sensitivity and specificity of the first model minus those of the second.

    Intervals are percentiles of a bootstrap in which each resample draws the same patients for both
    models. Where all resamples agree, as where the two differ on no image or on every one, there is
    no interval: it would look like certainty.

    Parameters
    ----------
    first, second
        Predictions on the same images, and the lowest probability that is called PNEUMONIA.
    draws
        Number of bootstrap resamples.
    seed
        Random seed of the resamples.

    Raises
    ------
    PredictionsError
        If the images or labels differ.

    Examples
    --------
    >>> labels, files = np.arange(40) % 2, tuple(map(str, range(40)))
    >>> good = Predictions(files, labels, 0.25 + labels / 2, files)
    >>> eager = Predictions(files, labels, np.full(40, 0.9), files)
    >>> differences = rate_differences((good, 0.5), (eager, 0.5), draws=100)
    >>> differences["specificity"].value, differences["sensitivity"].value
    (1.0, 0.0)
    """
    tables = align_predictions({"first": first[0], "second": second[0]})
    patient = tables["first"].patient_numbers()
    rates = []
    for table, threshold in zip(tables.values(), (first[1], second[1]), strict=True):
        ranking = Ranking.of(table.labels, table.probabilities, patient, [threshold])
        cells = resample(ranking.confusions, patient, draws, seed)[:, 0].T
        rates.append(point_metrics(cells.astype(np.float64)))
    differences = {}
    for name in ("sensitivity", "specificity"):
        estimate = estimate_from_resamples(rates[0][name] - rates[1][name])
        has_width = estimate.interval is not None and estimate.interval[0] < estimate.interval[1]
        differences[name] = estimate if has_width else Estimate(estimate.value)
    return differences
