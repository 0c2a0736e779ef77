"""Readings compared with the network itself, and of every kind of source."""

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from pneumoscope.models.deployed import DeployedNetwork
from pneumoscope.radiograph import (
    DecodingNote,
    Radiograph,
    Resampling,
    prepare_pixels,
    read_radiograph,
)
from pneumoscope.radiograph.body import body_mask
from pneumoscope.reader import AutomaticReader, Bundle, Finding, Reader, Reading, Status
from pneumoscope.reader.bundle import RefusalLimits
from pneumoscope.reader.reading import CONFIDENCES
from pneumoscope.reader.source import Source
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.operating_point import OperatingPoint
from pneumoscope.training import Run
from pneumoscope.training.evaluate import load_trained_network, read_predictions


def same(first: Reading, second: Reading) -> bool:
    """Return whether two readings are equal except for their times."""
    assert (first.heatmap is None) == (second.heatmap is None)
    if first.heatmap is not None:
        np.testing.assert_allclose(first.heatmap, second.heatmap, atol=1e-5)
    # Codes only: the distance in a message may be rounded to either side.
    first_codes, second_codes = (
        [finding.code for finding in reading.quality] for reading in (first, second)
    )
    return (first.status, first_codes, first.findings) == (
        second.status,
        second_codes,
        second.findings,
    ) and output_of(first) == pytest.approx(output_of(second), abs=1e-6)


def output_of(reading: Reading) -> float:
    """Return the output of the network: the probability, unless the image is outside."""
    output = reading.probability_outside if reading.probability is None else reading.probability
    assert output is not None
    return output


def test_the_probability_is_the_calibrated_output_of_the_network(
    reader: Reader, compact_run: Run, radiographs: Callable
) -> None:
    network = DeployedNetwork(load_trained_network(compact_run).cpu())
    temperature = reader.bundle.record.calibration.temperature
    for path in radiographs(8):
        pixels = prepare_pixels(read_radiograph(path).pixels, 64, Resampling.BILINEAR)
        logits, heatmaps, _ = network(torch.from_numpy(pixels)[None])
        reading = reader.read(path)
        expected = torch.sigmoid(logits[0] / temperature).item()
        assert reading.probability == pytest.approx(expected, abs=1e-5)
        body = body_mask(reading.square, *reading.heatmap.shape)
        expected_map = np.where(body, heatmaps[0] / temperature, 0)
        np.testing.assert_allclose(reading.heatmap, expected_map, atol=1e-4)
        assert body.any()
        assert reading.bundle == reader.bundle.identity
        assert reading.milliseconds > 0


def test_readings_order_images_as_the_run_s_own_predictions(
    reader: Reader, compact_run: Run, phantom_dataset: Path
) -> None:
    predictions = read_predictions(compact_run, "test")
    readings = reader.read_many(phantom_dataset / file for file in predictions.files)
    temperature = reader.bundle.record.calibration.temperature
    for reading, probability in zip(readings, predictions.probabilities, strict=True):
        odds = output_of(reading) / (1 - output_of(reading))
        assert 1 / (1 + odds**-temperature) == pytest.approx(probability, abs=1e-4)


def test_every_kind_of_source_gives_the_same_reading(reader: Reader, radiographs: Callable) -> None:
    (path,) = radiographs(1)
    grey = np.asarray(Image.open(path).convert("L"))
    tensor = torch.from_numpy(grey / np.float32(255))
    sources = [
        str(path),
        path.read_bytes(),
        io.BytesIO(path.read_bytes()),
        Image.open(path),
        Image.open(path).convert("RGBA"),
        grey,
        grey / np.float32(255),
        torch.from_numpy(grey.copy()),
        tensor,
        tensor.requires_grad_(),
        read_radiograph(path),
    ]
    expected = reader.read(path)
    readings = list(reader.read_many(sources))
    assert all(same(reading, expected) for reading in readings)
    assert {reading.probability for reading in readings} == {expected.probability}


def test_an_image_of_pillow_is_turned_upright_and_left_as_it_is(
    reader: Reader, radiographs: Callable, tmp_path: Path
) -> None:
    upright = Image.open(radiographs(1)[0]).convert("L")
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # shown after a quarter turn clockwise
    turned.save(tmp_path / "turned.png", exif=exif)
    opened = Image.open(tmp_path / "turned.png")
    before = opened.tobytes()
    assert same(reader.read(opened), reader.read(upright))
    assert opened.tobytes() == before
    assert opened.getexif() == exif


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (np.full((64, 64, 3), 90, np.uint8), "shape (64, 64, 3)"),
        (torch.full((1, 64, 64), 90, dtype=torch.uint8), "shape (1, 64, 64)"),
        (torch.full((64, 64), 90.0), "outside of [0, 1]"),
        (torch.full((64, 64), 0.5, dtype=torch.bfloat16), "NumPy cannot take over"),
        (Image.new("I;16", (64, 64)), "mode I;16"),
        (Image.new("RGBA", (64, 64)), "transparent"),
        (io.BytesIO(), "seek(0)"),
        (io.StringIO("text"), "mode 'rb'"),
        ([[0, 1], [1, 0]], "a list is no radiograph"),
        (None, "a NoneType is no radiograph"),
    ],
)
def test_what_might_be_misunderstood_is_refused(
    reader: Reader, source: Source, reason: str
) -> None:
    reading = reader.read(source)
    assert reading.status is Status.FAILED
    assert reading.probability is None
    assert reason in reading.reasons[0]


def test_sources_in_memory_pass_the_quality_gate(reader: Reader) -> None:
    blank = np.full((300, 300), 90, np.uint8)
    for source in (Image.fromarray(blank), torch.from_numpy(blank)):
        reading = reader.read(source)
        assert reading.status is Status.REJECTED
        assert reading.probability is None
        assert "blank" in {finding.code for finding in reading.quality}


def test_many_are_read_in_order_and_a_bad_one_is_one_row(
    reader: Reader, radiographs: Callable, tmp_path: Path
) -> None:
    paths = radiographs(40)
    (tmp_path / "empty.png").touch()
    sources = [*paths[:20], tmp_path / "empty.png", *paths[20:], tmp_path / "none.png"]
    readings = list(reader.read_many(sources))
    assert len(readings) == len(sources)
    for source, reading in zip(sources, readings, strict=True):
        if source in paths:
            assert same(reading, reader.read(source))
        else:
            assert reading.status is Status.FAILED
            assert str(source) in reading.reasons[0]
            assert reading.probability is None
            assert not reading.findings


def test_sources_are_taken_as_they_are_needed(reader: Reader, radiographs: Callable) -> None:
    (path,) = radiographs(1)
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield path

    readings = reader.read_many(endless())
    for _ in range(5):
        next(readings)
    assert taken < 200


def test_a_blank_image_is_rejected_with_the_reason(reader: Reader) -> None:
    reading = reader.read(np.full((200, 200), 90, np.uint8))
    assert reading.status is Status.REJECTED
    assert "a blank image" in reading.reasons[0]


NOTE = DecodingNote("repaired", "one of the values was repaired", doubtful=True)
SOURCES: dict[Status, Callable[[Radiograph], Source]] = {
    Status.READ: lambda image: image,
    Status.FLAGGED: lambda image: replace(image, notes=(replace(NOTE, doubtful=False),)),
    Status.OUTSIDE: lambda image: replace(image, view="LL"),
    Status.REJECTED: lambda image: replace(image, pixels=np.full_like(image.pixels, 0.5)),
    Status.FAILED: lambda image: b"",
}
"""Sources of each status, made of a radiograph that is read."""


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("is_automatic", [False, True])
def test_only_read_and_flagged_radiographs_have_an_answer(
    familiar_reader: Reader, radiographs: Callable, status: Status, is_automatic: bool
) -> None:
    """Probability, findings and heat map are there together, and for these two alone."""
    image = read_radiograph(radiographs(1)[0])
    reader = AutomaticReader([familiar_reader]) if is_automatic else familiar_reader
    for reading in (
        reader.read(SOURCES[status](image)),
        *reader.read_many([image, SOURCES[status](image)]),
    ):
        answers = (
            reading.probability is not None,
            bool(reading.findings),
            reading.heatmap is not None,
        )
        assert set(answers) == {reading.status in (Status.READ, Status.FLAGGED)}
        assert (reading.probability_outside is not None) == (reading.status is Status.OUTSIDE)
        assert bool(reading.reasons) == (reading.status is not Status.READ)
    assert reading.status is status


@pytest.mark.parametrize(
    "doubt",
    [
        {"notes": (NOTE,)},
        {"modality": "CT"},
        {"body_part": "HAND"},
        {"orientation": ("A", "F")},
        {"orientation": ("R", "F")},
        {"orientation": ("L", "H")},
    ],
)
def test_a_rejected_image_stays_rejected_when_it_is_outside_too(
    familiar_reader: Reader, radiographs: Callable, doubt: dict
) -> None:
    image = replace(read_radiograph(radiographs(1)[0]), **doubt)
    assert familiar_reader.read(image).status is Status.OUTSIDE
    blank = replace(image, pixels=np.full_like(image.pixels, 0.5))
    reading = familiar_reader.read(blank)
    assert reading.status is Status.REJECTED
    assert reading.probability_outside is None


@pytest.mark.parametrize("tags", [{"body_part": "HIP"}, {"view": "LL"}, {"modality": "CT"}])
def test_another_image_is_not_said_to_be_an_inverted_chest(
    familiar_reader: Reader, radiographs: Callable, tags: dict
) -> None:
    image = read_radiograph(radiographs(1)[0])
    negative = replace(image, pixels=1 - image.pixels)
    assert "inverted" in familiar_reader.read(negative).reasons[0]
    reading = familiar_reader.read(replace(negative, **tags))
    assert reading.status is Status.OUTSIDE
    assert not any("inverted" in reason for reason in reading.reasons)


def with_limits(bundle: Bundle, familiarity_limit: float, refusal: float | None) -> Reader:
    limits = (
        None if refusal is None else RefusalLimits(distance=refusal, false_refusals=Estimate(0))
    )
    changes = {"familiarity_limit": familiarity_limit, "refusal": limits}
    return Reader(replace(bundle, record=bundle.record.model_copy(update=changes)))


@pytest.fixture(scope="session")
def familiar_reader(exported: Path) -> Reader:
    """Return a reader for which every image is familiar."""
    return with_limits(Bundle.open(exported), 1e9, None)


def test_an_image_beyond_the_limit_of_refusal_is_outside(
    exported: Path, radiographs: Callable
) -> None:
    (path,) = radiographs(1)
    bundle = Bundle.open(exported)
    distance = with_limits(bundle, 1.0, None).read(path).distance
    for refusal, status in [(1.01 * distance, Status.FLAGGED), (0.99 * distance, Status.OUTSIDE)]:
        reading = with_limits(bundle, 0.5 * distance, refusal).read(path)
        assert reading.status is status
        assert any("unlike the radiographs" in reason for reason in reading.reasons)


@pytest.mark.parametrize(
    ("tags", "words"), [({"view": "LL"}, "a view LL"), ({"body_part": "HAND"}, "HAND")]
)
def test_attributes_of_other_views_and_body_parts_are_outside(
    reader: Reader, radiographs: Callable, tags: dict, words: str
) -> None:
    pixels = read_radiograph(radiographs(1)[0]).pixels
    reading = reader.read(Radiograph(pixels, "", **tags))
    assert reading.status is Status.OUTSIDE
    assert words in reading.reasons[0]
    frontal = reader.read(Radiograph(pixels, "", view="PA", laterality="U", body_part="CHEST"))
    assert frontal.status in (Status.READ, Status.FLAGGED)
    assert (frontal.view, frontal.laterality) == ("PA", "U")


def test_an_image_unlike_the_training_images_is_flagged(
    exported: Path, radiographs: Callable
) -> None:
    reading = with_limits(Bundle.open(exported), 0.0, None).read(radiographs(1)[0])
    assert reading.status is Status.FLAGGED
    assert any("unlike the radiographs" in reason for reason in reading.reasons)
    assert "unfamiliar" in [finding.code for finding in reading.quality]
    assert reading.probability is not None


def test_findings_follow_threshold_and_band(reader: Reader, radiographs: Callable) -> None:
    ratios = {words: Estimate(float(rank)) for rank, words in enumerate(CONFIDENCES)}
    points = {
        name: replace(point, likelihood_ratios=ratios)
        for name, point in reader.bundle.record.operating_points.items()
    }
    record = reader.bundle.record.model_copy(update={"operating_points": points})
    reader = Reader(replace(reader.bundle, record=record))
    for path in radiographs(10):
        reading = reader.read(path)
        for name, point in points.items():
            called = reading.probability >= point.threshold
            finding = Finding.SUSPECTED if called else Finding.NO_SIGN
            assert reading.findings[name] is finding
            within = point.low <= reading.probability <= point.high
            assert (name in reading.low_confidence) is within
            # Not of flagged images: those of all images would promise too much of them.
            words = f"{finding}, low confidence" if within else str(finding)
            stated = ratios[words] if reading.status is Status.READ else None
            assert reading.likelihood_ratios.get(name) == stated


def test_a_reader_that_abstains_gives_no_finding_within_the_band(
    reader: Reader, radiographs: Callable
) -> None:
    """One point whose band holds the probabilities of half of the images."""
    paths = radiographs(10)
    half = sorted(reader.read(path).probability for path in paths)[4]
    bundle, seen = reader.bundle, set()
    wide = OperatingPoint("", threshold=half / 2, low=0.0, high=half, level=0.01)
    record = bundle.record.model_copy(update={"operating_points": {"wide": wide}})
    abstaining = Reader(replace(bundle, record=record), abstain=True)
    for path in paths:
        reading = abstaining.read(path)
        expected = Finding.UNCERTAIN if reading.probability <= half else Finding.SUSPECTED
        assert reading.findings["wide"] is expected
        assert reading.likelihood_ratios == {}  # the bundle states none for abstention
        seen.add(expected)
    assert len(seen) == 2


def test_several_threads_share_a_reader(reader: Reader, radiographs: Callable) -> None:
    paths = radiographs(6)
    expected = [reader.read(path) for path in paths]
    differing = []

    def read() -> None:
        differing.extend(
            path
            for path, reading in zip(paths, expected, strict=True)
            if not same(reader.read(path), reading)
        )

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not differing


def test_reading_needs_no_torch(exported: Path, radiographs: Callable) -> None:
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['torch'] = None; import pneumoscope\n"
        f"reading = pneumoscope.load({str(exported)!r}).read({str(radiographs(1)[0])!r})\n"
        "assert reading.probability is not None\n"
        "heavy = {'matplotlib', 'pyarrow', 'scipy', 'sklearn', 'onnx'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
