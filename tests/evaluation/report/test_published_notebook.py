import re
from pathlib import Path

import pytest

from pneumoscope.evaluation.report.published_notebook import (
    PUBLISHED_CHOICE,
    PUBLISHED_COUNTS,
    PUBLISHED_FALSE_NEGATIVES,
    PUBLISHED_MODELS,
    PUBLISHED_REMARKS,
    is_published_data,
    published_operating_point,
)


def test_the_published_figures_belong_to_whole_images():
    # Each row must come from some whole number of hits and of false alarms among 390 and 234.
    ill, healthy = 390, 234
    for model in PUBLISHED_MODELS:
        assert any(
            round(hits / ill, 3) == model.recall
            and round(hits / (hits + alarms), 3) == model.precision
            and round((hits + healthy - alarms) / (ill + healthy), 3) == model.accuracy
            for hits in range(350, ill + 1)
            for alarms in range(healthy + 1)
        ), model


def test_its_choice_missed_as_many_as_its_recall_says():
    recall = {model.name: model.recall for model in PUBLISHED_MODELS}[PUBLISHED_CHOICE]
    assert round(1 - len(PUBLISHED_FALSE_NEGATIVES) / 390, 3) == recall


def test_another_draw_of_the_validation_images_is_still_the_same_data():
    moved = {
        "train": {"NORMAL": 1000, "PNEUMONIA": 3000},
        "validation": {"NORMAL": 349, "PNEUMONIA": 883},
        "test": {"NORMAL": 234, "PNEUMONIA": 390},
    }
    assert is_published_data(moved)
    assert not is_published_data(PUBLISHED_COUNTS | {"test": {"NORMAL": 234, "PNEUMONIA": 389}})
    assert not is_published_data(moved | {"train": {"NORMAL": 999, "PNEUMONIA": 3000}})


def test_the_notebooks_model_is_the_only_one_that_rounds_to_what_it_published():
    fitting = [
        (found, alarms)
        for found in range(391)
        for alarms in range(235)
        if found + alarms
        and round(found / 390, 3) == 0.992
        and round(found / (found + alarms), 3) == 0.763
    ]
    ((found, alarms),) = fitting
    assert found == 390 - 3  # its three published false negatives
    assert round((found + 234 - alarms) / 624, 3) == 0.803  # its published accuracy
    sensitivity, specificity = published_operating_point()
    assert (sensitivity.value, specificity.value) == (found / 390, 1 - alarms / 234)


def test_its_remarks_are_quoted_from_its_text(shared_data: Path):
    notebook = shared_data.parent / "reference" / "mount_sinai_notebook.txt"
    if not notebook.exists():
        pytest.skip(f"the notebook's text is not there: {notebook}")
    text = " ".join(notebook.read_text().split())
    quotes = [quote for said in PUBLISHED_REMARKS.values() for quote in re.findall("“(.*?)”", said)]
    assert len(quotes) == 7
    assert [quote for quote in quotes if quote not in text] == []
    # Its remark on model_2 contradicts its own table, which is said beside it.
    recall, accuracy = (
        [getattr(m, n) for m in PUBLISHED_MODELS[:2]] for n in ("recall", "accuracy")
    )
    first, second = zip(recall, accuracy, strict=True)
    assert f"recall {second[0]} after {first[0]}" in PUBLISHED_REMARKS["model_2"]
    assert f"accuracy {second[1]} after {first[1]}" in PUBLISHED_REMARKS["model_2"]
