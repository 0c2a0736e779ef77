"""Samples of images, and asking about each."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader import Reader, load
from pneumoscope.validation.stress.sample import (
    ask_each,
    ask_network,
    draw_sample,
    sensitivity,
    specificity,
)


@pytest.fixture(scope="module")
def shipped() -> Reader:
    return load(threads=2)


def test_a_sample_has_both_classes_in_their_shares_and_each_row_once() -> None:
    labels = np.repeat(np.int8([0, 1]), [700, 300])
    rows = draw_sample(labels, 100, seed=1)
    assert len(set(rows.tolist())) == 100
    assert rows.tolist() == sorted(rows.tolist())
    assert labels[rows].sum() == 30
    assert draw_sample(labels, 100, seed=1).tolist() == rows.tolist()
    assert draw_sample(labels, 100, seed=2).tolist() != rows.tolist()


@pytest.mark.parametrize(("healthy", "ill"), [(997, 3), (3, 997), (1000, 0), (0, 1000)])
def test_a_rare_class_is_not_lost_and_a_missing_one_not_missed(healthy: int, ill: int) -> None:
    labels = np.repeat(np.int8([0, 1]), [healthy, ill])
    drawn = labels[draw_sample(labels, 20, seed=0)]
    assert len(drawn) == 20
    assert set(drawn.tolist()) == set(labels.tolist())


def test_few_images_are_all_taken() -> None:
    assert draw_sample(np.int8([1, 0, 1]), 3, seed=0).tolist() == [0, 1, 2]


def test_images_are_asked_about_in_order_and_what_cannot_be_read_is_counted(
    shipped: Reader, radiographs: Callable, tmp_path: Path
) -> None:
    files = [*radiographs(5), tmp_path / "missing.png"]
    rows = np.array([0, 2, 4, 5])
    answers = ask_each(shipped, files, rows, lambda row, one: (row, one.sha256), "Asking")
    assert answers.rows.tolist() == [0, 2, 4]
    assert [row for row, _ in answers.results] == [0, 2, 4]
    assert answers.results[1][1] == read_radiograph(files[2]).sha256
    assert answers.unreadable == 1


def test_the_network_is_asked_what_the_reader_reads(shipped: Reader, radiographs: Callable) -> None:
    paths = radiographs(9)
    said = ask_network(shipped, (read_radiograph(path).pixels for path in paths))
    readings = [shipped.read(path) for path in paths]
    read = [place for place, one in enumerate(readings) if one.probability is not None]
    assert read
    expected = [readings[place].probability for place in read]
    np.testing.assert_allclose(said[read], expected, atol=1e-5)


def test_shares_at_a_threshold_have_wilson_s_interval() -> None:
    labels = np.int8([1, 1, 1, 1, 0, 0, 0])
    probabilities = np.array([0.5, 0.6, 0.4, 0.9, 0.5, 0.1, 0.2])
    for found, part, whole in (
        (sensitivity(labels, probabilities, 0.5), 3, 4),
        (specificity(labels, probabilities, 0.5), 2, 3),
    ):
        low, high = proportion_confint(part, whole, method="wilson")
        assert found.value == pytest.approx(part / whole)
        assert (found.interval.low, found.interval.high) == pytest.approx((low, high))
    assert sensitivity(np.int8([0]), np.array([0.1]), 0.5).value is None
