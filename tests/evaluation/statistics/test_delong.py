import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoscope.evaluation.statistics.delong import compare_aucs, delong
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import PredictionsError

# Patient by patient: outcome (1 is poor), grade wfns, blood markers s100b and ndka. Measured by
# Turck et al., Intensive Care Medicine 36:107-115, 2010; the example of R's package pROC (Robin et
# al., BMC Bioinformatics 12:77, 2011), where the data is called aSAH.
ASAH = """
0 1 0.13 3.01, 0 1 0.14 8.54, 0 1 0.1 8.09, 0 1 0.04 10.42, 1 3 0.13 17.4, 1 2 0.1 12.75,
0 5 0.47 6, 1 4 0.16 13.2, 0 1 0.18 15.54, 0 2 0.1 6.01, 1 5 0.12 15.96, 0 2 0.1 17.86,
1 5 0.44 5.18, 1 5 0.71 8.9, 0 1 0.04 13.41, 0 2 0.08 20.75, 1 5 0.49 11.6, 0 2 0.04 16.11,
1 2 0.07 32.37, 1 5 0.33 54.82, 1 2 0.09 32.41, 0 1 0.09 49.94, 1 1 0.07 40.34, 0 1 0.11 9.47,
0 1 0.07 6.29, 0 2 0.17 12.53, 0 1 0.07 6.54, 0 2 0.11 6.3, 0 1 0.13 80.3, 0 1 0.19 12.8,
0 3 0.05 9.8, 0 4 0.16 9.81, 1 2 0.41 9.85, 0 1 0.14 18.21, 0 4 0.34 5.03, 1 5 0.35 14.04,
1 4 0.48 21.93, 0 1 0.09 8.02, 1 4 0.96 7.42, 1 2 0.25 8.38, 0 5 0.5 6.59, 0 5 0.46 9.63,
0 1 0.16 13.12, 0 1 0.07 7.96, 0 2 0.43 14.34, 0 4 0.45 41.43, 0 1 0.11 7.63, 0 1 0.08 7.06,
0 2 0.09 12.59, 1 5 0.86 13.56, 1 5 0.52 3.87, 0 2 0.08 9.44, 0 1 0.06 7.66, 0 2 0.13 12.98,
1 5 2.07 419.19, 0 1 0.1 27.19, 0 2 0.14 22.27, 0 2 0.15 9.95, 1 2 0.07 21.22, 0 1 0.06 11.73,
1 5 0.77 10.4, 0 1 0.05 58.83, 0 1 0.09 6.39, 1 2 0.3 11.09, 1 5 0.03 12.22, 1 2 0.09 13.67,
0 1 0.04 17.21, 1 4 0.23 22.63, 1 5 0.7 12.9, 0 2 0.09 9.7, 1 4 0.27 21.57, 1 4 0.71 8.23,
1 1 0.08 72.57, 1 4 0.26 15.54, 0 1 0.08 10.51, 0 2 0.16 10.6, 0 1 0.09 14.57, 1 4 0.13 5.19,
1 2 0.1 9.63, 0 1 0.08 4.61, 1 2 0.11 21.48, 0 3 0.33 17.3, 0 2 0.11 12.71, 0 4 0.28 9.44,
0 2 0.07 11.07, 0 1 0.1 19.46, 0 4 0.32 10.83, 1 5 0.22 5.37, 0 1 0.07 11.97, 0 1 0.05 7.75,
0 5 0.24 9.83, 0 4 0.38 10.55, 0 2 0.1 28.49, 0 2 0.15 8.53, 0 1 0.08 12.57, 0 1 0.14 12.9,
0 1 0.1 46.83, 0 3 0.07 11.68, 0 1 0.04 12.67, 0 2 0.19 9.01, 1 5 0.56 9.57, 1 2 0.14 34.06,
1 2 0.58 11.72, 1 5 0.32 14.26, 1 5 0.82 47.61, 1 5 0.74 11.67, 0 2 0.15 24.58, 0 4 0.47 10.33,
0 4 0.17 13.87, 1 5 0.44 15.89, 0 1 0.15 22.43, 0 1 0.5 6.79, 0 1 0.48 13.45
"""
OUTCOME, WFNS, S100B, NDKA = np.array([row.split() for row in ASAH.split(",")], dtype=float).T

# Few distinct scores, so that ties are the rule.
ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 4)), min_size=0, max_size=30
)
BOTH_TWICE = [(0, 1, 2), (0, 3, 1), (1, 2, 2), (1, 3, 0)]


def placement_values(labels, scores):
    """DeLong 1988, page 839: V10 of each ill, V01 of each healthy, from every pair of them."""
    ill, healthy = scores[labels == 1], scores[labels == 0]
    psi = np.array([[1.0 if y < x else 0.5 if y == x else 0.0 for y in healthy] for x in ill])
    return psi.mean(axis=1), psi.mean(axis=0)


def covariance(labels, first, second):
    """DeLong 1988, page 840: S10 / m + S01 / n of two AUCs, a 2 x 2 matrix."""
    values = [placement_values(labels, scores) for scores in (first, second)]
    ill, healthy = ([value[side] for value in values] for side in (0, 1))
    return np.cov(ill) / len(ill[0]) + np.cov(healthy) / len(healthy[0])


@pytest.mark.parametrize(
    ("marker", "auc", "variance"),
    [
        # pROC's tests/testthat/test-var.R; the AUCs are printed by its documentation of roc.
        (WFNS, 0.8236789, 0.00146991470882363),
        (NDKA, 0.6119580, 0.0031908105493913),
        (S100B, 0.7313686, 0.00266868245717244),
    ],
)
def test_auc_and_variance_are_those_that_proc_prints(marker, auc, variance):
    got = delong(OUTCOME, marker)
    assert got.value == pytest.approx(auc, abs=5e-8)
    width = got.high - got.low
    assert width == pytest.approx(2 * 1.959963984540054 * np.sqrt(variance), rel=1e-12)


def test_intervals_are_those_that_proc_prints():
    # test-ci.auc.R, and "95% CI: 0.6301-0.8326 (DeLong)" in the documentation of roc.
    ndka, s100b = delong(OUTCOME, NDKA).interval, delong(OUTCOME, S100B).interval
    assert ndka == pytest.approx((0.501244999271703, 0.722670989888189), rel=1e-12)
    assert s100b == pytest.approx((0.6301, 0.8326), abs=5e-5)


@pytest.mark.parametrize(
    ("first", "second", "z", "p", "low", "high"),
    [
        # pROC's tests/testthat/test-roc.test.R.
        (WFNS, S100B, 2.20898359144091, 0.0271757822291882, 0.0104061769564846, 0.174214419249478),
        (WFNS, NDKA, 2.79777591868904, 0.00514557970691098, 0.0634011709339876, 0.3600405634833566),
        (NDKA, S100B, -1.39077002573558, 0.164295175223054, -0.2876917446341914, 0.048870606422809),
    ],
)
def test_comparisons_are_those_that_proc_prints(first, second, z, p, low, high):
    got = compare_aucs(OUTCOME, first, second)
    assert (got.z, got.p) == pytest.approx((z, p), rel=1e-9)
    interval = got.difference.interval
    assert interval == pytest.approx((low, high), rel=1e-9)
    assert (got.first, got.second) == (delong(OUTCOME, first).value, delong(OUTCOME, second).value)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS)
def test_ties_are_treated_as_by_the_papers_formulas(rows):
    labels, first, second = np.array([*rows, *BOTH_TWICE], dtype=float).T
    matrix = covariance(labels, first, second)
    got = compare_aucs(labels, first, second)
    difference = placement_values(labels, first)[0].mean() - got.second
    variance = matrix[0, 0] + matrix[1, 1] - 2 * matrix[0, 1]
    assert got.difference.value == pytest.approx(difference, abs=1e-12)
    half = 1.959963984540054 * np.sqrt(max(0.0, variance))
    assert got.difference.low == pytest.approx(max(-1, difference - half), abs=1e-7)
    assert got.difference.high == pytest.approx(min(1, difference + half), abs=1e-7)
    alone = delong(labels, first)
    assert alone.value == pytest.approx(reference.roc_auc_score(labels, first))
    half = 1.959963984540054 * np.sqrt(matrix[0, 0])
    assert alone.low == pytest.approx(max(0, alone.value - half), abs=1e-9)
    assert alone.high == pytest.approx(min(1, alone.value + half), abs=1e-9)


def clustered_variance(labels, scores, patients):
    """Obuchowski 1997, equations 3 to 5, by loops over patients."""
    v10, v01 = placement_values(labels, scores)
    auc, m, n = v10.mean(), len(v10), len(v01)
    rows = {side: np.flatnonzero(labels == side) for side in (0, 1)}
    sums = {}
    for name in set(patients):
        ill = [v for v, row in zip(v10, rows[1], strict=True) if patients[row] == name]
        healthy = [v for v, row in zip(v01, rows[0], strict=True) if patients[row] == name]
        sums[name] = len(ill), sum(ill), len(healthy), sum(healthy)
    with_ill = [s for s in sums.values() if s[0]]
    with_healthy = [s for s in sums.values() if s[2]]
    i10, i01, everyone = len(with_ill), len(with_healthy), len(sums)
    s10 = i10 / ((i10 - 1) * m) * sum((s[1] - s[0] * auc) ** 2 for s in with_ill)
    s01 = i01 / ((i01 - 1) * n) * sum((s[3] - s[2] * auc) ** 2 for s in with_healthy)
    s11 = sum((s[1] - s[0] * auc) * (s[3] - s[2] * auc) for s in sums.values())
    s11 *= everyone / (everyone - 1)
    return s10 / m + s01 / n + 2 * s11 / (m * n)


def test_the_clustered_variance_is_that_of_obuchowskis_formulas():
    rng = np.random.default_rng(3)
    patient = rng.integers(0, 25, 120)
    labels = rng.integers(0, 2, 120)  # a patient has ill and healthy images
    scores = np.round(labels + rng.normal(0, 1, 25)[patient] + rng.normal(0, 0.5, 120), 1)
    got = delong(labels, scores, patient)
    half = 1.959963984540054 * np.sqrt(clustered_variance(labels, scores, patient))
    assert got.low == pytest.approx(got.value - half, rel=1e-12)


def test_copies_of_a_patients_images_say_nothing_new():
    copied = [np.repeat(values, 3) for values in (OUTCOME, NDKA, S100B)]
    patient = np.repeat(np.arange(len(OUTCOME)), 3)
    assert delong(*copied[:2], patient).interval == pytest.approx(delong(OUTCOME, NDKA).interval)
    alone, by_patient = compare_aucs(OUTCOME, NDKA, S100B), compare_aucs(*copied, patient)
    assert by_patient.p == pytest.approx(alone.p)
    assert compare_aucs(*copied).p < 0.05 < alone.p  # by image they would


def test_the_p_value_is_even_between_models_alike():
    # Under the hypothesis p is uniform: 5 % below 0.05; 0.03 to 0.07 is three standard errors of
    # a share of 5 % among 1,000 either way.
    rng = np.random.default_rng(8)
    labels = np.arange(200) % 2
    both = rng.normal(labels, 1, (1000, 200))
    ps = [
        compare_aucs(labels, base + rng.normal(0, 0.5, 200), base + rng.normal(0, 0.5, 200)).p
        for base in both
    ]
    assert 0.03 < np.mean(np.array(ps) < 0.05) < 0.07


def test_a_model_does_not_differ_from_itself():
    got = compare_aucs(OUTCOME, WFNS, 2 * WFNS + 1)
    assert got.difference == Estimate(0.0, 0.0, 0.0)
    assert (got.z, got.p) == (0.0, 1.0)


def test_a_perfect_ranking_has_an_interval_of_no_width():
    assert delong(np.array([0, 0, 1, 1]), np.array([1, 2, 3, 4])) == Estimate(1.0, 1, 1)


def test_no_error_but_a_difference_leaves_the_test_undefined():
    labels = np.array([0, 0, 1, 1])
    got = compare_aucs(labels, np.array([1, 2, 3, 4]), np.array([4, 3, 2, 1]))
    assert got.difference == Estimate(1.0, 1.0, 1.0)
    assert (got.z, got.p) == (None, None)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_has_no_auc(label):
    labels, scores = np.full(3, label), np.array([0.1, 0.2, 0.3])
    assert delong(labels, scores) == Estimate(None)
    got = compare_aucs(labels, scores, scores)
    assert (got.first, got.second, got.difference) == (None, None, Estimate(None))
    assert (got.z, got.p) == (None, None)


@pytest.mark.parametrize("labels", [[0, 1, 1], [0, 0, 1]])
def test_a_single_image_of_a_class_has_no_interval(labels):
    labels, scores = np.array(labels), np.array([1, 3, 2])
    assert delong(labels, scores).interval is None
    got = compare_aucs(labels, scores, scores)
    assert (got.difference, got.z, got.p) == (Estimate(0.0), None, None)


def test_other_images_are_refused():
    with pytest.raises(PredictionsError, match=r"\(2,\) and \(3,\); compare models on the same"):
        compare_aucs(np.array([0, 1]), np.zeros(2), np.zeros(3))
