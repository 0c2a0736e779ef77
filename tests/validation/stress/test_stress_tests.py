"""An inspection as JSON and on a page: what it claims, of how many, and by which names."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jinja2 import Environment, FileSystemLoader

import pneumoscope
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.reader import load
from pneumoscope.validation.report.stress_json import inspection_json
from pneumoscope.validation.report.stress_view import InspectionView, view_inspection
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
def met(
    files: list[Path], predictions: Predictions, tmp_path_factory: pytest.TempPathFactory
) -> StressTests:
    """Return an inspection where one of the judged images was learned from; one is not there."""
    folder = tmp_path_factory.mktemp("machine") / "data" / "train" / "NORMAL"
    folder.mkdir(parents=True)
    for number, path in enumerate((files[3], files[5])):
        (folder / f"learned{number}.png").write_bytes(path.read_bytes())
    training = TrainingImages(tuple(sorted(folder.iterdir())), (0, 0))
    there = [*files[:-1], folder / "gone.png"]
    return run_stress_tests(load(threads=2), there, predictions, 0.5, training)


@pytest.fixture(scope="module")
def unknown(met: StressTests) -> StressTests:
    """Return the inspection of a reader of which nobody knows what it learned from."""

    def bare(failures: tuple) -> tuple:
        return tuple(replace(one, neighbours=()) for one in failures)

    failures = replace(
        met.failures,
        false_negatives=bare(met.failures.false_negatives),
        false_positives=bare(met.failures.false_positives),
    )
    return replace(met, failures=failures, duplicates=None)


@pytest.fixture(scope="module")
def view(met: StressTests) -> InspectionView:
    return view_inspection(met)


def page(view: InspectionView) -> str:
    folder = Path(pneumoscope.__file__).parent / "templates"
    macros = Environment(loader=FileSystemLoader(folder), autoescape=True)
    macro = macros.get_template("inspection.html").module.inspected
    return " ".join(str(macro(view)).split())


def test_images_met_in_training_go_by_the_names_given_and_none_says_where_it_lies(
    met: StressTests, view: InspectionView, files: list[Path]
) -> None:
    found = inspection_json(met)
    named = {(one["file"], one["training"]) for one in found["duplicates_of_training"]}
    assert named == {
        ("given/3.png", "train/NORMAL/learned0.png"),
        ("given/5.png", "train/NORMAL/learned1.png"),
    }
    alike = found["failures"]["worst_false_negatives"][0]["nearest_training"]
    assert {one["file"].rpartition("/")[0] for one in alike} == {"train/NORMAL"}
    for text in (json.dumps(found), page(view)):
        assert "given/3.png" in text
        assert "train/NORMAL/learned0.png" in text
        assert "machine" not in text
        assert str(files[0].parent) not in text


def test_how_many_were_unreadable_and_had_lungs_is_said(
    met: StressTests, view: InspectionView
) -> None:
    table = met.shortcuts
    assert table.unreadable == 1
    found = inspection_json(met)
    assert found["shortcuts"]["unreadable"] == 1
    assert {curve["unreadable"] for curve in found["robustness"]} == {1}
    for name in ("lungs_found_ill", "lungs_found_healthy"):
        estimate = getattr(table, name)
        assert found["shortcuts"][name] == estimate.value
        low, high = estimate.interval.low, estimate.interval.high
        assert found["shortcuts"][f"{name}_ci"] == [low, high]
    assert (
        f"seen in a share of {table.lungs_found_ill} of the images with" in view.shortcuts.caption
    )
    assert f"and {table.lungs_found_healthy} of those without" in view.shortcuts.caption
    for figure in (view.shortcuts, view.robustness):
        assert "1 more could not be read" in figure.caption
        assert figure.caption in page(view).replace("&#39;", "'")


def test_captions_say_how_their_intervals_were_got(view: InspectionView) -> None:
    for figure in (view.shortcuts, view.robustness):
        assert "by image: DeLong's of AUCs, Wilson's of all other shares" in figure.caption


def test_nothing_is_called_a_training_image_where_none_is_known(
    view: InspectionView, unknown: StressTests
) -> None:
    assert "training" in page(view)
    words = page(view_inspection(unknown)).lower()
    assert "training" not in words
    assert "learned from" not in words
    assert inspection_json(unknown)["duplicates_of_training"] is None


def test_where_no_image_could_be_read_there_are_no_figures(unknown: StressTests) -> None:
    nothing = replace(unknown, robustness=(), shortcuts=None)
    view = view_inspection(nothing)
    assert (view.robustness, view.shortcuts) == (None, None)
    assert "When images are taken otherwise" not in page(view)
