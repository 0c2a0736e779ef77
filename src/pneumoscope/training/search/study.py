"""Storage of a search: an Optuna study in an SQLite file."""

from dataclasses import replace
from pathlib import Path

import optuna
from optuna.exceptions import OptunaError
from optuna.trial import Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from pneumoscope.models import Precision
from pneumoscope.support.errors import RunError, StorageError
from pneumoscope.training.search.plan import Choices, Range, SearchPlan

STORAGE_FILE = "search.db"

FORMAT = 2
"""Version of a search's folder; in format 1 settings had other names."""

_MIN_TRIALS_BEFORE_PRUNING = 5
"""Number of finished trials before one may be stopped early for a score below the median."""


def open_study(
    out: Path, plan: SearchPlan, data: str, *, resume: bool
) -> tuple[optuna.Study, SearchPlan]:
    """Open the study of a search's folder, or create it, with at least one trial.

    Trials that were running when a process ended are queued again. The returned plan has the
    precision that the search was started with.

    Raises
    ------
    RunError
        If the folder holds another search, a damaged one, or one and ``resume`` is not set.
    StorageError
        If the folder cannot be created.
    """
    path = out / STORAGE_FILE
    if path.exists() and not resume:
        raise RunError(
            f"{out}: holds a search already; continue it with --resume, or name another --out"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{out}: cannot be created ({error}); name another --out") from error
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # errors are reported by this package
    try:
        study = optuna.create_study(
            study_name="recipes",
            storage=f"sqlite:///{path.resolve()}",
            load_if_exists=True,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_MIN_TRIALS_BEFORE_PRUNING),
        )
        if precision := study.user_attrs.get("precision"):
            plan = replace(plan, precision=Precision(precision))
        _record_settings(study, plan, data, out)
        for trial in study.get_trials(states=[TrialState.RUNNING]):
            study.tell(trial.number, state=TrialState.FAIL)
            study.enqueue_trial(trial.params)
        if not study.trials:
            study.enqueue_trial(plan.default_parameters)
    except (SQLAlchemyError, OptunaError, RuntimeError) as error:
        raise RunError(
            f"{path}: cannot be opened as a search ({first_line(error)}); search into another --out"
        ) from error
    # With the same seed a resumed search would propose the same trials again.
    study.sampler = optuna.samplers.TPESampler(seed=plan.seed + len(study.trials))
    return study, plan


def _record_settings(study: optuna.Study, plan: SearchPlan, data: str, out: Path) -> None:
    """Record the settings of a search, or raise if it was started with other ones."""
    recorded = study.user_attrs
    if recorded and recorded.get("format") != FORMAT:
        raise RunError(
            f"{out}: a search of another version of pneumoscope, whose settings have other names; "
            "search into another --out, or continue with the version that started it"
        )
    settings = {
        "format": FORMAT,
        "data": data,
        "models": list(plan.models),
        "settings": list(plan.settings),
        "folds": plan.folds,
        "held_out": str(plan.held_out),
        "seed": plan.seed,
        "precision": str(plan.precision),
    }
    for name, value in settings.items():
        if recorded and recorded.get(name) != value:
            raise RunError(
                f"{out}: was started with other {name} ({recorded.get(name)}, not {value}); use "
                "the same, or search into another --out"
            )
        study.set_user_attr(name, value)


def suggest(trial: Trial, name: str, values: Range | Choices) -> int | float | str:
    """Return the value of a setting that the sampler proposes for a trial."""
    if isinstance(values, Range):
        return trial.suggest_float(name, values.low, values.high, log=values.log)
    choice = trial.suggest_categorical(name, list(values))
    assert isinstance(choice, int | str)
    return choice


def first_line(error: BaseException | None) -> str:
    """Return an error's message without the SQL statement that follows it."""
    return str(error).partition("\n")[0]
