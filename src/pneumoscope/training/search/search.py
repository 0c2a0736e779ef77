"""The search over recipes: trials on folds of train and validation; the test split is not read."""

import csv
import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import optuna
import torch
from numpy.typing import NDArray
from optuna.exceptions import OptunaError, StorageInternalError
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from pneumoscope.dataset import Entry, Manifest, Split
from pneumoscope.dataset.splits import deal_folds
from pneumoscope.evaluation.statistics.covariate_adjusted_auc import adjusted_auc
from pneumoscope.models import Precision, build_network
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RecipeError, RunError, RunInterruptedError, StorageError
from pneumoscope.support.files import write_text
from pneumoscope.support.terminal import progress_bar
from pneumoscope.training.acquisition_groups import (
    acquisition_strata,
    describe_entries,
    leave_one_acquisition_out,
)
from pneumoscope.training.examples import ExampleStore
from pneumoscope.training.memory_estimate import require_memory
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.search.plan import Choices, HeldOut, Plan, Range
from pneumoscope.training.trainer import Trainer, predict

STORAGE = "search.db"
TRIALS = "trials.csv"
BEST = "best.yaml"

_TRIED_FIRST = 5
"""Trials before one may be ended for being worse than the median."""


class Search:
    """A search, kept in a folder.

    Parameters
    ----------
    manifest
        The dataset; its test split is left alone.
    plan
        What is searched.
    out
        Gets ``search.db``, ``trials.csv`` and ``best.yaml``, each after every trial.
    cache
        Keeps the prepared pixels.
    resume
        Go on with a search begun earlier.

    Raises
    ------
    DatasetError
        If there are too few patients for the folds.
    RecipeError
        If a setting is wrong, or leaves nothing to search.
    RunError
        If the folder holds another search, a damaged one, or one and ``resume`` is not set.
    """

    def __init__(
        self, manifest: Manifest, plan: Plan, out: Path, cache: ArrayCache, *, resume: bool
    ) -> None:
        plan.check()
        self.manifest, self.plan, self.out, self.cache = manifest, plan, out, cache
        self.folds = [replace(manifest, entries=tuple(entries)) for entries in self._deal()]
        self.study = self._open(resume)

    def run(self, seconds: float, trials: int | None = None) -> None:
        """Try recipes until the time is over; the trial that it cuts short is the next one's first.

        Parameters
        ----------
        seconds
            How long.
        trials
            At most, from now on.

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
                        raise _CutShortError
                trial.set_user_attr("spread", float(np.std(scores)))
                return float(np.mean(scores))

            def keep(_: optuna.Study, trial: FrozenTrial) -> None:
                if trial.state is TrialState.FAIL:
                    self.study.enqueue_trial(trial.params)
                self.write()
                bar.console.print(_line(trial))

            self._optimize(objective, keep, seconds, trials)

    def _optimize(
        self,
        objective: Callable[[Trial], float],
        keep: Callable[[optuna.Study, FrozenTrial], None],
        seconds: float,
        trials: int | None,
    ) -> None:
        try:
            self.study.optimize(
                objective, trials, timeout=seconds, callbacks=[keep], catch=(_CutShortError,)
            )
        except KeyboardInterrupt as interrupt:
            begun = [t for t in self.study.get_trials() if t.state is not TrialState.WAITING]
            self.study.enqueue_trial(begun[-1].params)
            self.write()
            raise RunInterruptedError(
                f"{self.out}: interrupted; the trials that were finished are kept. Run the same "
                "command with --resume to go on"
            ) from interrupt
        except StorageInternalError as error:
            raise StorageError(
                f"{self.out / STORAGE}: cannot be written ({_first_line(error.__cause__)}); make "
                "room, or make it writable, and go on with --resume"
            ) from error

    @property
    def best(self) -> FrozenTrial | None:
        """The finished trial with the highest score; None before one is finished."""
        finished = self.study.get_trials(states=[TrialState.COMPLETE])
        return max(finished, key=lambda trial: trial.values[0], default=None)

    def write(self) -> None:
        """Write the table of trials and the best recipe, atomically."""
        write_text(self.out / TRIALS, trials_csv(self.study.get_trials(), list(self.plan.space)))
        if self.best is not None:
            write_text(self.out / BEST, self.plan.recipe(self.best.params).to_yaml())

    def _train_folds(self, trial: Trial, scores: list[float]) -> Iterator[None]:
        """Train on one fold after the other, an epoch at each step; add each fold's score."""
        chosen = {name: _suggest(trial, name, values) for name, values in self.plan.space.items()}
        try:
            recipe = self.plan.recipe(chosen)
            for number, fold in enumerate(self.folds, start=1):
                trainer = self._trainer(recipe, fold)
                while not trainer.finished:
                    trainer.run_epoch(lambda *_: None)
                    yield
                scores.append(self._score(trainer))
                trial.report(float(np.mean(scores)), number)
                if number < len(self.folds) and trial.should_prune():
                    _end(trial, "worse than the median")
        except (RecipeError, RunError, torch.OutOfMemoryError) as error:  # too large, or diverged
            _end(trial, str(error))

    def _trainer(self, recipe: Recipe, fold: Manifest) -> Trainer:
        store = ExampleStore(fold, self.cache)
        train, validation = (
            store.pixels(split, recipe) for split in (Split.TRAIN, Split.VALIDATION)
        )
        require_memory(recipe, len(train) + len(validation))
        network = build_network(recipe.spec, recipe.image_size, recipe.seed)
        return Trainer(network, recipe, train, validation)

    def _score(self, trainer: Trainer) -> float:
        train, validation = trainer.train, trainer.validation
        strata = np.zeros(len(validation), np.intp)
        if self.plan.held_out is HeldOut.PATIENTS:
            learned, judged = (
                np.stack([self._how_made[entry.path] for entry in part.entries])
                for part in (train, validation)
            )
            strata = acquisition_strata(learned, train.labels, judged)
        said = predict(trainer.result, validation, trainer.recipe.precision)
        score = adjusted_auc(validation.labels, said, strata)
        if score is None:
            raise RunError("borders and markers alone tell the classes apart: no images are alike")
        return score

    def _deal(self) -> list[list[Entry]]:
        entries, count, seed = self.manifest.entries, self.plan.folds, self.plan.seed
        if self.plan.held_out is HeldOut.MACHINES:
            return leave_one_acquisition_out(entries, self._how_made, count, seed)
        return deal_folds(entries, count, seed)

    @cached_property
    def _how_made(self) -> dict[str, NDArray[np.float64]]:
        entries = [entry for entry in self.manifest.in_use if entry.split is not Split.TEST]
        table = describe_entries(self.manifest, entries, self.cache)
        return {entry.path: row for entry, row in zip(entries, table, strict=True)}

    def _open(self, resume: bool) -> optuna.Study:
        path = self.out / STORAGE
        if path.exists() and not resume:
            raise RunError(
                f"{self.out}: a search was begun there; go on with --resume, or name another --out"
            )
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"{self.out}: cannot be made ({error}); name another --out"
            ) from error
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # what it would say is said here
        try:
            study = optuna.create_study(
                study_name="recipes",
                storage=f"sqlite:///{path.resolve()}",
                load_if_exists=True,
                direction="maximize",
                pruner=optuna.pruners.MedianPruner(n_startup_trials=_TRIED_FIRST),
            )
            self._settle(study)
            _try_again(study)
            if not study.trials:
                study.enqueue_trial(self.plan.own)
        except (SQLAlchemyError, OptunaError, RuntimeError) as error:
            raise RunError(
                f"{path}: cannot be opened as a search ({_first_line(error)}); search into another "
                "--out"
            ) from error
        # Begun anew with the same seed it would propose again what it proposed before.
        study.sampler = optuna.samplers.TPESampler(seed=self.plan.seed + len(study.trials))
        return study

    def _settle(self, study: optuna.Study) -> None:
        """Note what the search is about, or see that it is what it was begun with."""
        before = study.user_attrs
        if "precision" in before:
            self.plan = replace(self.plan, precision=Precision(before["precision"]))
        for name, value in self._about().items():
            if before and before.get(name) != value:
                raise RunError(
                    f"{self.out}: was begun with other {name} ({before.get(name)}, not {value}); "
                    "search with the same, or into another --out"
                )
            study.set_user_attr(name, value)

    def _about(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "data": self.manifest.fingerprint,
            "models": list(plan.models),
            "settings": list(plan.settings),
            "folds": plan.folds,
            "held_out": str(plan.held_out),
            "seed": plan.seed,
            "precision": str(plan.precision),
        }


def trials_csv(trials: Sequence[FrozenTrial], names: Sequence[str]) -> str:
    """Return trials as a table: score, spread over folds, minutes, and what was tried."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "score", "spread", "minutes", *names])
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
                minutes(trial),
                *(trial.params.get(name) for name in names),
            ]
        )
    return text.getvalue()


def minutes(trial: FrozenTrial) -> float | None:
    """Return how long a trial took; None if nobody saw it end."""
    if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED) or trial.duration is None:
        return None
    return round(trial.duration.total_seconds() / 60, 2)


class _CutShortError(Exception):
    """The time is over, which says nothing about a trial."""


def _end(trial: Trial, why: str) -> NoReturn:
    trial.set_user_attr("why", why)
    raise optuna.TrialPruned(why)


def _suggest(trial: Trial, name: str, values: Range | Choices) -> int | float | str:
    if isinstance(values, Range):
        return trial.suggest_float(name, values.low, values.high, log=values.log)
    chosen = trial.suggest_categorical(name, list(values))
    assert isinstance(chosen, int | str)
    return chosen


def _try_again(study: optuna.Study) -> None:
    """Queue what was running when the process ended."""
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)


def _first_line(error: BaseException | None) -> str:
    """Return what an error says, without the statement of SQL that follows."""
    return str(error).partition("\n")[0]


def _line(trial: FrozenTrial) -> str:
    if trial.state is TrialState.COMPLETE:
        return f"trial {trial.number}: score {trial.values[0]:.4f}"
    return f"trial {trial.number}: ended early, {trial.user_attrs.get('why', 'the time was over')}"
