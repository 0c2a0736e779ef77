"""Temperature scaling against scikit-learn and by its properties."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pneumoscope.evaluation.statistics.temperature_scaling import apply_temperature, fit_temperature


@pytest.mark.parametrize("truth", [0.4, 1.0, 3.5])
def test_it_is_logistic_regression_without_intercept(truth: float) -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(0.5, 3, 2000)
    labels = (draw.random(2000) < 1 / (1 + np.exp(-logits / truth))).astype(np.int8)
    reference = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-9).fit(
        logits[:, None], labels
    )
    temperature = fit_temperature(logits, labels)
    assert 1 / temperature == pytest.approx(reference.coef_[0, 0], rel=1e-4)
    assert temperature == pytest.approx(truth, rel=0.2)


@pytest.mark.parametrize(("sign", "limit"), [(1, 0.05), (-1, 20)])
def test_without_a_minimum_it_stops_at_a_limit(sign: int, limit: float) -> None:
    logits = sign * np.array([-3.0, -1.0, 2.0, 5.0])
    assert fit_temperature(logits, np.array([0, 0, 1, 1], np.int8)) == pytest.approx(
        limit, rel=0.01
    )


def test_extreme_logits_neither_overflow_nor_change_order() -> None:
    with np.errstate(all="raise"):
        probabilities = apply_temperature(np.array([-1e4, -2.0, 0.0, 2.0, 1e4]), 0.5)
    np.testing.assert_allclose(probabilities, [0, 1 / (1 + np.e**4), 0.5, 1 / (1 + np.e**-4), 1])
