"""The gallery of failures."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.reader import Reader, load
from pneumoscope.report.gallery import fill_gallery
from pneumoscope.validation.stress.failures import find_failures
from pneumoscope.validation.stress.neighbours import FeatureIndex, short_name


@pytest.fixture(scope="module")
def shipped() -> Reader:
    return load(threads=2)


@pytest.fixture(scope="module")
def files(phantom_dataset: Path) -> list[Path]:
    return sorted((phantom_dataset / "test").rglob("*.png"))[:8]


LABELS = np.array([1, 1, 1, 1, 0, 0, 0, 0])
SAID = np.array([0.3, 0.1, 0.5, 0.9, 0.6, 0.95, 0.2, 0.7])


@pytest.fixture(scope="module")
def predictions(files: list[Path]) -> Predictions:
    names = tuple(f"set/{file.name}" for file in files)
    return Predictions(names, LABELS, SAID, names)


def open_png(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_the_worst_come_first(shipped: Reader, files: list[Path], predictions: Predictions) -> None:
    failures = find_failures(shipped, files, predictions, 0.5)
    assert [failure.probability for failure in failures.false_negatives] == [0.1, 0.3]
    assert [failure.probability for failure in failures.false_positives] == [0.95, 0.7, 0.6]
    assert failures.false_negatives[0].file == f"set/{files[1].name}"
    assert {failure.label for failure in failures.false_negatives} == {1}
    assert {failure.label for failure in failures.false_positives} == {0}
    fewer = find_failures(shipped, files, predictions, 0.5, limit=1)
    assert [failure.probability for failure in fewer.false_positives] == [0.95]
    assert (fewer.false_negative_count, fewer.false_positive_count) == (2, 3)
    assert [image.probability for image in fewer.further_false_positives] == [0.7, 0.6]
    assert [image.probability for image in fewer.further_false_negatives] == [0.3]
    assert fewer.unshown_false_positives == ()


def test_beyond_the_size_limit_files_are_listed(
    shipped: Reader,
    files: list[Path],
    predictions: Predictions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = len(
        find_failures(shipped, files, predictions, 0.5, limit=1).further_false_positives[0].png
    )
    monkeypatch.setattr(fill_gallery, "__defaults__", (size,))
    failures = find_failures(shipped, files, predictions, 0.5, limit=1)
    assert [image.probability for image in failures.further_false_positives] == [0.7]
    assert failures.unshown_false_positives == ((predictions.files[4], 0.6),)


def test_pictures_are_the_radiograph_s_and_its_heat_map_s(
    shipped: Reader, files: list[Path], predictions: Predictions
) -> None:
    failures = find_failures(shipped, files, predictions, 0.5)
    missed = failures.false_negatives[0]
    picture = open_png(missed.png)
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(Image.open(files[1])))
    assert missed.heatmap_png is None, "below the threshold of a finding, nothing is drawn"
    false_alarm = failures.false_positives[0]
    assert false_alarm.heatmap_png is not None
    heatmap = open_png(false_alarm.heatmap_png)
    assert heatmap.size == open_png(false_alarm.png).size
    assert heatmap.mode == "RGB"


def test_large_radiographs_become_small_pictures_in_their_proportions(
    shipped: Reader, tmp_path: Path
) -> None:
    Image.fromarray(np.tile(np.arange(0, 200, dtype=np.uint8), (900, 3))).save(tmp_path / "a.png")
    predictions = Predictions(("a.png",), np.array([1]), np.array([0.0]), ("a",))
    (failure,) = find_failures(shipped, [tmp_path / "a.png"], predictions, 0.5).false_negatives
    assert open_png(failure.png).size == (171, 256)


def test_the_most_alike_known_images_are_shown(
    shipped: Reader, files: list[Path], predictions: Predictions
) -> None:
    assert find_failures(shipped, files, predictions, 0.5).false_negatives[0].neighbours == ()
    known = FeatureIndex.build(shipped, files, LABELS.tolist())
    failure = find_failures(shipped, files, predictions, 0.5, known=known).false_negatives[0]
    assert len(failure.neighbours) == 3
    nearest = failure.neighbours[0]
    assert nearest.file == short_name(files[1])
    assert nearest.distance == pytest.approx(0, abs=1e-3)
    assert max(open_png(nearest.png).size) == 128


def test_known_images_that_are_gone_are_not_shown(
    shipped: Reader, files: list[Path], predictions: Predictions, tmp_path: Path
) -> None:
    moved = tmp_path / "moved.png"
    moved.write_bytes(files[1].read_bytes())
    known = FeatureIndex.build(shipped, [moved, files[2]], [1, 1])
    moved.unlink()
    failure = find_failures(shipped, files, predictions, 0.5, known=known).false_negatives[0]
    assert [image.file for image in failure.neighbours] == [short_name(files[2])]


def test_a_failure_that_cannot_be_read_is_counted_but_not_shown(
    shipped: Reader, files: list[Path], predictions: Predictions, tmp_path: Path
) -> None:
    moved = [files[0], tmp_path / "gone.png", *files[2:]]
    failures = find_failures(shipped, moved, predictions, 0.5)
    assert [failure.probability for failure in failures.false_negatives] == [0.3]
    assert failures.false_negative_count == 2
    assert failures.unshown_false_negatives == ((predictions.files[1], 0.1),)


def test_where_nothing_failed_the_gallery_is_empty(
    shipped: Reader, files: list[Path], predictions: Predictions
) -> None:
    right = Predictions(predictions.files, LABELS, LABELS.astype(float), predictions.patients)
    failures = find_failures(shipped, files, right, 0.5)
    assert failures.false_negatives == failures.false_positives == ()
    assert (failures.false_negative_count, failures.false_positive_count) == (0, 0)
