"""The quality gate, fitted on phantoms and, if available, on real radiographs."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import multivariate_normal

from pneumoscope.dataset import Manifest, Split, open_dataset, open_pixels
from pneumoscope.lungs import Preparation
from pneumoscope.radiograph import Resampling
from pneumoscope.reader.quality_gate import QualityGate, Severity, fit_gate
from pneumoscope.support.cache import ArrayCache

Floats = NDArray[np.float32]


def pixels_of(manifest: Manifest, cache: Path, size: int) -> dict[Split, NDArray[np.uint8]]:
    pixels = open_pixels(manifest, Preparation(size, Resampling.BILINEAR), ArrayCache(cache))
    splits = np.array([entry.split for entry in manifest.in_use])
    return {split: pixels[splits == split] for split in Split}


@pytest.fixture(scope="module")
def phantoms(
    phantom_dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[Split, NDArray[np.uint8]]:
    return pixels_of(open_dataset(phantom_dataset), tmp_path_factory.mktemp("cache"), 128)


@pytest.fixture(scope="module")
def gate(phantoms: dict[Split, NDArray[np.uint8]]) -> QualityGate:
    return fit_gate(phantoms[Split.TRAIN], phantoms[Split.VALIDATION])


def codes(gate: QualityGate, pixels: Floats, colourfulness: float = 0.0) -> list[str]:
    return [finding.code for finding in gate.assess(np.ascontiguousarray(pixels), colourfulness)]


def rejected(gate: QualityGate, pixels: Floats) -> bool:
    findings = gate.assess(np.ascontiguousarray(pixels))
    return any(finding.severity is Severity.REJECT for finding in findings)


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("inverted", lambda x: 1 - x),
        ("upside_down", lambda x: np.rot90(x, 2)),
        ("turned_left", lambda x: np.rot90(x, 1)),
        ("turned_right", lambda x: np.rot90(x, -1)),
    ],
)
def test_turned_and_inverted_radiographs_are_rejected_as_such(
    gate: QualityGate, phantoms: dict[Split, NDArray[np.uint8]], code: str, change
) -> None:
    images = phantoms[Split.TEST][:20] / np.float32(255)
    named = [codes(gate, change(image))[:1] == [code] for image in images]
    assert np.mean(named) > 0.9
    assert np.mean([code in codes(gate, image) for image in images]) == 0


def test_radiographs_of_the_same_source_pass(
    gate: QualityGate, phantoms: dict[Split, NDArray[np.uint8]]
) -> None:
    rejections = [rejected(gate, image / np.float32(255)) for image in phantoms[Split.TEST]]
    assert np.mean(rejections) <= 0.05


@pytest.mark.parametrize("size", [(97, 120), (700, 500), (1800, 2000)])
def test_findings_do_not_depend_on_the_size(
    gate: QualityGate, phantoms: dict[Split, NDArray[np.uint8]], size: tuple[int, int]
) -> None:
    image = Image.fromarray(phantoms[Split.TEST][0] / np.float32(255))
    resized = np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR))
    assert codes(gate, resized) == codes(gate, np.asarray(image))


def noise(rng: np.random.Generator) -> Floats:
    return rng.random((200, 200), np.float32)


def page(rng: np.random.Generator) -> Floats:
    lines = np.ones((400, 300), np.float32)
    lines[20:380:12, 30:270] = rng.random((30, 240)) > 0.5
    return lines


def ramp(rng: np.random.Generator) -> Floats:
    return np.linspace(0, 1, 200 * 200, dtype=np.float32).reshape(200, 200)


@pytest.mark.parametrize("draw", [noise, page, ramp])
def test_other_images_are_rejected(gate: QualityGate, draw) -> None:
    assert rejected(gate, draw(np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("pixels", "colourfulness", "code"),
    [
        (np.full((200, 200), 0.4, np.float32), 0, "blank"),
        (np.tile(np.float32([[0, 1]]), (95, 100)), 0, "too_small"),
        (None, 0.2, "colour"),
        (None, 0.02, "coloured"),
    ],
)
def test_simple_faults_have_their_code(
    gate: QualityGate,
    phantoms: dict[Split, NDArray[np.uint8]],
    pixels: Floats | None,
    colourfulness: float,
    code: str,
) -> None:
    chest = phantoms[Split.TEST][0] / np.float32(255)
    assert code in codes(gate, chest if pixels is None else pixels, colourfulness)


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("dark", lambda x: x * 0.1),
        ("bright", lambda x: 0.9 + x * 0.1),
        ("faint", lambda x: x * 0.1),
    ],
)
def test_exposure_is_flagged_and_not_rejected(
    gate: QualityGate, phantoms: dict[Split, NDArray[np.uint8]], code: str, change
) -> None:
    chest = change(phantoms[Split.TEST][0] / np.float32(255)).astype(np.float32)
    assert code in codes(gate, chest)
    assert not rejected(gate, chest)


def test_a_gate_is_the_same_after_writing_and_reading(
    gate: QualityGate, phantoms: dict[Split, NDArray[np.uint8]]
) -> None:
    content = gate.to_bytes()
    assert len(content) < 500_000
    again = QualityGate.from_bytes(content)
    for image in phantoms[Split.TEST][:10] / np.float32(255):
        assert again.assess(image) == gate.assess(image)


def test_distance_and_density_are_those_of_the_normal_distribution(gate: QualityGate) -> None:
    model = gate.upright
    size = model.mean.size
    axes = model.axes.astype(np.float64)
    covariance = model.noise * np.eye(size) + axes.T @ np.diag(model.variances - model.noise) @ axes
    draw = np.random.default_rng(1).normal(size=size).astype(np.float32)
    centred = (draw - model.mean).astype(np.float64)
    square = centred @ np.linalg.solve(covariance, centred)
    assert model.distance(draw) == pytest.approx(np.sqrt(square / size), rel=1e-3)
    normal = multivariate_normal(model.mean, covariance)
    density = normal.logpdf(draw) + size / 2 * np.log(2 * np.pi)
    assert model.log_density(draw) == pytest.approx(density / size, rel=1e-3)


def test_fewer_axes_explain_less_and_leave_more_noise(gate: QualityGate) -> None:
    truncated = gate.upright.truncated(5)
    assert len(truncated.axes) == len(truncated.variances) == 5
    assert truncated.noise > gate.upright.noise
    before, after = (
        model.variances.sum() + model.noise * (1024 - len(model.axes))
        for model in (gate.upright, truncated)
    )
    assert before == pytest.approx(after)


def test_real_radiographs_pass_and_changed_ones_do_not(children: Manifest, tmp_path: Path) -> None:
    """Validation images alone: the test split is for the benchmark's report."""
    pixels = pixels_of(children, tmp_path, 96)
    gate = fit_gate(pixels[Split.TRAIN], pixels[Split.VALIDATION][::2])
    images = pixels[Split.VALIDATION][1::2] / np.float32(255)
    assert np.mean([rejected(gate, image) for image in images]) <= 0.01
    for change in (lambda x: 1 - x, lambda x: np.rot90(x, 2), np.rot90):
        assert np.mean([rejected(gate, change(image)) for image in images]) >= 0.95
    corners = np.random.default_rng(2).integers(0, 49, (len(images), 2))
    crops = [
        image[y : y + 48, x : x + 48].repeat(2, 0).repeat(2, 1)
        for image, (y, x) in zip(images, corners, strict=True)
    ]
    assert np.mean([bool(codes(gate, crop)) for crop in crops]) >= 0.85
    assert np.mean([bool(codes(gate, image)) for image in images]) <= 0.04
