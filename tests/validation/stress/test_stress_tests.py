"""Stress tests as JSON and on a page: their claims, numbers of images, and file names."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pneumoscope.evaluation.model_evaluation import ModelEvaluation, Subject, evaluate_model
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.reader import load
from pneumoscope.report import html
from pneumoscope.report.estimate import Estimate
from pneumoscope.validation.report.stress_json import stress_tests_json
from pneumoscope.validation.report.stress_view import StressTestsView, view_stress_tests
from pneumoscope.validation.stress.stress_tests import (
    StressTests,
    TrainingImages,
    run_stress_tests,
)


@pytest.fixture(scope="module")
def files(radiographs: Callable) -> list[Path]:
    return radiographs(8)


@pytest.fixture(scope="module")
def predictions(files: list[Path]) -> Predictions:
    names = tuple(f"given/{number}.png" for number in range(len(files)))
    labels = np.arange(len(files)) % 2
    return Predictions(names, labels, 1.0 - labels, names)  # all are wrong


@pytest.fixture(scope="module")
def stress_tests(
    files: list[Path], predictions: Predictions, tmp_path_factory: pytest.TempPathFactory
) -> StressTests:
    """Return stress tests with two images from training and one missing image."""
    folder = tmp_path_factory.mktemp("machine") / "data" / "train" / "NORMAL"
    folder.mkdir(parents=True)
    for number, path in enumerate((files[3], files[5])):
        (folder / f"learned{number}.png").write_bytes(path.read_bytes())
    training = TrainingImages(tuple(sorted(folder.iterdir())), (0, 0))
    there = [*files[:-1], folder / "gone.png"]
    return run_stress_tests(load(threads=2), there, predictions, 0.5, training)


@pytest.fixture(scope="module")
def unknown(stress_tests: StressTests) -> StressTests:
    """Return stress tests of a reader whose training images are unknown."""

    def bare(failures: tuple) -> tuple:
        return tuple(replace(failure, neighbours=()) for failure in failures)

    failures = replace(
        stress_tests.failures,
        false_negatives=bare(stress_tests.failures.false_negatives),
        false_positives=bare(stress_tests.failures.false_positives),
    )
    return replace(stress_tests, failures=failures, duplicates=None)


@pytest.fixture(scope="module")
def evaluation(predictions: Predictions) -> ModelEvaluation:
    return evaluate_model(Subject("bundle", "phantoms", predictions, {"even": 0.5}), draws=20)


@pytest.fixture(scope="module")
def view(stress_tests: StressTests, evaluation: ModelEvaluation) -> StressTestsView:
    return view_stress_tests(stress_tests, evaluation)


def page(view: StressTestsView) -> str:
    macro = html._templates.get_template("stress_tests.html").module.stress_test_sections
    return " ".join(str(macro(view)).split())


def test_training_duplicates_have_short_names_without_their_folder(
    stress_tests: StressTests, view: StressTestsView, files: list[Path]
) -> None:
    content = stress_tests_json(stress_tests)
    named = {
        (duplicate["file"], duplicate["training"])
        for duplicate in content["duplicates_of_training"]
    }
    assert named == {
        ("given/3.png", "train/NORMAL/learned0.png"),
        ("given/5.png", "train/NORMAL/learned1.png"),
    }
    alike = content["failures"]["worst_false_negatives"][0]["nearest_training"]
    assert {image["file"].rpartition("/")[0] for image in alike} == {"train/NORMAL"}
    for text in (json.dumps(content), page(view)):
        assert "given/3.png" in text
        assert "train/NORMAL/learned0.png" in text
        assert "machine" not in text
        assert str(files[0].parent) not in text


def test_unreadable_images_and_found_lungs_are_counted(
    stress_tests: StressTests, view: StressTestsView
) -> None:
    table = stress_tests.shortcuts
    assert table.unreadable == 1
    content = stress_tests_json(stress_tests)
    assert content["shortcuts"]["unreadable"] == 1
    assert {curve["unreadable"] for curve in content["robustness"]} == {1}
    for name in ("lungs_found_positive", "lungs_found_negative"):
        estimate = getattr(table, name)
        assert content["shortcuts"][name] == estimate.value
        assert content["shortcuts"][f"{name}_ci"] == estimate.interval
    assert (
        f"found with confidence in a share of {table.lungs_found_positive} of the images with"
        in view.shortcuts.caption
    )
    assert f"and {table.lungs_found_negative} of those without" in view.shortcuts.caption
    for figure in (view.shortcuts, view.robustness):
        assert "1 more could not be read" in figure.caption
        assert figure.caption in page(view).replace("&#39;", "'")


def test_captions_name_the_method_of_the_intervals(view: StressTestsView) -> None:
    for figure in (view.shortcuts, view.robustness):
        assert "AUC: 95 % interval: DeLong's by image" in figure.caption
        assert "proportions: 95 % interval: Wilson's score method by image" in figure.caption


def test_all_images_unchanged_have_the_intervals_of_the_evaluation(
    stress_tests: StressTests, evaluation: ModelEvaluation
) -> None:
    """Made equal here: all images, and the values of the evaluation with another interval."""
    n = len(evaluation.subject.predictions.files)
    auc = evaluation.discrimination.auc
    rows = tuple(
        replace(row, auc=Estimate(auc.value, 0.1, 0.2)) for row in stress_tests.shortcuts.rows
    )
    for images, interval in ((n, auc.interval_text()), (n - 1, "0.100 to 0.200")):
        table = replace(stress_tests.shortcuts, rows=rows, n=images)
        view = view_stress_tests(replace(stress_tests, shortcuts=table), evaluation)
        shown = {row[0]: row[1].detail for row in view.shortcuts.rows}
        assert shown.pop("unchanged") == interval
        assert set(shown.values()) == {"0.100 to 0.200"}


def test_training_images_are_not_mentioned_where_they_are_unknown(
    view: StressTestsView, unknown: StressTests, evaluation: ModelEvaluation
) -> None:
    assert "training" in page(view)
    words = page(view_stress_tests(unknown, evaluation)).lower()
    assert "training" not in words
    assert "trained on" not in words
    assert stress_tests_json(unknown)["duplicates_of_training"] is None


def test_where_no_image_could_be_read_there_are_no_figures(
    unknown: StressTests, evaluation: ModelEvaluation
) -> None:
    nothing = replace(unknown, robustness=(), shortcuts=None)
    view = view_stress_tests(nothing, evaluation)
    assert (view.robustness, view.shortcuts) == (None, None)
    assert "performance on altered images" not in page(view)
