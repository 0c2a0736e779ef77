"""Random DICOM objects compared with DCMTK and GDCM, and planted defects of the decoding."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import dicom_differences
from pneumoscope.radiograph.greyscale import Rendering, render
from pneumoscope.radiograph.stored_values import StoredValues, decode_stored_values


@pytest.fixture(autouse=True)
def dcmtk(require_program: Callable[[str], str]) -> None:
    require_program("dcmj2pnm")


def test_random_objects_are_decoded_as_by_dcmtk_and_gdcm(run_benchmark: Callable) -> None:
    (rows,) = run_benchmark("dicom_differences").values()
    counts = {row["outcome"]: row["objects"] for row in rows}
    assert counts.keys() <= {"equal", *dicom_differences.EXPLANATIONS}
    assert sum(counts.values()) == 80
    assert counts["equal"] > 64


def shift_values(*arguments: object) -> StoredValues:
    stored = decode_stored_values(*arguments)
    return replace(stored, values=stored.values + stored.values.dtype.type(1))


def invert(*arguments: object) -> Rendering:
    rendering = render(*arguments)
    return replace(rendering, is_inverted=not rendering.is_inverted)


def show_padding(*arguments: object) -> Rendering:
    return replace(render(*arguments), padding=None)


@pytest.mark.parametrize(
    ("function", "defect", "kind"),
    [
        ("decode_stored_values", shift_values, "stored values"),
        ("render", invert, "grey values"),
        ("render", show_padding, "padding"),
    ],
)
def test_defects_are_noticed(
    function: str, defect: Callable, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicom_differences, function, defect)
    outcomes, differences = dicom_differences.compare_all(30, seed=1)
    assert outcomes[kind] >= 3
    assert kind in {difference.kind for difference in differences}


def test_rounding_explains_small_differences_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_differences, "render", invert)
    outcomes, _ = dicom_differences.compare_all(60, seed=1)
    assert outcomes[dicom_differences.ROUNDED] == 0


def test_a_window_that_fits_must_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pneumoscope.radiograph.greyscale.fits", lambda *_: False)
    outcomes, _ = dicom_differences.compare_all(30, seed=1)
    assert outcomes["ignored although it fits"] >= 3


def test_a_window_that_clips_must_not_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pneumoscope.radiograph.greyscale.fits", lambda *_: True)
    outcomes, _ = dicom_differences.compare_all(60, seed=1)
    assert outcomes["used although it clips"] >= 3


def test_objects_are_reproducible() -> None:
    first, second = (dicom_differences.draw_object(np.random.default_rng(3)) for _ in range(2))
    assert first.PixelData == second.PixelData
