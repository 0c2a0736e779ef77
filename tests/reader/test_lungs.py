"""A bundle that reads lungs alone: its pixels, its heat map, and when it gives no answer."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from pneumoscope.dataset import Split, open_dataset
from pneumoscope.lungs import Framing, LungField, LungFinder, Preparation
from pneumoscope.lungs.lung_finder import shipped_lung_finder
from pneumoscope.models.saved_network import SavedNetwork
from pneumoscope.radiograph import Resampling, read_radiograph
from pneumoscope.reader import Bundle, Reader
from pneumoscope.reader.bundle import LUNG_FINDER, RECORD, checksum_of
from pneumoscope.reader.reading import Status
from pneumoscope.reader.source import decode_source
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import BundleError
from pneumoscope.training import ExampleStore


@pytest.fixture(scope="module")
def lungs_reader(exported_lungs: Path) -> Reader:
    return Reader(Bundle.open(exported_lungs))


@pytest.fixture(scope="module")
def phantoms(phantom_dataset: Path) -> list[Path]:
    return sorted((phantom_dataset / "test").rglob("*.png"))[::6]


def test_the_bundle_carries_its_lung_finder(exported_lungs: Path) -> None:
    bundle = Bundle.open(exported_lungs)
    assert bundle.record.input.framing is Framing.LUNGS
    assert bundle.contents[LUNG_FINDER] == shipped_lung_finder()


def test_training_and_reading_prepare_the_same_pixels(
    lungs_reader: Reader, phantom_dataset: Path, tmp_path: Path
) -> None:
    manifest = open_dataset(phantom_dataset)
    preparation = Preparation(64, Resampling.BILINEAR, Framing.LUNGS)
    store = ExampleStore(manifest, ArrayCache(tmp_path))
    examples = store.prepared(Split.VALIDATION, preparation)
    saved = SavedNetwork(None, preparation)  # type: ignore[arg-type]
    for row, entry in list(zip(examples.rows, examples.entries, strict=True))[::8]:
        path = manifest.root / entry.path
        prepared = lungs_reader.prepare(decode_source(path, lungs_reader.min_side))
        np.testing.assert_array_equal(examples.inputs[row], prepared.pixels)
        np.testing.assert_allclose(saved.image(path)[0] * 255, examples.inputs[row], atol=1e-3)


def test_the_heat_map_is_confined_to_the_lungs(lungs_reader: Reader, phantoms: list[Path]) -> None:
    readings = list(lungs_reader.read_many(phantoms))
    assert all(reading.lungs is not None and reading.lungs.found for reading in readings)
    maps = [reading for reading in readings if reading.heatmap is not None]
    assert maps
    for reading in maps:
        assert reading.heatmap is not None
        assert reading.lungs is not None
        outside = ~reading.lungs.mask_at(*reading.heatmap.shape[::-1])
        assert reading.heatmap.any()
        assert not reading.heatmap[outside].any()


def test_markers_beside_the_lungs_do_not_change_the_probability(
    lungs_reader: Reader, phantoms: list[Path]
) -> None:
    pixels = read_radiograph(phantoms[0]).pixels
    field = lungs_reader.preparation.find_lungs(pixels)
    assert field is not None
    defaced = pixels.copy()
    defaced[-14:], defaced[:6, :30] = 1, 1  # a white bar below the lungs, a marker in a corner
    squares = [lungs_reader.preparation.square(image, field) for image in (pixels, defaced)]
    logits = lungs_reader.run(np.stack(squares)).logits
    assert logits[0] == pytest.approx(logits[1], abs=1e-6)


class Blindfold(LungFinder):
    """Lung finder that finds the lung on one side alone."""

    def __init__(self) -> None:
        self.digest = ""

    def find(self, pixels: np.ndarray) -> LungField:
        lungs = np.zeros((2, 32, 32), np.bool_)
        lungs[0, 8:24, 4:12] = True
        return LungField(lungs, confidence=0.99, min_confidence=0.9)


def test_without_both_lungs_there_is_no_answer(exported_lungs: Path, phantoms: list[Path]) -> None:
    reader = Reader(Bundle.open(exported_lungs))
    reader.preparation = replace(reader.preparation, finder=Blindfold())
    reading = reader.read(phantoms[0])
    assert reading.status is Status.REJECTED
    assert [finding.code for finding in reading.quality] == ["lungs_not_found"]
    assert (reading.probability, reading.heatmap, dict(reading.findings)) == (None, None, {})
    assert "check that it is a frontal chest radiograph that shows both lungs" in reading.reasons[0]


def test_a_bundle_without_its_lung_finder_is_refused(exported_lungs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(exported_lungs, folder)
    record = yaml.safe_load((folder / RECORD).read_text())
    del record["files"][LUNG_FINDER]
    text = yaml.safe_dump(record).encode()
    (folder / RECORD).write_bytes(text)
    (folder / "bundle.yaml.sha256").write_bytes(checksum_of(text))
    with pytest.raises(BundleError, match=r"list of files is wrong \(lung_finder.onnx\)"):
        Bundle.open(folder)
