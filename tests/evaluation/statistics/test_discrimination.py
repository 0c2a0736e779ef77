import warnings

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics import bootstrap
from pneumoscope.evaluation.statistics.delong import delong
from pneumoscope.evaluation.statistics.discrimination import (
    PREVALENCES,
    assess_discrimination,
    bootstrap_metrics,
)
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.operating_point import POINT_METRICS
from pneumoscope.support.errors import PredictionsError

# Few distinct probabilities, so that ties are the rule.
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=0, max_size=40)
POINTS = {"screening": 0.3, "confirm": 0.7}


def make(rows) -> Predictions:
    labels, steps = np.array(rows).T
    names = tuple(map(str, range(len(rows))))
    return Predictions(names, labels, steps / 8, names)


def clustered(patients: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Labels, probabilities with ties, and patients of one to three images each."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), rng.integers(1, 4, patients))
    labels = patient % 2
    scores = 0.3 + 0.4 * labels + rng.normal(0, 0.2, patients)[patient]
    return labels, scores.clip(0, 1).round(2), [f"p{number:02}" for number in patient]


def by_scikit_learn(labels, probabilities, threshold) -> dict[str, float]:
    """Every figure of an operating point, NaN where it is undefined."""
    called = probabilities >= threshold
    options = {"zero_division": np.nan}
    rate = reference.recall_score, reference.precision_score
    (recall, precision), flipped = rate, {"pos_label": 0, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ratios = reference.class_likelihood_ratios(
            labels, called, replace_undefined_by={"LR+": np.nan, "LR-": np.nan}
        )
        mcc = reference.matthews_corrcoef(labels, called)
    return {
        "sensitivity": recall(labels, called, **options),
        "specificity": recall(labels, called, **flipped),
        "ppv": precision(labels, called, **options),
        "npv": precision(labels, called, **flipped),
        "lr_positive": ratios[0],
        "lr_negative": ratios[1],
        "f1": reference.f1_score(labels, called, **options),
        # scikit-learn calls an MCC of nothing 0.
        "mcc": mcc if 0 < called.mean() < 1 else np.nan,
        "accuracy": reference.accuracy_score(labels, called),
    }


def partial_auc(labels, probabilities) -> float:
    """Sensitivity >= 0.9 by scikit-learn: with the classes swapped it is specificity >= 0.9."""
    return reference.roc_auc_score(1 - labels, -probabilities, max_fpr=0.1)


def numbers(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, threshold=st.sampled_from([0.0, 0.25, 0.3, 0.5, 1.0]))
def test_metrics_agree_with_scikit_learn(rows, threshold):
    table = make([*rows, (0, 3), (1, 5)])
    got = assess_discrimination(table, {"point": threshold}, draws=2)
    labels, probabilities = table.labels, table.probabilities
    assert got.auc.value == pytest.approx(reference.roc_auc_score(labels, probabilities))
    average = reference.average_precision_score(labels, probabilities)
    assert got.average_precision.value == pytest.approx(average)
    assert got.partial_auc.value == pytest.approx(partial_auc(labels, probabilities))
    assert got.auc_delong.value == delong(labels, probabilities).value
    (point,) = got.points
    matrix = reference.confusion_matrix(labels, probabilities >= threshold)
    assert np.array_equal(point.confusion, matrix)
    wanted = by_scikit_learn(labels, probabilities, threshold)
    assert list(point.estimates) == list(POINT_METRICS) == list(wanted)
    for name, figure in point.estimates.items():
        value = np.nan if figure.value is None else figure.value
        assert value == pytest.approx(wanted[name], nan_ok=True), name


def test_intervals_are_those_of_a_plain_loop_over_patients(table):
    labels, probabilities, patients = clustered(30, seed=4)
    got = assess_discrimination(table(labels, probabilities, patients), POINTS, draws=40, seed=6)
    members = [np.flatnonzero(np.array(patients) == name) for name in sorted(set(patients))]
    rng, ranked, points = np.random.default_rng(6), [], {name: [] for name in POINTS}
    for _ in range(40):
        rows = np.concatenate([members[k] for k in rng.integers(0, 30, 30)])
        truth, said = labels[rows], probabilities[rows]
        average = reference.average_precision_score(truth, said)
        ranked.append((reference.roc_auc_score(truth, said), average, partial_auc(truth, said)))
        for name, threshold in POINTS.items():
            points[name].append(by_scikit_learn(truth, said, threshold))
    wanted = np.percentile(ranked, (2.5, 97.5), axis=0).T
    for figure, ends in zip((got.auc, got.average_precision, got.partial_auc), wanted, strict=True):
        assert numbers(figure)[1:] == pytest.approx(ends)
    for point in got.points:
        drawn = points[point.name]
        for name in set(POINT_METRICS) - {"lr_positive", "lr_negative"}:
            ends = np.nanpercentile([draw[name] for draw in drawn], (2.5, 97.5))
            if ends[0] == ends[1]:
                continue  # such intervals are not left as they are: see below
            assert numbers(point.estimates[name])[1:] == pytest.approx(ends), name
        sensitivity, specificity = (
            np.array([draw[name] for draw in drawn]) for name in ("sensitivity", "specificity")
        )
        hits, alarms = 0.2 * sensitivity, 0.8 * (1 - specificity)
        ends = np.nanpercentile(hits / (hits + alarms), (2.5, 97.5))
        assert numbers(point.at_prevalence[0.2]["ppv"])[1:] == pytest.approx(ends)


def test_metrics_at_one_threshold_have_the_same_intervals(table):
    made = table(*clustered(40, seed=2))
    got = assess_discrimination(made, {"balanced": 0.5}, draws=300, seed=3)
    metrics = bootstrap_metrics(made, 0.5, draws=300, seed=3)
    assert metrics.estimates == {
        **got.points[0].estimates,
        "auc": got.auc,
        "average_precision": got.average_precision,
    }
    assert metrics.confusion == got.points[0].confusion


def test_the_seed_decides_and_the_number_of_threads_does_not(table, monkeypatch):
    made = table(*clustered(40, seed=2))
    got = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(bootstrap, "usable_cores", lambda threads=threads: threads)
        got.append(assess_discrimination(made, POINTS, draws=200, seed=1))
    assert got[0] == got[1] == got[2]
    assert assess_discrimination(made, POINTS, draws=200, seed=2).auc != got[0].auc


def test_chance_is_a_half_and_perfect_is_one_in_the_partial_area(table):
    assert assess_discrimination(
        table([0, 0, 1, 1], [0.5] * 4), {}
    ).partial_auc.value == pytest.approx(0.5)
    assert (
        assess_discrimination(table([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]), {}).partial_auc.value
        == 1.0
    )


def test_ppv_elsewhere_is_that_of_the_mammography_problem(table):
    # Gigerenzer and Hoffrage, Psychological Review 102:684-704, 1995: of women with breast cancer
    # (1 %) 80 % have a positive mammogram, of the others 9.6 %: PPV 7.8 %.
    labels = [1] * 10 + [0] * 125
    probabilities = [0.9] * 8 + [0.1] * 2 + [0.9] * 12 + [0.1] * 113
    (point,) = assess_discrimination(
        table(labels, probabilities), {"mammogram": 0.5}, (0.01,)
    ).points
    assert list(point.at_prevalence) == [0.01]
    ppv = point.at_prevalence[0.01]["ppv"]
    assert ppv.value == pytest.approx(0.078, abs=5e-4)
    assert ppv.low < ppv.value < ppv.high < point.estimates["ppv"].value


def test_at_its_own_prevalence_a_table_has_its_own_predictive_values(table):
    made = table(*clustered(40, seed=2))
    own = float(made.labels.mean())
    (point,) = assess_discrimination(made, {"balanced": 0.5}, (own,), draws=2).points
    for name in ("ppv", "npv"):
        assert point.at_prevalence[own][name].value == pytest.approx(point.estimates[name].value)


def test_exact_intervals_are_those_of_statsmodels(table):
    made = table(*clustered(40, seed=2))
    for point in assess_discrimination(made, POINTS, draws=2).points:
        (tn, fp), (fn, tp) = point.confusion
        wanted = {
            "sensitivity": (tp, tp + fn),
            "specificity": (tn, tn + fp),
            "ppv": (tp, tp + fp),
            "npv": (tn, tn + fn),
            "accuracy": (tp + tn, tn + fp + fn + tp),
        }
        assert point.by_image.keys() == wanted.keys()
        for name, (part, whole) in wanted.items():
            ends = proportion_confint(part, whole, method="wilson")
            assert (point.by_image[name].low, point.by_image[name].high) == pytest.approx(ends)


@pytest.mark.filterwarnings("error")
def test_an_infinite_likelihood_ratio_has_no_value(table):
    made = table([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.9])
    (point,) = assess_discrimination(made, {"confirm": 0.5}, draws=200).points
    assert point.estimates["lr_positive"] == Estimate(None)
    assert point.estimates["lr_negative"].value == 0.5
    (point,) = assess_discrimination(made, {"all": 0.0}, draws=200).points
    assert point.estimates["lr_positive"] == Estimate(1.0)
    assert point.estimates["lr_negative"] == Estimate(None)  # nobody is cleared: 0 / 0


@pytest.mark.filterwarnings("error")
def test_an_interval_with_an_infinite_end_is_none(table):
    # One false positive of 30: a third of the draws has none, and an infinite ratio.
    made = table([0] * 30 + [1] * 30, [0.1] * 29 + [0.9] * 16 + [0.2] * 15)
    figure = (
        assess_discrimination(made, {"point": 0.5}, draws=300).points[0].estimates["lr_positive"]
    )
    assert figure == Estimate(pytest.approx((15 / 30) / (1 / 30)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("label", [0, 1])
def test_with_one_class_what_needs_the_other_is_undefined(table, label):
    got = assess_discrimination(table([label] * 3, [0.1, 0.6, 0.7]), {"point": 0.5}, draws=50)
    assert (got.auc, got.auc_delong, got.partial_auc) == (Estimate(None),) * 3
    known = got.average_precision.value
    assert known == (1.0 if label else None)
    figures, by_image = got.points[0].estimates, got.points[0].by_image
    missing, there = ("specificity", "sensitivity")[:: 1 if label else -1]
    assert figures[missing] == by_image[missing] == Estimate(None)
    assert numbers(figures[there])[0] == (2 / 3 if label else 1 / 3)
    for name in ("lr_positive", "lr_negative", "mcc"):
        assert figures[name].value is None
    for at_prevalence in got.points[0].at_prevalence.values():
        assert at_prevalence == {"ppv": Estimate(None), "npv": Estimate(None)}


def test_a_single_patient_gives_no_intervals(table):
    got = assess_discrimination(
        table([0, 1, 1], [0.1, 0.4, 0.9], ["p"] * 3), {"point": 0.5}, draws=50
    )
    assert got.auc == Estimate(1.0)
    assert got.points[0].estimates["sensitivity"] == Estimate(0.5)
    assert set(got.points[0].at_prevalence) == set(PREVALENCES)


@pytest.mark.parametrize("prevalence", [5, -0.1, float("nan")])
def test_a_prevalence_in_percent_is_refused(table, prevalence):
    with pytest.raises(PredictionsError, match=r"not a share between 0 and 1; write 5 % as 0\.05"):
        assess_discrimination(table([0, 1], [0.1, 0.9]), {}, (prevalence,))


def test_progress_is_shown_only_where_it_takes_long(table, monkeypatch):
    shown = []

    def watched(items, what, total):
        shown.append((what, total))
        return items

    monkeypatch.setattr(bootstrap, "track", watched)
    made = table(*clustered(10, seed=1))
    assess_discrimination(made, {}, draws=7)
    assert shown == []
    monkeypatch.setattr(bootstrap, "_MIN_TRACKED", 7 * len(made.files))
    assess_discrimination(made, {}, draws=7)
    assert shown == [("Resampling", 7)]


def test_few_patients_without_error_get_wilsons_interval(table):
    labels, said = [1] * 16 + [0] * 8, [0.9] * 16 + [0.1] * 8
    patients = [f"p{row // 2}" for row in range(24)]
    got = assess_discrimination(table(labels, said, patients), {"balanced": 0.5}, prevalences=[0.1])
    (point,) = got.points
    # Eight patients with pneumonia and four without: their images say no more than they do.
    ill, healthy = (proportion_confint(n, n, method="wilson")[0] for n in (8, 4))
    for name, low in (("sensitivity", ill), ("ppv", ill), ("specificity", healthy)):
        assert point.estimates[name].low == pytest.approx(low), name
    assert got.auc.low == got.auc_delong.low == pytest.approx(healthy)
    assert got.average_precision.interval is None
    assert point.estimates["mcc"].value == pytest.approx(1.0)
    assert point.estimates["mcc"].interval is None
    npv, ppv = (point.at_prevalence[0.1][name].low for name in ("npv", "ppv"))
    assert npv == pytest.approx(0.9 / (0.9 + 0.1 * (1 - ill)))
    assert ppv == pytest.approx(0.1 / (0.1 + 0.9 * (1 - healthy)))


def test_a_predictive_value_that_no_resample_changes_has_no_interval(table):
    """Nobody is called ill: of every 100 who are cleared, 5 are ill, in each resample."""
    labels = [0, 1] * 20
    (point,) = assess_discrimination(table(labels, [0.1] * 40), {"high": 0.9}, draws=50).points
    assert point.at_prevalence[0.05]["npv"] == Estimate(pytest.approx(0.95))
