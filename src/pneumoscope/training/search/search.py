"""Hyperparameter search: trials of recipes, scored by cross-validation."""

import csv
import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import optuna
import torch
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, Trial, TrialState

from pneumoscope.dataset import Manifest
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RecipeError, RunError, RunInterruptedError, StorageError
from pneumoscope.support.files import write_text
from pneumoscope.support.terminal import progress_bar
from pneumoscope.training.search.cross_validation import CrossValidation
from pneumoscope.training.search.plan import SearchPlan
from pneumoscope.training.search.study import STORAGE_FILE, first_line, open_study, suggest

TRIALS_FILE = "trials.csv"
BEST_RECIPE_FILE = "best.yaml"


class Search:
    """Search for a recipe, kept in a folder; the dataset's test split is not read.

    The folder gets ``search.db``, ``trials.csv`` and ``best.yaml``, each after every trial.

    Raises
    ------
    DatasetError
        If there are too few patients for the folds.
    RecipeError
        If a setting is wrong, or nothing is left to search.
    RunError
        If the folder holds another search, a damaged one, or one and ``resume`` is not set.
    """

    def __init__(
        self, manifest: Manifest, plan: SearchPlan, out: Path, cache: ArrayCache, *, resume: bool
    ) -> None:
        plan.validate()
        self.manifest, self.out = manifest, out
        self.cross_validation = CrossValidation(manifest, plan, cache)
        self.study, self.plan = open_study(out, plan, manifest.fingerprint, resume=resume)

    def run(self, seconds: float, trials: int | None = None) -> None:
        """Run trials until the time is over; the one that it cuts short is queued again.

        Raises
        ------
        RunInterruptedError
            If interrupted.
        StorageError
            If the search cannot be written.
        """
        deadline = time.monotonic() + seconds
        with progress_bar() as bar:
            task = bar.add_task("Searching", total=seconds)

            def objective(trial: Trial) -> float:
                scores: list[float] = []
                for _ in self._train_folds(trial, scores):
                    left = deadline - time.monotonic()
                    bar.update(task, completed=seconds - max(0.0, left))
                    if left < 0:
                        self.study.stop()
                        raise _OutOfTimeError
                trial.set_user_attr("spread", float(np.std(scores)))
                return float(np.mean(scores))

            def record(_: optuna.Study, trial: FrozenTrial) -> None:
                if trial.state is TrialState.FAIL:
                    self.study.enqueue_trial(trial.params)
                self.write_results()
                bar.console.print(_describe_trial(trial))

            self._optimize(objective, record, seconds, trials)

    def _optimize(
        self,
        objective: Callable[[Trial], float],
        record: Callable[[optuna.Study, FrozenTrial], None],
        seconds: float,
        trials: int | None,
    ) -> None:
        try:
            self.study.optimize(
                objective, trials, timeout=seconds, callbacks=[record], catch=(_OutOfTimeError,)
            )
        except KeyboardInterrupt as interrupt:
            started = [
                trial for trial in self.study.get_trials() if trial.state is not TrialState.WAITING
            ]
            self.study.enqueue_trial(started[-1].params)
            self.write_results()
            raise RunInterruptedError(
                f"{self.out}: interrupted; finished trials are kept. Run the same command with "
                "--resume to continue"
            ) from interrupt
        except StorageInternalError as error:
            raise StorageError(
                f"{self.out / STORAGE_FILE}: cannot be written ({first_line(error.__cause__)}); "
                "free disk space or correct the permissions, and continue with --resume"
            ) from error

    @property
    def best(self) -> FrozenTrial | None:
        """Finished trial with the highest score; None before one is finished."""
        finished = self.study.get_trials(states=[TrialState.COMPLETE])
        return max(finished, key=lambda trial: trial.values[0], default=None)

    def write_results(self) -> None:
        """Write the table of trials and the best recipe, atomically."""
        table = trials_csv(self.study.get_trials(), list(self.plan.space))
        write_text(self.out / TRIALS_FILE, table)
        if self.best is not None:
            recipe = self.plan.recipe(self.best.params)
            write_text(self.out / BEST_RECIPE_FILE, recipe.to_yaml())

    def _train_folds(self, trial: Trial, scores: list[float]) -> Iterator[None]:
        """Train on each fold, one epoch a step, and append each fold's score."""
        space = self.plan.space.items()
        parameters = {name: suggest(trial, name, values) for name, values in space}
        try:
            trainers = self.cross_validation.trainers(self.plan.recipe(parameters))
            for number, trainer in enumerate(trainers, start=1):
                while not trainer.finished:
                    trainer.run_epoch(lambda *_: None)
                    yield
                scores.append(self.cross_validation.score(trainer))
                trial.report(float(np.mean(scores)), number)
                if number < self.plan.folds and trial.should_prune():
                    _prune(trial, "worse than the median")
        except (RecipeError, RunError, torch.OutOfMemoryError) as error:  # too large, or diverged
            _prune(trial, str(error))


def trials_csv(trials: Sequence[FrozenTrial], settings: Sequence[str]) -> str:
    """Return trials as CSV: score, standard deviation over folds, minutes, and settings."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "score", "spread", "minutes", *settings])
    for trial in trials:
        if trial.state is TrialState.WAITING:
            continue
        score = trial.values[0] if trial.state is TrialState.COMPLETE and trial.values else None
        writer.writerow(
            [
                trial.number,
                trial.state.name.lower(),
                score,
                trial.user_attrs.get("spread"),
                duration_minutes(trial),
                *(trial.params.get(name) for name in settings),
            ]
        )
    return text.getvalue()


def duration_minutes(trial: FrozenTrial) -> float | None:
    """Return the duration of a trial; None if it failed or is not over."""
    if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED) or trial.duration is None:
        return None
    return round(trial.duration.total_seconds() / 60, 2)


def _describe_trial(trial: FrozenTrial) -> str:
    """Return a line about a trial that is over."""
    if trial.state is TrialState.COMPLETE:
        return f"trial {trial.number}: score {trial.values[0]:.4f}"
    reason = trial.user_attrs.get("reason", "the time was over")
    return f"trial {trial.number}: stopped early, {reason}"


class _OutOfTimeError(Exception):
    """End of the search's time, which says nothing about a trial."""


def _prune(trial: Trial, reason: str) -> NoReturn:
    trial.set_user_attr("reason", reason)
    raise optuna.TrialPruned(reason)
