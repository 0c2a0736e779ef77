"""Rule for choosing one of several models: highest precision at a lowest acceptable recall."""

from collections.abc import Sequence
from dataclasses import dataclass

from pneumoscope.support.errors import PredictionsError

MIN_RECALL = 0.99
"""Default of the lowest acceptable recall."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Model with the two metrics that it is chosen by, within [0, 1] or None if undefined."""

    name: str
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Chosen model; if it is not ``qualified``, no model has the lowest acceptable recall."""

    name: str
    qualified: bool
    rule: str


def choose_model(candidates: Sequence[Candidate], min_recall: float = MIN_RECALL) -> ModelChoice:
    """Choose the model of highest precision among those with an acceptable recall.

    If there is none, the model of highest recall is chosen. A tie is broken by the other metric,
    then by the order given; an undefined metric ranks last. A missed pneumonia is worse than a
    false positive, so recall is the condition and precision the objective.

    Parameters
    ----------
    candidates
        Models with their metrics on validation data; on test data the chosen model would look
        better than it is.
    min_recall
        Lowest acceptable recall, within [0, 1].

    Raises
    ------
    PredictionsError
        If there are no candidates, or ``min_recall`` is not within [0, 1].

    Examples
    --------
    >>> models = [Candidate("careful", 0.7, 0.995), Candidate("bold", 0.9, 0.95)]
    >>> choose_model(models).name
    'careful'
    >>> choose_model(models, min_recall=0.9).name
    'bold'
    """
    require_choice(len(candidates), min_recall)
    qualified = [model for model in candidates if _rank(model.recall) >= min_recall]
    if qualified:
        best = max(qualified, key=lambda model: (_rank(model.precision), _rank(model.recall)))
    else:
        best = max(candidates, key=lambda model: (_rank(model.recall), _rank(model.precision)))
    rule = (
        f"highest precision among the models with a recall of at least {min_recall:g}, or if there "
        "is none the highest recall, on validation data"
    )
    return ModelChoice(best.name, bool(qualified), rule)


def require_choice(models: int, min_recall: float) -> None:
    """Raise `PredictionsError` if there are no models, or the recall is not within [0, 1]."""
    if not models:
        raise PredictionsError("there is no model to choose from; evaluate at least one")
    if not 0 <= min_recall <= 1:
        raise PredictionsError(f"--min-recall must be between 0 and 1, not {min_recall}")


def _rank(metric: float | None) -> float:
    return -1.0 if metric is None else metric
