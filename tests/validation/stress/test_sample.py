"""Samples of images: drawing, decoding and running the network."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pneumoscope.radiograph import Radiograph, read_radiograph
from pneumoscope.reader import Reader, load
from pneumoscope.validation.stress.sample import (
    draw_sample,
    map_sample,
    run_without_gate,
)


@pytest.fixture(scope="module")
def shipped() -> Reader:
    return load(threads=2)


def test_a_sample_is_stratified_and_has_each_row_once() -> None:
    labels = np.repeat(np.int8([0, 1]), [700, 300])
    rows = draw_sample(labels, 100, seed=1)
    assert len(set(rows.tolist())) == 100
    assert rows.tolist() == sorted(rows.tolist())
    assert labels[rows].sum() == 30
    assert draw_sample(labels, 100, seed=1).tolist() == rows.tolist()
    assert draw_sample(labels, 100, seed=2).tolist() != rows.tolist()


@pytest.mark.parametrize(("healthy", "ill"), [(997, 3), (3, 997), (1000, 0), (0, 1000)])
def test_a_rare_class_is_in_every_sample(healthy: int, ill: int) -> None:
    labels = np.repeat(np.int8([0, 1]), [healthy, ill])
    drawn = labels[draw_sample(labels, 20, seed=0)]
    assert len(drawn) == 20
    assert set(drawn.tolist()) == set(labels.tolist())


def test_few_images_are_all_taken() -> None:
    assert draw_sample(np.int8([1, 0, 1]), 3, seed=0).tolist() == [0, 1, 2]


def test_a_function_is_applied_in_order_and_unreadable_images_are_counted(
    shipped: Reader, radiographs: Callable, tmp_path: Path
) -> None:
    files = [*radiographs(5), tmp_path / "missing.png"]
    rows = np.array([0, 2, 4, 5])

    def row_and_hash(row: int, radiograph: Radiograph) -> tuple[int, str]:
        return row, radiograph.sha256

    sample = map_sample(row_and_hash, shipped, files, rows, "Hashing")
    assert sample.rows.tolist() == [0, 2, 4]
    assert [row for row, _ in sample.results] == [0, 2, 4]
    assert sample.results[1][1] == read_radiograph(files[2]).sha256
    assert sample.unreadable == 1


def test_the_network_gets_the_same_pixels_as_in_reading(
    shipped: Reader, radiographs: Callable
) -> None:
    paths = radiographs(9)
    probabilities, _ = run_without_gate(shipped, (read_radiograph(path).pixels for path in paths))
    readings = [shipped.read(path) for path in paths]
    outputs = [
        reading.probability_outside if reading.probability is None else reading.probability
        for reading in readings
    ]
    run = [row for row, output in enumerate(outputs) if output is not None]
    assert run
    np.testing.assert_allclose(probabilities[run], [outputs[row] for row in run], atol=1e-5)
