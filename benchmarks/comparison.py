"""Comparison of the programs' results: tables and goals. No program is run here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from statistics import fmean, median

import numpy as np

from benchmarks.report import Cell, Spread, Table
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.metrics import RESULT_METRICS, Metrics, measure
from pneumoscope.models import NOTEBOOK_MODELS
from pneumoscope.training import make_recipe

NOTEBOOK = "notebook"
METRICS = ("accuracy", "precision", "recall", "auc")
EPOCH_GOAL = 3.0
EXPERIMENT_GOAL = 12.0
OWN_NETWORKS = ("model_1", "model_2", "model_3", "model_4")
"""The models without VGG16."""


GOALS_NOTE = """\
Ours at the precision that the recipe picks on this host. Test accuracy: at least the notebook's
mean over the seeds, less the wider of the two ranges; not evaluated with one seed."""

MODELS_NOTE = """\
An epoch is training and validation; the mean includes the first epoch. Seconds to the end: from the
start of the process to the predictions on test, with decoding and VGG16's pass (ours: with an empty
cache and a written manifest; figures with intervals are drawn too); median over the seeds. Where
the notebook's program was timed for one epoch only, its seconds to the end are extrapolated to our
number of epochs. Metrics, of complete trainings only: mean over the seeds, lowest and highest."""

WHOLE_NOTE = """\
Ours is measured from the source to the report. The notebook's is the sum of its programs at the
first seed, each including the start of TensorFlow (some seconds); a model on VGG16 takes the
seconds of model 7, with our number of epochs. Where model 7 was timed for one epoch only, that is
its first, which builds the graph too. Epochs are listed model by model; an early stop of one of the
programs can decide the ratio. With equal epochs: the notebook's programs are counted with our
number of epochs; so is a model that was only timed, for fewer epochs."""


@dataclass(frozen=True)
class Task:
    """One training, or whole experiment, to run.

    Parameters
    ----------
    program
        `NOTEBOOK`, or the precision of our program.
    model, seed
        Name of the model, and random seed.
    epochs
        Maximum number of epochs; 0 for each model's own.
    data
        Fingerprint of the manifest.
    """

    program: str
    model: str
    seed: int
    epochs: int
    data: str


@dataclass(frozen=True)
class Result:
    """Measurements and test predictions of one training.

    Parameters
    ----------
    task
        The task.
    seconds
        Duration of the process.
    peak_mb
        Peak resident memory, mapped files included.
    epoch_seconds
        Duration of each epoch, validation included.
    labels, probabilities
        True label and predicted probability of each test image.
    """

    task: Task
    seconds: float
    peak_mb: float
    epoch_seconds: Sequence[float]
    labels: Sequence[int]
    probabilities: Sequence[float]

    def metrics(self) -> Metrics:
        """Return the metrics of the predictions, by the same code for both programs."""
        files = tuple(map(str, range(len(self.labels))))
        return measure(
            Predictions(files, np.array(self.labels), np.array(self.probabilities), files)
        )

    def seconds_for(self, epochs: float) -> float:
        """Return the seconds to the end, extrapolated to a number of epochs."""
        return self.seconds + (epochs - len(self.epoch_seconds)) * fmean(self.epoch_seconds)


@dataclass(frozen=True)
class WholeExperiment:
    """Our whole experiment: several models from an empty cache to the report in one process.

    Parameters
    ----------
    task
        The task; its model is the word experiment, and the models, joined by ``+``.
    seconds, peak_mb
        Duration and peak memory, as in `Result`.
    epochs
        Number of epochs of each model.
    """

    task: Task
    seconds: float
    peak_mb: float
    epochs: Mapping[str, int]


@dataclass(frozen=True)
class Comparison:
    """Results of both programs, and the tables made of them.

    Parameters
    ----------
    results
        Results of every model, program and seed.
    experiments
        Our whole experiments, one for each precision.
    default
        Precision that the recipe picks on this host.
    """

    results: Sequence[Result]
    experiments: Sequence[WholeExperiment]
    default: str

    def tables(self) -> list[Table]:
        """Return the goals, the models and the whole experiment."""
        return [
            Table("Goals", list(self._goals()), GOALS_NOTE),
            Table("Models", list(self._models()), MODELS_NOTE),
            Table("The whole experiment", list(self._whole()), WHOLE_NOTE),
        ]

    def epoch_ratio(self, model: str, program: str) -> float:
        """Return the speed-up of an epoch over the notebook's."""
        return self._epoch_seconds(model, NOTEBOOK) / self._epoch_seconds(model, program)

    def experiment_ratio(self, experiment: WholeExperiment) -> float:
        """Return the speed-up of the whole experiment over the notebook's."""
        return self.notebook_seconds() / experiment.seconds

    def notebook_seconds(self) -> float:
        """Return the notebook's seconds for the models of the experiment.

        A model on VGG16 takes those of model 7 with as many epochs as ours trained it for.
        """
        return self._notebook_seconds_for(self._notebook_epochs())

    def _notebook_epochs(self) -> dict[str, int]:
        ours = next(e for e in self.experiments if e.task.program == self.default).epochs
        return {model: self._epochs_beside(model, epochs) for model, epochs in ours.items()}

    def _epochs_beside(self, model: str, ours: int) -> int:
        """Return the notebook's number of epochs, or ours where it was only timed."""
        result = self._notebook_of(model)
        own = model in OWN_NETWORKS and result.task.epochs >= ours
        return len(result.epoch_seconds) if own else ours

    def _notebook_seconds_for(self, epochs: Mapping[str, int]) -> float:
        return sum(self._notebook_of(model).seconds_for(count) for model, count in epochs.items())

    def _notebook_of(self, model: str) -> Result:
        """Return the notebook's result at the first seed; model 7 stands for all on VGG16."""
        return self._of(model if model in OWN_NETWORKS else "model_7", NOTEBOOK)[0]

    def _of(self, model: str, program: str) -> list[Result]:
        return [r for r in self.results if (r.task.model, r.task.program) == (model, program)]

    def _epoch_seconds(self, model: str, program: str) -> float:
        return median(s for result in self._of(model, program) for s in result.epoch_seconds)

    def _seconds_to_end(self, model: str, program: str) -> float:
        return median(map(self._seconds, self._of(model, program)))

    def _seconds(self, result: Result) -> float:
        if not self._cut_short(result):
            return result.seconds
        ours = self._of(result.task.model, self.default)
        return result.seconds_for(median(len(our.epoch_seconds) for our in ours))

    def _cut_short(self, result: Result) -> bool:
        """Tell whether a training was only timed, for fewer epochs than ours."""
        ours = self._of(result.task.model, self.default)
        return result.task.epochs < max(our.task.epochs for our in ours)

    def _models(self) -> Iterator[dict[str, Cell]]:
        pairs = dict.fromkeys((r.task.model, r.task.program) for r in self.results)
        for model, program in sorted(pairs, key=itemgetter(0)):
            results = self._of(model, program)
            seconds = self._seconds_to_end(model, program)
            yield {
                "model": model,
                "program": label(program),
                "s an epoch, median": self._epoch_seconds(model, program),
                "mean": fmean(s for result in results for s in result.epoch_seconds),
                "times faster": self.epoch_ratio(model, program),
                "s to the end": seconds,
                "times faster to the end": self._seconds_to_end(model, NOTEBOOK) / seconds,
                "peak memory MB": max(result.peak_mb for result in results),
                **{name: self._spread(results, name) for name in METRICS},
            }

    def _spread(self, results: Sequence[Result], metric: str) -> Spread | None:
        if any(r.task.epochs < make_recipe(r.task.model).epochs for r in results):
            return None  # only timed
        values = [result.metrics().value(RESULT_METRICS[metric]) for result in results]
        known = [value for value in values if value is not None]
        return Spread.of(known) if len(known) == len(values) else None

    def _whole(self) -> Iterator[dict[str, Cell]]:
        yield {
            "program": NOTEBOOK,
            "epochs": _sum(self._notebook_epochs()),
            "seconds": self.notebook_seconds(),
            "times faster": 1.0,
            "with equal epochs": 1.0,
            "peak memory MB": None,
        }
        for experiment in self.experiments:
            equal = self._notebook_seconds_for(experiment.epochs) / experiment.seconds
            yield {
                "program": label(experiment.task.program),
                "epochs": _sum(experiment.epochs),
                "seconds": experiment.seconds,
                "times faster": self.experiment_ratio(experiment),
                "with equal epochs": equal,
                "peak memory MB": experiment.peak_mb,
            }

    def _goals(self) -> Iterator[dict[str, Cell]]:
        models = list(dict.fromkeys(result.task.model for result in self.results))
        for model in models:
            if model in OWN_NETWORKS:
                ratio = self.epoch_ratio(model, self.default)
                yield _goal(f"{model}, an epoch: times faster", EPOCH_GOAL, ratio)
        for experiment in self.experiments:
            if experiment.task.program == self.default and len(experiment.epochs) == len(
                NOTEBOOK_MODELS
            ):
                ratio = self.experiment_ratio(experiment)
                yield _goal("the experiment: times faster", EXPERIMENT_GOAL, ratio)
        for model in models:
            notebook = self._spread(self._of(model, NOTEBOOK), "accuracy")
            ours = self._spread(self._of(model, self.default), "accuracy")
            several_seeds = len(self._of(model, NOTEBOOK)) > 1
            if notebook is not None and ours is not None and several_seeds:
                lowest = notebook.mean - max(notebook.width, ours.width)
                yield _goal(f"{model}: test accuracy", lowest, ours.mean)


def label(program: str) -> str:
    """Return a program's name in the tables."""
    return program if program == NOTEBOOK else f"ours, {program}"


def _sum(epochs: Mapping[str, int]) -> str:
    return " + ".join(map(str, epochs.values()))


def _goal(name: str, minimum: float, measured: float) -> dict[str, Cell]:
    outcome = "met" if measured >= minimum else "missed"
    return {"goal": name, "at least": minimum, "measured": measured, "outcome": outcome}
