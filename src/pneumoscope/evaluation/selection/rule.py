"""The rule by which one of several models is chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

from pneumoscope.support.errors import PredictionsError

MIN_RECALL = 0.99
"""The recall a model must reach to be chosen for its precision, unless asked otherwise."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model and the two figures it is chosen by, each within [0, 1] or None if undefined."""

    name: str
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen model.

    Parameters
    ----------
    name
        Which one.
    qualified
        Whether it reaches the least recall; if not, none does.
    rule
        The rule that decided, in words.
    """

    name: str
    qualified: bool
    rule: str


def choose(candidates: Sequence[Candidate], min_recall: float = MIN_RECALL) -> Choice:
    """Choose the highest precision among the models with a recall of at least ``min_recall``.

    If none has it, the highest recall is chosen. A tie is broken by the other figure, then by the
    order given; an undefined figure counts as worst. A missed pneumonia is dearer than a false
    alarm: that is why recall is the condition and precision the aim.

    Parameters
    ----------
    candidates
        The models with their figures on validation data; those of the test data would make the
        chosen model look better than it is.
    min_recall
        The recall asked for, within [0, 1].

    Returns
    -------
    Choice
        The model, and the rule in words.

    Raises
    ------
    PredictionsError
        If there are no candidates, or ``min_recall`` is not within [0, 1].

    Examples
    --------
    >>> models = [Candidate("careful", 0.7, 0.995), Candidate("bold", 0.9, 0.95)]
    >>> choose(models).name
    'careful'
    >>> choose(models, min_recall=0.9).name
    'bold'
    """
    if not candidates:
        raise PredictionsError("there is no model to choose from; evaluate at least one")
    if not 0 <= min_recall <= 1:
        raise PredictionsError(
            f"a least recall of {min_recall} cannot be; give a number from 0 to 1, such as 0.99"
        )
    qualified = [model for model in candidates if _worth(model.recall) >= min_recall]
    if qualified:
        best = max(qualified, key=lambda model: (_worth(model.precision), _worth(model.recall)))
    else:
        best = max(candidates, key=lambda model: (_worth(model.recall), _worth(model.precision)))
    rule = (
        f"highest precision among the models with a recall of at least {min_recall:g}, or if there "
        "is none the highest recall, on validation data"
    )
    return Choice(best.name, bool(qualified), rule)


def _worth(figure: float | None) -> float:
    return -1.0 if figure is None else figure
