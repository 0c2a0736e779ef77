"""Schedule, compared with learning rates and stops in the notebook's logs."""

import math

import pytest
import torch

from pneumoscope.evaluation.report.published_notebook import PUBLISHED_VAL_LOSSES
from pneumoscope.training.recipe import EarlyStopping, OneCycle, ReduceLROnPlateau
from pneumoscope.training.schedule import LearningRateSchedule, PlateauDetector, one_cycle

# Learning rate of each epoch, as the notebook printed it.
RATES = {
    "model_4": [1e-3, 1e-3, 1e-3, 1e-3, 5e-4, 2.5e-4, 2.5e-4, 1.25e-4, 1.25e-4, 6.25e-5],
    "model_5": [1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 5e-4, 2.5e-4, 2.5e-4],
    "model_6": [1e-3] * 9 + [5e-4],
    "model_7": [1e-3] * 9 + [5e-4],
}


@pytest.mark.parametrize("model", RATES)
def test_learning_rates_are_those_the_notebook_printed(model: str) -> None:
    schedule = LearningRateSchedule(1e-3, EarlyStopping(), ReduceLROnPlateau())
    used = []
    for loss in PUBLISHED_VAL_LOSSES[model]:
        used.append(schedule.learning_rate)
        schedule.update(loss)
    assert used == pytest.approx(RATES[model])
    assert not schedule.stopped


def test_early_stopping_ends_model_2_where_the_notebook_ended() -> None:
    schedule = LearningRateSchedule(1e-3, EarlyStopping(), None)
    stopped = []
    for loss in PUBLISHED_VAL_LOSSES["model_2"]:
        schedule.update(loss)
        stopped.append(schedule.stopped)
    assert stopped == [False] * 6 + [True]
    assert schedule.learning_rate == 1e-3


def test_an_improvement_smaller_than_min_delta_is_a_plateau() -> None:
    schedule = LearningRateSchedule(
        1.0, None, ReduceLROnPlateau(factor=0.5, patience=1, min_delta=1e-2)
    )
    for loss in (1.0, 0.995):
        schedule.update(loss)
    assert schedule.learning_rate == 0.5


def test_nan_never_counts_as_an_improvement() -> None:
    patience = PlateauDetector(patience=2)
    assert [patience.update(loss) for loss in (1.0, math.nan, math.nan)] == [False, False, True]


def test_patience_restarts_after_a_reduction() -> None:
    # Keras with patience 2: best at epoch 1; epochs 2 and 3 use it up, then 4 and 5.
    schedule = LearningRateSchedule(1.0, None, ReduceLROnPlateau(factor=0.5, patience=2))
    rates = []
    for _ in range(5):
        schedule.update(1.0)
        rates.append(schedule.learning_rate)
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.25]


def test_one_cycle_falls_as_pytorchs_cosine_and_rises_linearly() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(torch.optim.SGD([weight], lr=1.0), T_max=75)
    falling = []
    for _ in range(76):
        falling.append(theirs.get_last_lr()[0])
        theirs.optimizer.step()
        theirs.step()
    ours = [one_cycle(OneCycle(warmup=0.25), batch / 100) for batch in range(101)]
    assert ours[25:] == pytest.approx(falling, abs=1e-9)
    assert ours[:25] == pytest.approx([batch / 25 for batch in range(25)])
