import warnings

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.metrics import (
    RESULT_METRICS,
    measure,
    point_metrics,
    proportions,
)
from pneumoscope.evaluation.statistics.roc import (
    Ranking,
    precision_recall_curve,
    roc_auc,
    roc_curve,
)

# Few distinct probabilities, so that ties are the rule.
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4)), min_size=2, max_size=30)


def make(rows: list[tuple[int, int]]) -> Predictions:
    names = tuple(map(str, range(len(rows))))
    labels, steps = np.array(rows).T
    return Predictions(names, labels, steps / 4, names)


def expected(labels, probabilities, threshold, weights) -> dict[str, float]:
    """Every metric by scikit-learn, NaN where it is undefined."""
    called = probabilities >= threshold
    options = {"sample_weight": weights, "zero_division": np.nan}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "accuracy": reference.accuracy_score(labels, called, sample_weight=weights),
            "precision": reference.precision_score(labels, called, **options),
            "recall": reference.recall_score(labels, called, **options),
            "specificity": reference.recall_score(labels, called, pos_label=0, **options),
            "f1": reference.f1_score(labels, called, **options),
            "auc": reference.roc_auc_score(labels, probabilities, sample_weight=weights),
            "average_precision": reference.average_precision_score(
                labels, probabilities, sample_weight=weights
            ),
        }


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, threshold=st.sampled_from([0.0, 0.25, 0.3, 0.5, 1.0]))
def test_metrics_agree_with_scikit_learn(rows, threshold):
    table = make([*rows, (0, 2), (1, 2)])
    metrics = measure(table, threshold)
    weights = np.ones(len(table.files))
    wanted = expected(table.labels, table.probabilities, threshold, weights)
    for name, ours in RESULT_METRICS.items():
        got = metrics.value(ours)
        assert (np.nan if got is None else got) == pytest.approx(wanted[name], nan_ok=True), name
    assert roc_auc(table.labels, table.probabilities) == metrics.value("auc")
    matrix = reference.confusion_matrix(table.labels, table.probabilities >= threshold)
    assert np.array_equal(metrics.confusion, matrix)
    assert metrics.n == matrix.sum()


@settings(max_examples=100, deadline=None)
@given(rows=ROWS, data=st.data())
def test_weighted_metrics_agree_with_scikit_learn(rows, data):
    table = make([*rows, (0, 2), (1, 2)])
    draw = st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))
    # The last two images keep their weight: scikit-learn has no AUC for a class of weight zero.
    weights = np.array([*data.draw(draw), 1, 1], dtype=np.int32)
    got = weighted(table, weights)
    wanted = expected(table.labels, table.probabilities, 0.5, weights)
    for name, ours in RESULT_METRICS.items():
        assert got[ours] == pytest.approx(wanted[name], nan_ok=True), name


def weighted(table: Predictions, weights: np.ndarray) -> dict[str, float]:
    """Metrics at 0.5 where each image counts as many times as its weight says."""
    ranking = Ranking.of(table.labels, table.probabilities, thresholds=[0.5])
    auc, average_precision, _, *cells = ranking.areas_and_counts(weights)
    values = {name: value[0] for name, value in point_metrics(np.array(cells)[:, None]).items()}
    return values | {"auc": auc, "average_precision": average_precision}


def test_a_whole_weight_counts_like_as_many_copies(table):
    got = weighted(table([0, 1, 1, 0], [0.3, 0.6, 0.4, 0.6]), np.int32([1, 3, 0, 2]))
    copies = measure(table([0, 1, 1, 1, 0, 0], [0.3, 0.6, 0.6, 0.6, 0.6, 0.6]))
    for name in RESULT_METRICS.values():
        assert got[name] == pytest.approx(copies.value(name)), name


def test_a_worked_example_with_a_tie(table):
    # Of four pairs of PNEUMONIA and NORMAL three are ranked rightly and one is tied: AUC 3.5 / 4.
    # Average precision: recall 1/2 at precision 1, the rest at precision 2/3, hence 5/6.
    metrics = measure(table([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1]))
    assert metrics.value("auc") == 3.5 / 4
    assert metrics.value("average_precision") == pytest.approx(5 / 6)
    assert metrics.confusion == ((2, 0), (1, 1))
    assert [metrics.value(name) for name in ("sensitivity", "ppv")] == [0.5, 1.0]
    assert metrics.value("f1") == pytest.approx(2 / 3)


def test_without_pneumonia_what_needs_it_is_undefined(table):
    metrics = measure(table([0, 0], [0.2, 0.3]))
    assert metrics.value("accuracy") == metrics.value("specificity") == 1.0
    undefined = ("ppv", "sensitivity", "f1", "auc", "average_precision")
    assert [metrics.value(name) for name in undefined] == [None] * 5


def test_without_normal_what_needs_it_is_undefined(table):
    metrics = measure(table([1, 1], [0.2, 0.8]))
    assert (metrics.value("sensitivity"), metrics.value("ppv")) == (0.5, 1.0)
    assert metrics.value("specificity") is metrics.value("auc") is None


def test_nothing_called_leaves_precision_undefined_but_f1_zero(table):
    metrics = measure(table([0, 1], [0.2, 0.3]))
    assert [metrics.value(name) for name in ("ppv", "sensitivity", "f1")] == [None, 0.0, 0.0]


def test_json_has_exactly_the_keys_of_the_interface(table):
    assert measure(table([0, 1], [0.2, 0.3])).to_json() == {
        "n": 2,
        "accuracy": 0.5,
        "precision": None,
        "recall": 0.0,
        "specificity": 1.0,
        "f1": 0.0,
        "auc": 1.0,
        "average_precision": 1.0,
        "confusion": [[1, 0], [1, 0]],
    }


@settings(max_examples=100, deadline=None)
@given(rows=ROWS)
def test_curves_agree_with_scikit_learn(rows):
    table = make([*rows, (0, 2), (1, 2)])
    rates = reference.roc_curve(table.labels, table.probabilities, drop_intermediate=False)
    curve = roc_curve(table.labels, table.probabilities)
    np.testing.assert_allclose([curve.x, curve.y], rates[:2])
    precision, recall, _ = reference.precision_recall_curve(table.labels, table.probabilities)
    curve = precision_recall_curve(table.labels, table.probabilities)
    np.testing.assert_allclose([curve.x, curve.y], [recall[::-1], precision[::-1]])


def test_proportions_at_a_threshold_have_wilsons_interval():
    labels = np.int8([1, 1, 1, 1, 0, 0, 0])
    probabilities = np.array([0.5, 0.6, 0.4, 0.9, 0.5, 0.1, 0.2])
    rates = proportions(labels, probabilities, threshold=0.5)
    wanted = {"sensitivity": (3, 4), "specificity": (2, 3), "ppv": (3, 4), "accuracy": (5, 7)}
    for name, (count, total) in wanted.items():
        low, high = proportion_confint(count, total, method="wilson")
        assert rates[name].value == pytest.approx(count / total), name
        assert rates[name].interval == pytest.approx((low, high)), name
    assert proportions(np.int8([0]), np.array([0.1]), 0.5)["sensitivity"].value is None
