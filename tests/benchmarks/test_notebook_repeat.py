from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.notebook_repeat import Trainings, factor_row
from pneumoscope.evaluation.report.published_notebook import PUBLISHED_VAL_LOSSES


class Known(Trainings):
    """Trainings whose losses are given."""

    losses = np.zeros(0)


def trainings(losses: np.ndarray) -> Known:
    made = Known("model_7", 0.01, (SimpleNamespace(),) * len(losses))
    object.__setattr__(made, "losses", losses)
    return made


def test_the_distance_is_that_of_logarithms() -> None:
    printed = np.array(PUBLISHED_VAL_LOSSES["model_7"])
    same = factor_row(trainings(np.stack([printed * 0.9, printed * 1.1])))
    assert (same["distance"], same["within"]) == ("0.000", "10 of 10")
    twice = factor_row(trainings(np.stack([printed * 2])))
    assert float(twice["distance"]) == pytest.approx(np.log(2), abs=5e-4)
    assert twice["within"] == "0 of 10"


def test_the_smallest_version_repeats_a_model_and_another_factor(run_benchmark) -> None:
    tables = run_benchmark("notebook_repeat")
    [metrics] = tables["Metrics on test"]
    assert (metrics["model"], metrics["seeds"]) == ("model_5", 1)
    assert metrics["recall, notebook"] == "0.992"
    assert [row["L2 factor"] for row in tables["L2 factors"]] == ["0.01", "0.02"]
    [loss] = tables["Validation loss"]
    assert loss["notebook"] == "0.2756"
