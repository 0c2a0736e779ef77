"""Rule for choosing one of several models: highest precision at a lowest acceptable recall."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pneumoscope.evaluation.statistics.metrics import Metrics
from pneumoscope.support.errors import PredictionsError

MIN_RECALL = 0.99
"""Default of the lowest acceptable recall."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Model with the two metrics that it is chosen by, within [0, 1] or None if undefined.

    ``ineligible`` is the reason why it cannot be chosen, None if it can.
    """

    name: str
    precision: float | None
    recall: float | None
    ineligible: str | None = None

    @classmethod
    def of(cls, name: str, metrics: Metrics) -> "Candidate":
        """Return a model with its metrics on validation data, which have intervals."""
        return cls(name, metrics.value("ppv"), metrics.value("sensitivity"), ineligibility(metrics))


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Choice of a model.

    Parameters
    ----------
    name
        Chosen model.
    qualified
        Whether it has the lowest acceptable recall; if not, no eligible model has.
    rule
        Rule in words.
    tied
        Models with the same precision and recall, of which the order decided.
    ineligible
        Reasons why models could not be chosen, by name. If they are all models, ``name`` is only
        the best of the unusable ones.
    usable
        Whether any model was eligible.
    """

    name: str
    qualified: bool
    rule: str
    tied: tuple[str, ...] = ()
    ineligible: Mapping[str, str] = field(default_factory=dict)
    usable: bool = True


def ineligibility(metrics: Metrics) -> str | None:
    """Return why a model with these metrics on validation data cannot be chosen; None if it can.

    A model that calls everyone ill has a perfect recall, and so may one that ranks at random.

    Examples
    --------
    >>> import numpy as np
    >>> from pneumoscope.evaluation.predictions import Predictions
    >>> from pneumoscope.evaluation.statistics.metrics import measure
    >>> files = ("a.png", "b.png")
    >>> ineligibility(measure(Predictions(files, np.array([0, 1]), np.array([0.6, 0.9]), files)))
    'calls everyone ill (specificity 0)'
    >>> ineligibility(measure(Predictions(files, np.array([1, 1]), np.array([0.6, 0.9]), files)))
    'may rank no better than chance (AUC undefined)'
    """
    if metrics.value("specificity") == 0:
        return "calls everyone ill (specificity 0)"
    auc = metrics["auc"]
    if auc.low is None or auc.low <= 0.5:
        return f"may rank no better than chance (AUC {auc})"
    return None


def choose_model(candidates: Sequence[Candidate], min_recall: float = MIN_RECALL) -> ModelChoice:
    """Choose the model of highest precision among those with an acceptable recall.

    If there is none, the model of highest recall is chosen. A tie is broken by the other metric,
    then by the order given; an undefined metric ranks last. A missed pneumonia is worse than a
    false positive, so recall is the condition and precision the objective. Models that are not
    eligible (see `ineligibility`) are left out; where none is eligible, the choice is not usable.

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
    eligible = [model for model in candidates if model.ineligible is None]
    pool = eligible or candidates
    qualified = [model for model in pool if _rank(model.recall) >= min_recall]
    if qualified:
        best = max(qualified, key=lambda model: (_rank(model.precision), _rank(model.recall)))
    else:
        best = max(pool, key=lambda model: (_rank(model.recall), _rank(model.precision)))
    rule = (
        f"highest precision among the models with a recall of at least {min_recall:g}, or if there "
        "is none the highest recall, on validation data; not eligible are models that call "
        "everyone ill or whose AUC interval reaches 0.5"
    )
    return ModelChoice(
        best.name,
        bool(qualified),
        rule,
        tied=tuple(
            model.name
            for model in pool
            if model is not best
            and (model.precision, model.recall) == (best.precision, best.recall)
        ),
        ineligible={model.name: model.ineligible for model in candidates if model.ineligible},
        usable=bool(eligible),
    )


def require_choice(models: int, min_recall: float) -> None:
    """Raise `PredictionsError` if there are no models, or the recall is not within [0, 1]."""
    if not models:
        raise PredictionsError("there is no model to choose from; evaluate at least one")
    if not 0 <= min_recall <= 1:
        raise PredictionsError(f"--min-recall must be between 0 and 1, not {min_recall}")


def _rank(metric: float | None) -> float:
    return -1.0 if metric is None else metric
