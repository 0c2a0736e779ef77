"""Experiments with several seeds and folds: what is repeated, and what the results say of it."""

import csv
import html
import json
from collections import defaultdict
from pathlib import Path

import pytest

from pneumoscope.dataset import Split, open_dataset
from pneumoscope.evaluation.report.experiment_results import ExperimentResult
from pneumoscope.support.cache import ArrayCache
from pneumoscope.training import ExampleStore, Recipe, evaluate_once, make_recipe, train
from pneumoscope.workflows.experiment import run_experiment

MODELS = ("model_1", "model_2")


def recipe(model: str, seed: int = 0) -> Recipe:
    return make_recipe(model, seed=seed, assignments=["image_size=64", "epochs=1"])


@pytest.fixture(scope="module")
def repeated(
    small_dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, ExperimentResult]:
    out = tmp_path_factory.mktemp("repeated") / "out"
    recipes = [recipe(model) for model in MODELS]
    cache = ArrayCache(out.parent / "cache")
    manifest = open_dataset(small_dataset)
    result = run_experiment(manifest, recipes, out, cache, min_recall=0.9, seeds=2, folds=2)
    return out, result


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_further_seeds_are_those_of_trainings_with_these_seeds(
    repeated: tuple[Path, ExperimentResult], small_dataset: Path, tmp_path: Path
) -> None:
    out, _ = repeated
    content = json.loads((out / "results.json").read_text())
    assert content["seeds"]["n"] == len(content["seeds"]["chosen"]) == 2
    store = ExampleStore(open_dataset(small_dataset), ArrayCache(tmp_path / "cache"))
    alone = train(store, recipe("model_2", seed=1), tmp_path / "alone")
    evaluate_once(alone, store)
    first = next(model for model in content["models"] if model["name"] == "model_2")
    for split in ("validation", "test"):
        second = json.loads((alone.folder / "metrics" / f"{split}.json").read_text())
        for metric in ("accuracy", "precision", "recall", "auc"):
            values = content["seeds"][split]["model_2"][metric]
            assert values == [first[split][metric], second[metric]]


def test_each_image_but_those_of_test_is_evaluated_in_one_fold(
    repeated: tuple[Path, ExperimentResult], small_dataset: Path
) -> None:
    out, _ = repeated
    manifest = open_dataset(small_dataset)
    patients = {entry.path: entry.group for entry in manifest.entries}
    folds_of = defaultdict(set)
    evaluated = []
    for number in (1, 2):
        run = out / "folds" / f"model_1-fold{number}"
        assert not list(run.glob("*/test.*"))
        assert not (run / "test_readings.csv").exists()
        for row in rows(run / "predictions" / "validation.csv"):
            evaluated.append(row["file"])
            folds_of[patients[row["file"]]].add(number)
    used = [e.path for e in manifest.in_use if e.split is not Split.TEST]
    assert sorted(evaluated) == sorted(used)
    assert all(len(folds) == 1 for folds in folds_of.values())
    content = json.loads((out / "results.json").read_text())
    assert set(content["folds"]) == {"n", "chosen", "validation"}


def test_the_report_shows_mean_and_range(repeated: tuple[Path, ExperimentResult]) -> None:
    out, result = repeated
    seeds, _ = result.repeats
    first, second = (
        read_accuracy(out / "runs" / "model_1"),
        read_accuracy(out / "seeds" / "model_1-seed1"),
    )
    page = html.unescape((out / "report.html").read_text())
    low, high = sorted((first, second))
    assert f"{(first + second) / 2:.3f}<small>{low:.3f} to {high:.3f}</small>" in page
    assert seeds.describe_choices() in page
    assert "Spread over 2 folds, validation images" in page


def read_accuracy(run: Path) -> float:
    called = rows(run / "predictions" / "test.csv")
    right = [(row["label"] == "PNEUMONIA") == (float(row["probability"]) >= 0.5) for row in called]
    return sum(right) / len(right)


def test_a_further_seed_s_reading_of_test_is_recorded(
    repeated: tuple[Path, ExperimentResult],
) -> None:
    out, _ = repeated
    for model in MODELS:
        assert len(rows(out / "seeds" / f"{model}-seed1" / "test_readings.csv")) == 1
