"""Tables of the comparison, of invented results, worked out by hand."""

from dataclasses import replace

import pytest

from benchmarks.comparison import Comparison, Result, Task, WholeExperiment
from benchmarks.report import Spread
from pneumoscope.models import NOTEBOOK_MODELS

RIGHT, WRONG = [0.1, 0.9], [0.9, 0.1]


def result(
    program: str,
    model: str,
    epoch_seconds: list[float],
    seed: int = 0,
    epochs: int = 10,
    probabilities: list[float] = RIGHT,
) -> Result:
    task = Task(program, model, seed, epochs, "data")
    return Result(task, 10 + sum(epoch_seconds), 500.0, epoch_seconds, [0, 1], probabilities)


def whole(program: str, seconds: float, epochs: dict[str, int]) -> WholeExperiment:
    return WholeExperiment(Task(program, "experiment", 0, 0, "data"), seconds, 700.0, epochs)


@pytest.fixture
def comparison() -> Comparison:
    results = [
        result("notebook", "model_1", [30.0, 10.0, 12.0]),
        result("float32", "model_1", [5.0, 5.0, 5.0]),
        result("bfloat16", "model_1", [2.0, 2.0, 2.0]),
        result("notebook", "model_1", [11.0, 11.0, 11.0], seed=1, probabilities=WRONG),
        result("float32", "model_1", [5.0, 5.0, 5.0], seed=1),
        result("bfloat16", "model_1", [6.0, 2.0, 2.0], seed=1),
        result("notebook", "model_7", [600.0], epochs=1),
        result("float32", "model_7", [1.0] * 6, epochs=10),
        result("bfloat16", "model_7", [0.5] * 4, epochs=10),
    ]
    epochs = {"model_1": 3, "model_5": 2, "model_6": 3, "model_7": 4}
    experiments = [whole("float32", 200.0, epochs), whole("bfloat16", 100.0, epochs)]
    return Comparison(results, experiments, "bfloat16")


def rows(comparison: Comparison, title: str) -> list[dict]:
    return next(list(table.rows) for table in comparison.tables() if table.title == title)


def test_an_epoch_is_the_median_over_epochs_and_seeds(comparison: Comparison) -> None:
    notebook, _, ours = rows(comparison, "Models")[:3]
    assert notebook["s an epoch, median"] == 11
    assert notebook["mean"] == pytest.approx((30 + 10 + 12 + 33) / 6)
    assert (ours["program"], ours["s an epoch, median"]) == ("ours, bfloat16", 2)
    assert ours["times faster"] == 5.5
    assert notebook["s to the end"] == (62 + 43) / 2
    assert ours["times faster to the end"] == pytest.approx(52.5 / 18)
    assert notebook["accuracy"] == Spread(0.5, 0.0, 1.0)
    assert ours["auc"] == Spread(1.0, 1.0, 1.0)


def test_a_model_timed_for_one_epoch_is_counted_for_ours(comparison: Comparison) -> None:
    notebook = next(row for row in rows(comparison, "Models") if row["s an epoch, median"] == 600)
    assert notebook["s to the end"] == 10 + 4 * 600
    assert [notebook[name] for name in ("accuracy", "precision", "recall", "auc")] == [None] * 4


def test_the_whole_experiment_adds_up(comparison: Comparison) -> None:
    """Model 1 at the first seed, and models 5 to 7 with 2, 3 and 4 epochs of model 7."""
    expected = 62 + (10 + 1200) + (10 + 1800) + (10 + 2400)
    notebook, float32, bfloat16 = rows(comparison, "The whole experiment")
    assert notebook["seconds"] == expected
    assert float32["times faster"] == expected / 200
    assert bfloat16["times faster"] == expected / 100


def test_equal_epochs_remove_the_effect_of_an_early_stop(comparison: Comparison) -> None:
    """The notebook's model 1 took 10 s and three epochs of 52 s; ours stopped after the first."""
    early = whole("bfloat16", 10.0, {"model_1": 1, "model_7": 2})
    notebook, ours = rows(replace(comparison, experiments=[early]), "The whole experiment")
    assert (notebook["epochs"], ours["epochs"]) == ("3 + 2", "1 + 2")
    assert ours["times faster"] == pytest.approx((10 + 52 + 10 + 1200) / 10)
    assert ours["with equal epochs"] == pytest.approx((10 + 52 / 3 + 10 + 1200) / 10)


def test_models_trained_for_fewer_epochs_are_only_timed(comparison: Comparison) -> None:
    """The notebook's model 1 took 10 s, and its first two epochs of three took 40 s."""
    results = [
        replace(r, task=replace(r.task, epochs=2), epoch_seconds=r.epoch_seconds[:2], seconds=50.0)
        for r in comparison.results
    ]
    few = Comparison(results, [whole("bfloat16", 10.0, {"model_1": 3})], "bfloat16")
    notebook, ours = rows(few, "The whole experiment")
    assert (notebook["epochs"], ours["epochs"]) == ("3", "3")
    assert notebook["seconds"] == pytest.approx(10 + 3 * 40 / 2)
    assert {row["accuracy"] for row in rows(few, "Models")} == {None}
    assert [row["goal"] for row in rows(few, "Goals")] == ["model_1, an epoch: times faster"]


def test_goals_are_for_the_default_precision(comparison: Comparison) -> None:
    goals = {row["goal"]: row for row in rows(comparison, "Goals")}
    # Not the experiment's: it lacks models 2 to 4. Not model 7's accuracy: it was only timed.
    assert list(goals) == ["model_1, an epoch: times faster", "model_1: test accuracy"]
    epoch, accuracy = goals.values()
    assert (epoch["measured"], epoch["outcome"]) == (5.5, "met")
    assert accuracy["at least"] == -0.5  # a mean of 0.5, seeds apart by 1
    assert (accuracy["measured"], accuracy["outcome"]) == (1.0, "met")


def test_a_missed_goal_is_called_missed() -> None:
    models = ["model_1", "model_2", "model_3", "model_4", "model_7"]
    results = [
        result(program, model, [seconds], seed, probabilities=probabilities)
        for model in models
        for seed in (0, 1)
        for program, seconds, probabilities in (("notebook", 5.0, RIGHT), ("float32", 2.0, WRONG))
    ]
    epochs = dict.fromkeys(NOTEBOOK_MODELS, 1)
    comparison = Comparison(results, [whole("float32", 9.0, epochs)], "float32")
    goals = {row["goal"]: row for row in rows(comparison, "Goals")}
    assert {row["outcome"] for row in goals.values()} == {"missed"}
    assert goals["the experiment: times faster"]["measured"] == pytest.approx(7 * 15 / 9)
    assert len(goals) == 4 + 1 + 5
    first_seed = replace(comparison, results=[r for r in results if r.task.seed == 0])
    assert len(rows(first_seed, "Goals")) == 4 + 1
