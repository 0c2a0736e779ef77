"""Repeated trainings of an experiment's models, and the spread of their metrics."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pneumoscope.evaluation.report.cells import Cell
from pneumoscope.evaluation.report.views import TableView
from pneumoscope.evaluation.statistics.metrics import RESULT_METRICS, Metrics
from pneumoscope.report.estimate import format_number

_METRICS_BY_HEADING = {
    "Accuracy": "accuracy",
    "Precision": "ppv",
    "Recall": "sensitivity",
    "AUC": "auc",
}
_DESCRIPTIONS = {
    "seed": "Trainings that differ in their random seed alone.",
    "fold": "Cross-validation: train and validation images are dealt into folds by patient, and "
    "each fold is evaluated by a network that learned from the others.",
}


@dataclass(frozen=True, slots=True)
class RepeatedTrainings:
    """Metrics of several trainings of each model.

    Parameters
    ----------
    unit
        What the trainings differ in: their random seed, or the fold that is left out.
    validation
        Metrics on validation images (of a fold: on that fold), for each model in the same order of
        seeds or folds.
    test
        Metrics on test images; empty for folds, which do not read them.
    chosen
        For each seed or fold, the model that the notebook's rule chooses; None if it is unusable.
    """

    unit: Literal["seed", "fold"]
    validation: Mapping[str, Sequence[Metrics]]
    test: Mapping[str, Sequence[Metrics]]
    chosen: tuple[str | None, ...]

    @property
    def splits(self) -> dict[str, Mapping[str, Sequence[Metrics]]]:
        """Metrics by the name of the split that they are of."""
        return {"validation": self.validation} | ({"test": self.test} if self.test else {})

    def describe_choices(self) -> str:
        """Return how often the rule chooses each model.

        Examples
        --------
        >>> trainings = RepeatedTrainings("seed", {}, {}, ("model_4", "model_2", "model_4"))
        >>> print(trainings.describe_choices())
        Of 3 seeds, the notebook's rule chooses model_4 in 2, model_2 in 1.
        """
        counts = Counter(name or "no usable model" for name in self.chosen).most_common()
        chosen = ", ".join(f"{name} in {n}" for name, n in counts)
        return f"Of {len(self.chosen)} {self.unit}s, the notebook's rule chooses {chosen}."


def repeats_tables(repeats: RepeatedTrainings) -> list[TableView]:
    """Return the mean, the lowest and the highest of each metric, on validation and on test."""
    return [
        TableView(
            f"Spread over {len(repeats.chosen)} {repeats.unit}s, {split} images: mean; small: "
            f"lowest to highest. {_DESCRIPTIONS[repeats.unit]}",
            ("Model", *_METRICS_BY_HEADING),
            tuple(
                (name, *(_spread(metrics, metric) for metric in _METRICS_BY_HEADING.values()))
                for name, metrics in models.items()
            ),
        )
        for split, models in repeats.splits.items()
    ]


def repeats_json(repeats: RepeatedTrainings) -> dict[str, object]:
    """Return the metrics of each training, as lists in the order of the seeds or folds."""
    return {
        "n": len(repeats.chosen),
        "chosen": list(repeats.chosen),
        **{
            split: {
                name: {key: _values(metrics, ours) for key, ours in RESULT_METRICS.items()}
                for name, metrics in models.items()
            }
            for split, models in repeats.splits.items()
        },
    }


def _spread(metrics: Sequence[Metrics], name: str) -> Cell:
    values = [value for value in _values(metrics, name) if value is not None]
    if not values:
        return Cell("–", "undefined")
    low, high = format_number(min(values)), format_number(max(values))
    return Cell(format_number(float(np.mean(values))), f"{low} to {high}")


def _values(metrics: Sequence[Metrics], name: str) -> list[float | None]:
    return [measured.value(name) for measured in metrics]
