"""Operating points against brute force, and the guarantee of the band on new images."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.selection.operating_points import (
    choose_operating_points,
    uncertain_band,
)
from pneumoscope.evaluation.statistics.metrics import measure
from pneumoscope.support.errors import PredictionsError


def table(labels: list[int], probabilities: list[float]) -> Predictions:
    files = tuple(map(str, range(len(labels))))
    return Predictions(files, np.array(labels, np.int8), np.array(probabilities), files)


def overlapping(n: int, seed: int) -> Predictions:
    draw = np.random.default_rng(seed)
    labels = (draw.random(n) < 0.7).astype(np.int8)
    logits = draw.normal(np.where(labels, 2.5, -2.5), 1.5)
    return table(labels.tolist(), (1 / (1 + np.exp(-logits))).round(3).clip(0.001, 0.999).tolist())


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_are_those_of_an_exhaustive_search(seed: int) -> None:
    predictions = overlapping(400, seed)
    tried = [measure(predictions, value) for value in np.unique(predictions.probabilities)]
    screening, balanced, confirm = (
        measure(predictions, point.threshold)
        for point in choose_operating_points(predictions).values()
    )
    sensitive = [metrics for metrics in tried if metrics.value("sensitivity") >= 0.99]
    assert screening == sensitive[-1]
    stricter = tried[tried.index(screening) :]
    assert balanced == max(
        stricter, key=lambda metrics: metrics.value("sensitivity") + metrics.value("specificity")
    )
    stricter = tried[tried.index(balanced) :]
    assert confirm == next(metrics for metrics in stricter if metrics.value("ppv") >= 0.98)


def test_a_threshold_lies_between_probabilities_that_were_seen() -> None:
    predictions = overlapping(400, 0)
    for point in choose_operating_points(predictions).values():
        assert np.abs(predictions.probabilities - point.threshold).min() > 1e-5
        assert point.low <= point.threshold <= point.high


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=60))
def test_stricter_points_never_lie_below_less_strict_ones(rows: list[tuple[bool, float]]) -> None:
    predictions = table([int(ill) for ill, _ in rows], [p for _, p in rows])
    try:
        points = choose_operating_points(predictions)
    except PredictionsError:
        return
    thresholds = [point.threshold for point in points.values()]
    assert thresholds == sorted(thresholds)
    assert measure(predictions, thresholds[0]).value("sensitivity") >= 0.99


def _youden(tables: list[Predictions], threshold: float) -> float:
    metrics = [measure(predictions, threshold) for predictions in tables]
    return float(
        np.mean([table.value("sensitivity") + table.value("specificity") for table in metrics])
    )


def _worst(name: str, tables: list[Predictions], threshold: float) -> float:
    return min(measure(predictions, threshold).value(name) for predictions in tables)


@pytest.mark.parametrize("seed", range(3))
def test_conditions_hold_in_each_of_several_tables_and_with_no_better_threshold(
    seed: int,
) -> None:
    first = overlapping(400, seed)
    odds = np.log(first.probabilities) - np.log1p(-first.probabilities)
    tables = [
        replace(first, probabilities=1 / (1 + np.exp(-(odds * steep + moved))))
        for steep, moved in ((1, 0), (0.7, 0.8), (1.2, -0.9))
    ]
    screening, balanced, confirm = choose_operating_points(*tables).values()
    assert _worst("sensitivity", tables, screening.threshold) >= 0.99
    assert _worst("ppv", tables, confirm.threshold) >= 0.98
    observed = np.unique(np.concatenate([predictions.probabilities for predictions in tables]))
    higher = observed[observed > screening.threshold][1]  # the first gives the same calls
    assert _worst("sensitivity", tables, higher) < 0.99
    between = observed[(observed > balanced.threshold) & (observed < confirm.threshold)]
    for threshold in between[:-1:5]:
        assert _worst("ppv", tables, threshold) < 0.98
    assert _youden(tables, balanced.threshold) == pytest.approx(
        max(_youden(tables, threshold) for threshold in observed[observed > screening.threshold])
    )
    bands = [uncertain_band(table.labels, table.probabilities) for table in tables]
    assert screening.low <= min(low for low, _ in bands)
    assert balanced.high >= max(high for _, high in bands)
    assert "400 validation images as they are and in 2 simulated acquisitions" in screening.rule


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(PredictionsError, match="one class"):
        choose_operating_points(table([1, 1], [0.2, 0.9]))


def test_where_no_threshold_is_precise_enough_there_is_none_to_confirm() -> None:
    points = choose_operating_points(table([1, 0], [0.1, 0.9]))
    assert list(points) == ["screening", "balanced"]


def test_a_threshold_that_finds_hardly_anybody_confirms_nothing() -> None:
    """Of 100 ill ones 4, or 5, stand above all healthy ones."""
    for found, names in ((4, ["screening", "balanced"]), (5, ["screening", "balanced", "confirm"])):
        probabilities = [*[0.5] * 100, *[0.9] * found, *[0.4] * (100 - found)]
        made = table([0] * 100 + [1] * 100, probabilities)
        assert list(choose_operating_points(made)) == names


@pytest.mark.parametrize(("n", "level"), [(150, 0.1), (400, 0.05)])
def test_new_images_fall_on_the_wrong_side_of_the_band_as_seldom_as_promised(
    n: int, level: float
) -> None:
    wrong = []
    for seed in range(300):
        fitted, new = overlapping(n, seed), overlapping(n, 10_000 + seed)
        low, high = uncertain_band(fitted.labels, fitted.probabilities, level)
        ill, healthy = (new.probabilities[new.labels == label] for label in (1, 0))
        wrong.append([(ill < low).mean(), (healthy > high).mean()])
    mean, error = np.mean(wrong, 0), np.std(wrong, 0) / np.sqrt(300)
    assert (mean <= level + 3 * error).all()
    assert (mean > level - 0.03).all()  # and the band is no wider than it must be


def test_too_few_images_promise_nothing() -> None:
    few = table([0, 1, 1], [0.3, 0.6, 0.7])
    assert uncertain_band(few.labels, few.probabilities) == (0.0, 1.0)
