"""Comparison of Runs: the settings that differ, and their results on validation images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pneumoscope.dataset import Split
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.paired_bootstrap import rate_differences
from pneumoscope.evaluation.statistics.paired_tests import PairedComparison, compare_pairs
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.distinct_names import distinguishing_parts
from pneumoscope.support.errors import RunError
from pneumoscope.training.evaluate import (
    is_evaluated,
    read_estimates,
    read_predictions,
    with_patients,
)
from pneumoscope.training.run import Run

_Image: TypeAlias = tuple[str, str | None, int]
"""Path, SHA-256 and label of an image."""

_Model: TypeAlias = tuple[Predictions, float]
"""Predictions on validation images, and the lowest probability that is called PNEUMONIA."""


@dataclass(frozen=True, slots=True)
class RunPair:
    """Two Runs on the same validation images, each at the threshold of its recipe.

    Parameters
    ----------
    tests
        Paired tests of AUC and calls; p-values are corrected for the number of pairs of Runs that
        have these images.
    rates
        Sensitivity and specificity of the first Run minus those of the second, by name.
    images
        Number of images.
    """

    tests: PairedComparison
    rates: Mapping[str, Estimate]
    images: int


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Comparison of Runs on their validation images; the test split takes no part.

    Parameters
    ----------
    names
        Distinguishing part of each Run's path.
    runs
        Runs in the order given.
    settings
        Settings of the recipes that differ, by name: the value of each Run, None where its recipe
        has no such setting.
    validation
        Metrics of each Run by `RESULT_METRICS`; None where its training has not finished.
    pairs
        Pairs of Runs that have the same validation images.
    """

    names: tuple[str, ...]
    runs: tuple[Run, ...]
    settings: Mapping[str, tuple[Any, ...]]
    validation: tuple[Mapping[str, Estimate] | None, ...]
    pairs: tuple[RunPair, ...]


def compare_runs(folders: Sequence[Path]) -> RunComparison:
    """Compare the settings and the validation results of Runs; no image is read.

    Parameters
    ----------
    folders
        Run directories, at least two.

    Raises
    ------
    RunError
        If there are fewer than two, one is given twice, is no Run, or is damaged.
    """
    if len({folder.resolve() for folder in folders}) < max(2, len(folders)):
        raise RunError("pass two or more different Runs to compare")
    runs = [Run.open(folder) for folder in folders]
    names = distinguishing_parts(folders)
    finished = {
        name: run
        for name, run in zip(names, runs, strict=True)
        if is_evaluated(run, Split.VALIDATION)
    }
    estimates = {name: read_estimates(run, Split.VALIDATION) for name, run in finished.items()}
    return RunComparison(
        tuple(names),
        tuple(runs),
        different_settings([run.recipe.model_dump(mode="json") for run in runs]),
        tuple(estimates.get(name) for name in names),
        tuple(pair for group in _groups_of_same_images(finished) for pair in _pairs_of(group)),
    )


def different_settings(recipes: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Return the settings that differ between recipes; those inside a group are named with a dot.

    Examples
    --------
    >>> different_settings([{"seed": 1, "stop": {"patience": 3}}, {"seed": 1, "stop": None}])
    {'stop.patience': (3, None)}
    """
    flat = [dict(_flatten(recipe)) for recipe in recipes]
    names = dict.fromkeys(name for settings in flat for name in settings)
    values = {name: tuple(settings.get(name) for settings in flat) for name in names}
    return {name: row for name, row in values.items() if any(value != row[0] for value in row)}


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _groups_of_same_images(runs: Mapping[str, Run]) -> Iterator[Mapping[str, _Model]]:
    """Yield the models of Runs whose validation images are equal in path, content and label."""
    groups: dict[frozenset[_Image], dict[str, _Model]] = {}
    for name, run in runs.items():
        entries = run.manifest().of(Split.VALIDATION)
        images = frozenset((entry.path, entry.sha256, int(entry.label)) for entry in entries)
        predictions = with_patients(read_predictions(run, Split.VALIDATION), entries)
        groups.setdefault(images, {})[name] = predictions, run.recipe.threshold
    yield from groups.values()


def _pairs_of(models: Mapping[str, _Model]) -> Iterator[RunPair]:
    for tests in compare_pairs(models):
        first, second = models[tests.first], models[tests.second]
        yield RunPair(tests, rate_differences(first, second), len(first[0].files))
