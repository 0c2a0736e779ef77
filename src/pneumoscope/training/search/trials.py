"""Table of a search's trials."""

import csv
import io
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState


def trials_csv(trials: Sequence[FrozenTrial], settings: Sequence[str]) -> str:
    """Return trials as CSV: score, standard deviation over folds, minutes, and settings.

    Parameters
    ----------
    trials
        Trials of a study; queued ones are left out.
    settings
        Names of the settings that are searched.
    """
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


def describe_trial(trial: FrozenTrial) -> str:
    """Return a line about a trial that is over."""
    if trial.state is TrialState.COMPLETE:
        return f"trial {trial.number}: score {trial.values[0]:.4f}"
    reason = trial.user_attrs.get("reason", "the time was over")
    return f"trial {trial.number}: stopped early, {reason}"
