"""Shortcuts: planted ones are found, and a reader that relies on the lungs has none."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.lungs import LungField, Preparation
from pneumoscope.radiograph import Resampling
from pneumoscope.reader import Bundle, Reader, load
from pneumoscope.reader.reader import NetworkOutput
from pneumoscope.report.estimate import Estimate
from pneumoscope.validation.stress import shortcuts
from pneumoscope.validation.stress.shortcut_verdict import shortcut_verdict
from pneumoscope.validation.stress.shortcuts import (
    Condition,
    ShortcutTable,
    apply_mask,
    measure_shortcuts,
)

SIDE = 120


class PatchReader(Reader):
    """Reader of whole images that calls pneumonia where one part is bright."""

    part = np.s_[:, :, :]

    def __init__(self, bundle: Bundle, threads: int) -> None:
        super().__init__(bundle, threads)
        self.preparation = Preparation(192, Resampling.BILINEAR)

    def run(self, pixels: np.ndarray) -> NetworkOutput:
        # Rounded, so that invisible differences do not count.
        grey = np.round(pixels[self.part].mean((1, 2)) / 255, 2)
        none = np.zeros((len(pixels), 1, 1), np.float32)
        return NetworkOutput(((grey - 0.5) * 10).astype(np.float32), none, none[:, 0])


class MarkerReader(PatchReader):
    part = np.s_[:, :20, -20:]


class LungReader(PatchReader):
    part = np.s_[:, 75:100, 45:65]


@pytest.fixture(scope="module")
def shipped() -> Reader:
    return load(threads=2)


def drawn_lung(centre: float) -> np.ndarray:
    down, across = np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]
    return ((down - 0.45) / 0.27) ** 2 + ((across - centre) / 0.12) ** 2 < 1


def draw(rng: np.random.Generator, opacity: bool, marker: bool) -> np.ndarray:
    pixels = np.full((SIDE, SIDE), 150.0)
    pixels[drawn_lung(0.3) | drawn_lung(0.7)] = 50
    if opacity:
        pixels[40:70, 26:44] = 130
    if marker:
        pixels[4:10, -10:-4] = 255
    return (pixels + rng.normal(0, 8, pixels.shape)).clip(0, 255).astype(np.uint8)


def write(folder: Path, ill_have: str, count: int = 44) -> tuple[list[Path], Predictions]:
    """Write images, half of them ill; of each class one looks like the other."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    files = []
    for number, label in enumerate(labels):
        has = {ill_have: bool(label) != (number < 2)}
        pixels = draw(rng, has.get("opacity", False), has.get("marker", False))
        files.append(folder / f"{number}.png")
        Image.fromarray(pixels).save(files[-1])
    names = tuple(file.name for file in files)
    return files, Predictions(names, labels, np.zeros(count), names)


class DrawnLungs:
    """Finds the lungs where `draw` puts them."""

    def find(self, pixels: np.ndarray) -> LungField:
        return LungField(np.stack([drawn_lung(0.3), drawn_lung(0.7)]), 1.0, 0.9)


@pytest.fixture(scope="module")
def drawn_lungs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortcuts, "load_lung_finder", DrawnLungs)
        yield


@pytest.fixture(scope="module")
def marked(
    shipped: Reader, tmp_path_factory: pytest.TempPathFactory, drawn_lungs: None
) -> ShortcutTable:
    files, predictions = write(tmp_path_factory.mktemp("marked"), "marker")
    reader = MarkerReader(shipped.bundle, threads=2)
    return measure_shortcuts(reader, files, predictions, 0.5)


@pytest.fixture(scope="module")
def opaque(
    shipped: Reader, tmp_path_factory: pytest.TempPathFactory, drawn_lungs: None
) -> ShortcutTable:
    files, predictions = write(tmp_path_factory.mktemp("opaque"), "opacity")
    reader = LungReader(shipped.bundle, threads=2)
    return measure_shortcuts(reader, files, predictions, 0.5)


def auc(table: ShortcutTable, condition: Condition) -> float:
    return table.row(condition).auc.value


def test_a_reader_of_the_marker_has_a_shortcut(marked: ShortcutTable) -> None:
    # Of 22 x 22 pairs 21 x 21 are ranked rightly, and 21 + 21 nearly tie.
    for with_marker in (Condition.UNCHANGED, Condition.LUNGS_MASKED, Condition.BORDER_ONLY):
        assert 21 * 21 / 22**2 <= auc(marked, with_marker) <= (21 * 21 + 42) / 22**2
    for without_marker in (Condition.BORDER_BLANKED, Condition.LUNGS_ONLY, Condition.OUTLINE):
        assert 0.2 < auc(marked, without_marker) < 0.8
    words = shortcut_verdict(marked)
    assert words.count("a shortcut.") == 2
    assert "44 images, 22 of them with pneumonia" in words


def test_a_reader_of_lungs_has_no_shortcut(opaque: ShortcutTable) -> None:
    for with_lungs in (Condition.UNCHANGED, Condition.BORDER_BLANKED, Condition.LUNGS_ONLY):
        assert 21 * 21 / 22**2 <= auc(opaque, with_lungs) <= (21 * 21 + 42) / 22**2
    for without in (Condition.LUNGS_MASKED, Condition.BORDER_ONLY):
        assert opaque.row(without).auc.low <= 0.5
    assert shortcut_verdict(opaque).count("no sign") == 2


def test_means_and_examples_are_those_of_the_classes(marked: ShortcutTable) -> None:
    row = marked.row(Condition.UNCHANGED)
    assert row.mean_positive > row.mean_negative
    assert [example.label for example in row.examples] == [1, 0]
    ill, healthy = row.examples
    assert ill.probability > healthy.probability
    corners = [
        np.asarray(Image.open(io.BytesIO(example.png)))[4:10, -10:-4] for example in row.examples
    ]
    assert corners[0].mean() > 240
    assert corners[1].mean() < 200
    blanked = marked.row(Condition.BORDER_BLANKED).examples[0]
    assert np.ptp(np.asarray(Image.open(io.BytesIO(blanked.png)))[:15]) == 0


def test_a_masked_part_has_the_mean_of_the_rest() -> None:
    pixels = np.random.default_rng(0).random((40, 32)).astype(np.float32)
    lungs = np.zeros((40, 32), bool)
    lungs[10:30, 6:14] = lungs[10:30, 18:26] = True
    for condition in set(Condition) - {Condition.UNCHANGED, Condition.OUTLINE}:
        left = apply_mask(pixels, lungs, condition)
        gone = left != pixels
        assert 0.1 < gone.mean() < 0.9
        assert np.ptp(left[gone]) == 0
        assert left[gone][0] == pytest.approx(pixels[~gone].mean(), abs=1e-5)
    masked, only = (
        apply_mask(pixels, lungs, condition) != pixels
        for condition in (Condition.LUNGS_MASKED, Condition.LUNGS_ONLY)
    )
    np.testing.assert_array_equal(masked, lungs)
    np.testing.assert_array_equal(only, ~lungs)
    blanked, border = (
        apply_mask(pixels, lungs, condition) != pixels
        for condition in (Condition.BORDER_BLANKED, Condition.BORDER_ONLY)
    )
    assert (blanked | border).all()
    assert len(np.unique(apply_mask(pixels, lungs, Condition.OUTLINE))) == 2


def verdict_with(opaque: ShortcutTable, **low: float) -> str:
    """Return the verdict if the lower ends of the AUCs were others."""
    rows = [
        replace(row, auc=Estimate(0.9, low[row.condition.name], 1.0))
        if row.condition.name in low
        else row
        for row in opaque.rows
    ]
    return shortcut_verdict(replace(opaque, rows=tuple(rows)))


def test_the_verdict_follows_its_rule(opaque: ShortcutTable) -> None:
    assert "a shortcut." in verdict_with(opaque, LUNGS_MASKED=0.61)
    perhaps = verdict_with(opaque, LUNGS_MASKED=0.59)
    assert "may rely on something besides" in perhaps
    assert "a shortcut." not in perhaps
    assert "shape of the lungs" in verdict_with(opaque, OUTLINE=0.51)
    assert "shape of the lungs" not in verdict_with(opaque, OUTLINE=0.49)


def test_a_reader_without_discrimination_has_no_verdict(opaque: ShortcutTable) -> None:
    words = verdict_with(opaque, UNCHANGED=0.45)
    assert "cannot show" in words
    assert "no sign" not in words


@pytest.mark.parametrize("condition", [Condition.LUNGS_MASKED, Condition.BORDER_ONLY])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_interval_without_width_gives_no_verdict(
    opaque: ShortcutTable, condition: Condition, value: float
) -> None:
    certain = Estimate(value, value, value)
    rows = [replace(row, auc=certain) if row.condition is condition else row for row in opaque.rows]
    words = shortcut_verdict(replace(opaque, rows=tuple(rows)))
    assert words.count("no verdict, because") == 1
    assert words.count("no sign") == 1
    assert "a shortcut." not in words
    outline = [
        replace(row, auc=certain) if row.condition is Condition.OUTLINE else row
        for row in opaque.rows
    ]
    words = shortcut_verdict(replace(opaque, rows=tuple(outline)))
    assert "shape of the lungs" not in words


@pytest.mark.parametrize(
    ("positives", "enough"), [(19, False), (20, True), (24, True), (25, False)]
)
def test_few_images_of_a_class_give_no_verdict(
    marked: ShortcutTable, positives: int, enough: bool
) -> None:
    words = shortcut_verdict(replace(marked, n=44, positives=positives))
    assert ("a shortcut." in words) == enough
    assert ("too few for a verdict" in words) != enough


def test_one_class_and_unreadable_files_are_accepted(shipped: Reader, tmp_path: Path) -> None:
    files, predictions = write(tmp_path, "marker", count=6)
    rows = np.flatnonzero(predictions.labels == 1)
    ill = [tmp_path / "gone.png", *(files[row] for row in rows[1:])]
    reader = MarkerReader(shipped.bundle, threads=2)
    table = measure_shortcuts(reader, ill, predictions.rows(rows), 0.5)
    assert (table.n, table.positives, table.unreadable) == (2, 2, 1)
    assert table.row(Condition.UNCHANGED).mean_negative is None
    assert len(table.row(Condition.UNCHANGED).examples) == 1
    assert "too few for a verdict" in shortcut_verdict(table)
    assert (
        measure_shortcuts(reader, [tmp_path / "gone.png"] * 3, predictions.rows(rows), 0.5) is None
    )
