"""Small experiments from end to end: their files, the choice of a model, and resuming."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from pneumoscope.dataset import Split, open_dataset
from pneumoscope.dataset.manifest import SplitBy
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RecipeError, RunError, StorageError, WeightsError
from pneumoscope.training import ExampleStore, Run, make_recipe, memory_estimate
from pneumoscope.training.trainer import Trainer
from pneumoscope.workflows.baseline import evaluate_baseline
from pneumoscope.workflows.experiment import run_experiment, summarise_runs

MODELS = ("model_1", "model_4", "model_7")
METRICS = {
    *("n", "accuracy", "precision", "recall", "specificity", "f1", "auc"),
    *("average_precision", "confusion"),
}
SETTINGS = ("image_size=64", "epochs=2", "weights=none")


def recipes() -> list:
    return [make_recipe(model, assignments=SETTINGS) for model in MODELS]


@pytest.fixture(scope="module")
def experiment(small_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("experiment") / "out"
    manifest = open_dataset(small_dataset, split_by=SplitBy.IMAGE)
    run_experiment(manifest, recipes(), out, ArrayCache(out.parent / "cache"), min_recall=0.9)
    return out


def test_json_keeps_its_names(experiment: Path) -> None:
    content = json.loads((experiment / "results.json").read_text())
    assert content["schema"] == 1
    assert content["data"]["counts"] == {
        "train": {"NORMAL": 20, "PNEUMONIA": 20},
        "validation": {"NORMAL": 4, "PNEUMONIA": 4},
        "test": {"NORMAL": 8, "PNEUMONIA": 8},
    }
    assert content["data"]["synthetic"] is False
    assert content["data"]["split_by"] == "image"
    assert [model["name"] for model in content["models"]] == list(MODELS)
    for model in content["models"]:
        assert set(model["validation"]) == set(model["test"]) == METRICS
        assert set(model["parameters"]) == {"total", "trainable", "non_trainable"}
        assert model["epochs"] == 2
        assert model["seconds"] > 0
    assert content["chosen"] in MODELS
    assert "recall of at least 0.9" in content["rule"]


def test_metrics_follow_from_the_tables_of_predictions(experiment: Path) -> None:
    """Count the confusion matrix of every model from its CSV."""
    content = json.loads((experiment / "results.json").read_text())
    for model in content["models"]:
        path = experiment / "runs" / model["name"] / "predictions" / "test.csv"
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert {row["file"].split("/")[0] for row in rows} == {"test"}
        pairs = [(row["label"] == "PNEUMONIA", float(row["probability"]) >= 0.5) for row in rows]
        assert model["test"]["confusion"] == [
            [pairs.count((False, False)), pairs.count((False, True))],
            [pairs.count((True, False)), pairs.count((True, True))],
        ]
        false_negatives = [
            row["file"]
            for row, (ill, called) in zip(rows, pairs, strict=True)
            if ill and not called
        ]
        assert model["false_negatives"] == false_negatives


def test_going_on_to_more_epochs_leaves_no_report_of_fewer(
    experiment: Path, small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(experiment, tmp_path / "out")
    manifest = open_dataset(small_dataset, split_by=SplitBy.IMAGE)
    longer = [recipe.model_copy(update={"epochs": 3}) for recipe in recipes()]

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "run_epoch", interrupted)
    with pytest.raises(RunError, match="interrupted"):
        run_experiment(
            manifest, longer, out, ArrayCache(tmp_path / "cache"), min_recall=0.9, resume=True
        )
    assert {path.name for path in out.iterdir()} == {"manifest.parquet", "runs", "baseline"}


def test_a_refused_resume_leaves_the_report(
    experiment: Path, small_dataset: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(experiment, tmp_path / "out")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    manifest = open_dataset(small_dataset, split_by=SplitBy.IMAGE)
    other = [recipe.model_copy(update={"batch_size": 8}) for recipe in recipes()]
    cache = ArrayCache(tmp_path / "cache")
    with pytest.raises(RunError, match="another recipe"):
        run_experiment(manifest, other, out, cache, min_recall=0.9, resume=True)
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("option", "number"), [("seeds", 0), ("folds", 1), ("folds", -2)])
def test_an_impossible_number_of_repeats_is_refused_at_once(
    small_dataset: Path, tmp_path: Path, option: str, number: int
) -> None:
    cache = ArrayCache(tmp_path / "cache")
    with pytest.raises(RecipeError, match=f"--{option} must be"):
        run_experiment(
            open_dataset(small_dataset),
            recipes(),
            tmp_path / "out",
            cache,
            min_recall=0.9,
            **{option: number},
        )
    assert not (tmp_path / "out").exists()


def test_the_baseline_is_scikit_learns_logistic_regression(
    experiment: Path, small_dataset: Path
) -> None:
    """Fitted here on images that Pillow makes small."""
    manifest = open_dataset(experiment / "manifest.parquet")

    def small(split: Split) -> tuple[np.ndarray, list[int]]:
        entries = manifest.of(split)
        pixels = [
            np.asarray(Image.open(small_dataset / entry.path).resize((24, 24), Image.BILINEAR))
            for entry in entries
        ]
        return np.stack(pixels).reshape(len(entries), -1) / 255, [e.label for e in entries]

    model = LogisticRegression(max_iter=1000).fit(*small(Split.TRAIN))
    pixels, labels = small(Split.TEST)
    expected = roc_auc_score(labels, model.predict_proba(pixels)[:, 1])
    content = json.loads((experiment / "results.json").read_text())
    assert content["baseline"]["test"]["auc"] == pytest.approx(expected, abs=0.02)
    assert "logistic regression on 24 x 24 pixels" in (experiment / "report.html").read_text()


def test_each_model_has_the_threshold_of_highest_precision(experiment: Path) -> None:
    """Tried here at every probability of the validation table."""
    own = json.loads((experiment / "results.json").read_text())["own_thresholds"]
    for model in MODELS:
        path = experiment / "runs" / model / "predictions" / "validation.csv"
        table = Predictions.read(path)
        ill = table.labels == 1

        def rates(threshold: float, table=table, ill=ill) -> tuple[float, float]:
            called = table.probabilities >= threshold
            return float(called[ill].mean()), float(ill[called].mean())

        acceptable = [rates(p) for p in table.probabilities if rates(p)[0] >= 0.9]
        recall, precision = rates(own["thresholds"][model])
        assert recall >= 0.9
        assert precision == max(precision for _, precision in acceptable)


def test_the_choice_is_independent_of_the_test_split(
    experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap_metrics, "__defaults__", (100, 0))  # intervals choose nothing
    runs = [Run.open(experiment / "runs" / model) for model in MODELS]
    manifest = runs[0].manifest()
    store = ExampleStore(manifest, ArrayCache(experiment.parent / "cache"))
    baseline = evaluate_baseline(store, experiment / "baseline", 0.5)
    before = summarise_runs(manifest, runs, baseline, 0.9)
    for run in runs:
        path = run.folder / "predictions" / "test.csv"
        table = Predictions.read(path)
        Predictions(table.files, table.labels, 1 - table.probabilities, table.patients).write(
            path.with_name("kept.csv")
        )
        original = path.read_bytes()
        path.with_name("kept.csv").replace(path)
        after = summarise_runs(manifest, runs, baseline, 0.9)
        path.write_bytes(original)
        assert after.choice == before.choice
        assert after.own_thresholds.choice == before.own_thresholds.choice
        assert after.own_thresholds.thresholds == before.own_thresholds.thresholds
        changed = next(model for model in after.models if model.name == run.recipe.model)
        kept = next(model for model in before.models if model.name == run.recipe.model)
        assert changed.test != kept.test


def test_the_report_has_its_remarks(experiment: Path) -> None:
    report = (experiment / "report.html").read_text()
    assert "random weights" in report
    assert "L2 factor 0.01 is not in the notebook" in report
    assert "same patient" in report  # the notebook's leaking split
    assert "Synthetic phantoms" not in report
    results = json.loads((experiment / "results.json").read_text())
    # Whether two epochs on 40 images are enough depends on the processor's rounding.
    chosen = f"{results['chosen']} chosen" if results["usable"] else "none usable"
    assert f"{chosen} of {len(MODELS)}" in report


def test_a_used_folder_is_refused_and_resume_repeats_nothing(
    experiment: Path, small_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resuming finished Runs needs no memory, and reads no test split again."""
    manifest = open_dataset(small_dataset, split_by=SplitBy.IMAGE)
    cache = ArrayCache(experiment.parent / "cache")
    with pytest.raises(StorageError, match=r"not empty.*--resume"):
        run_experiment(manifest, recipes(), experiment, cache, min_recall=0.9)
    before = (experiment / "results.json").read_text()
    monkeypatch.setattr(memory_estimate, "free_memory", lambda: 0)
    monkeypatch.setattr(memory_estimate, "process_memory", lambda: 0)
    run_experiment(manifest, recipes(), experiment, cache, min_recall=0.9, resume=True)
    assert (experiment / "results.json").read_text() == before
    for folder in (*(experiment / "runs" / model for model in MODELS), experiment / "baseline"):
        readings = (folder / "test_readings.csv").read_text().splitlines()
        assert len(readings) == 2  # the heading and one reading
    with pytest.raises(RecipeError, match="nothing smaller fits"):
        run_experiment(manifest, recipes(), experiment.parent / "new", cache, min_recall=0.9)


def test_missing_weights_stop_before_any_training(small_dataset: Path, tmp_path: Path) -> None:
    wanted = make_recipe("model_7", assignments=["image_size=64", "weights=/nowhere/vgg16.h5"])
    first = make_recipe("model_1", assignments=SETTINGS)
    with pytest.raises(WeightsError, match=r"/nowhere/vgg16\.h5"):
        run_experiment(
            open_dataset(small_dataset),
            [first, wanted],
            tmp_path / "out",
            ArrayCache(tmp_path / "cache"),
            min_recall=0.9,
        )
    assert not (tmp_path / "out").exists()


def test_an_experiment_at_the_command_line(pneumoscope: Callable, tmp_path: Path) -> None:
    phantoms = tmp_path / "phantoms"
    assert pneumoscope("data", "phantoms", "--out", phantoms, "--count", 40, "--size", 64).code == 0
    outcome = pneumoscope(
        *("experiment", phantoms, "--out", tmp_path / "out", "--model", "model_1"),
        *("--set", "image_size=64", "--set", "epochs=1"),
    )
    assert outcome.code == 0, outcome.err
    assert (
        "Chosen by the notebook's rule, all at 0.5: none, since no model is usable" in outcome.out
    )
    assert "model_1 is not eligible at 0.5: on validation data it calls everyone ill" in outcome.err
    content = json.loads((tmp_path / "out" / "results.json").read_text())
    assert content["data"]["synthetic"] is True
    assert "synthetic" in (tmp_path / "out" / "report.html").read_text().lower()


def test_resuming_with_other_data_leaves_the_experiment_as_it_is(
    experiment: Path, small_dataset: Path
) -> None:
    before = (experiment / "manifest.parquet").read_bytes()
    other = open_dataset(small_dataset, split_by=SplitBy.IMAGE, seed=5)
    cache = ArrayCache(experiment.parent / "cache")
    with pytest.raises(RunError, match="other data or another split"):
        run_experiment(other, recipes(), experiment, cache, min_recall=0.9, resume=True)
    assert (experiment / "manifest.parquet").read_bytes() == before


def test_resuming_with_fewer_models_does_not_shrink_the_report(
    experiment: Path, small_dataset: Path
) -> None:
    manifest = open_dataset(small_dataset, split_by=SplitBy.IMAGE)
    cache = ArrayCache(experiment.parent / "cache")
    with pytest.raises(RunError, match=r"holds the Run model_\d too"):
        run_experiment(manifest, recipes()[:1], experiment, cache, min_recall=0.9, resume=True)
