"""Paired differences of sensitivity and specificity."""

import numpy as np
import pytest

from pneumoscope.evaluation.statistics.bootstrap import patient_draws
from pneumoscope.evaluation.statistics.paired_bootstrap import rate_differences


def test_differences_are_those_of_a_plain_loop_over_resamples(drawn):
    first, second = (drawn(120, seed=4, images_per_patient=3), drawn(120, seed=5))
    second = type(first)(first.files, first.labels, second.probabilities, first.patients)
    got = rate_differences((first, 0.5), (second, 0.4), draws=300, seed=6)
    patient = np.unique(first.patients, return_inverse=True)[1]
    calls = first.probabilities >= 0.5, second.probabilities >= 0.4

    def differences(times: np.ndarray) -> list[float]:
        rows = np.repeat(np.arange(120), times[patient])
        ill = first.labels[rows] == 1
        one, two = (call[rows] for call in calls)
        return [one[ill].mean() - two[ill].mean(), two[~ill].mean() - one[~ill].mean()]

    values = np.array(
        [differences(times) for times in patient_draws(40, 300, np.random.default_rng(6))]
    )
    whole = differences(np.ones(40, int))
    for name, value, column in zip(("sensitivity", "specificity"), whole, values.T, strict=True):
        assert got[name].value == pytest.approx(value)
        assert got[name].interval == pytest.approx(np.percentile(column, [2.5, 97.5]))


@pytest.mark.parametrize(("threshold", "difference"), [(0.5, 0.0), (0.0, -1.0)])
def test_resamples_that_all_agree_give_no_interval(table, threshold, difference):
    labels = [0, 1] * 20
    good = table(labels, [0.1, 0.9] * 20)
    got = rate_differences((good, threshold), (good, 0.5), draws=50)
    assert got["specificity"].value == difference
    assert got["specificity"].interval is None
