"""The automatic choice of a bundle, with a children's and an adults' bundle of one network."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pneumoscope.radiograph import Radiograph, read_radiograph
from pneumoscope.reader import (
    AutomaticReader,
    Reader,
    Status,
    find_bundle,
    load,
    open_reader,
)
from pneumoscope.support.errors import BundleError


@pytest.fixture(scope="session")
def readers(bundles_by_age: Path) -> list[Reader]:
    return [open_reader(bundles_by_age / name) for name in ("default", "adults")]


@pytest.fixture
def image(radiographs: Callable) -> Radiograph:
    return read_radiograph(radiographs(1)[0])


def of_age(image: Radiograph, age: float | None) -> Radiograph:
    return replace(image, age=age)


@pytest.mark.parametrize(("age", "name"), [(1.0, "children"), (5.9, "children"), (18.0, "adults")])
def test_the_bundle_whose_population_covers_the_age_reads(
    readers: list[Reader], image: Radiograph, age: float, name: str
) -> None:
    automatic = AutomaticReader(readers)
    reading = automatic.read(of_age(image, age))
    assert reading.status in (Status.READ, Status.FLAGGED)
    assert automatic.bundle_of(reading).record.name == name
    assert reading.assumed_population is None


@pytest.mark.parametrize(
    ("age", "words"), [(0.5, "child, 6 months"), (10.2, "child, 10 years"), (17.9, "child, 17")]
)
def test_an_age_that_no_bundle_covers_is_outside_and_names_the_covered_ages(
    readers: list[Reader], image: Radiograph, age: float, words: str
) -> None:
    reading = AutomaticReader(readers).read(of_age(image, age))
    assert reading.status is Status.OUTSIDE
    assert [finding.code for finding in reading.quality if finding.severity == "outside"] == ["age"]
    (reason,) = reading.reasons
    assert reason.startswith(words)
    assert "children of 1 to 5 years and adults from 18 years" in reason
    assert reading.bundle == readers[0].bundle.identity


@pytest.mark.parametrize("name", ["children", "adults"])
def test_a_patient_of_unknown_age_is_assumed_to_be_of_the_named_population(
    readers: list[Reader], image: Radiograph, name: str
) -> None:
    automatic = AutomaticReader(readers, unknown_age=name)
    reading = automatic.read(of_age(image, None))
    assert automatic.bundle_of(reading).record.name == name
    assert reading.assumed_population == name
    assert reading.probability is not None


def test_asked_for_unknown_ages_are_outside_with_the_remedy(
    readers: list[Reader], image: Radiograph
) -> None:
    reading = AutomaticReader(readers, unknown_age=None).read(of_age(image, None))
    assert reading.status is Status.OUTSIDE
    assert "age_unknown" in [finding.code for finding in reading.quality]
    assert "state the age or the birth date" in reading.reasons[0]


def test_a_bundle_for_all_ages_reads_patients_of_unknown_age(
    reader: Reader, image: Radiograph
) -> None:
    reading = AutomaticReader([reader], unknown_age=None).read(of_age(image, None))
    assert reading.status in (Status.READ, Status.FLAGGED)
    assert reading.assumed_population is None


def test_a_population_that_no_bundle_is_for_is_refused(readers: list[Reader]) -> None:
    with pytest.raises(BundleError, match="population seniors; choose one of: children, adults"):
        AutomaticReader(readers, unknown_age="seniors")


def test_many_of_mixed_ages_are_read_in_order_as_by_the_bundle_itself(
    readers: list[Reader], radiographs: Callable, tmp_path: Path
) -> None:
    (tmp_path / "empty.png").touch()
    ages = [3.0, 40.0, None, 10.0, 70.0, 2.0, 3.0]
    sources: list = [of_age(read_radiograph(radiographs(1)[0]), age) for age in ages]
    sources.insert(4, tmp_path / "empty.png")
    sources.insert(6, np.full((200, 200), 90, np.uint8))
    readings = list(AutomaticReader(readers, threads=2).read_many(iter(sources)))
    children, adults = readers
    expected = [
        children,
        adults,
        children,
        children,
        children,
        adults,
        children,
        children,
        children,
    ]
    assert len(readings) == len(sources)
    for source, reading, reader in zip(sources, readings, expected, strict=True):
        alone = reader.read(source)
        assert reading.bundle == reader.bundle.identity
        assert (reading.status, reading.sha256) == (alone.status, alone.sha256)
        for value in ("probability", "probability_outside"):
            assert getattr(reading, value) == pytest.approx(getattr(alone, value), abs=1e-6)


def test_each_source_is_decoded_once(
    readers: list[Reader], radiographs: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pneumoscope.reader import source

    decoded = []
    decode = source.decode_radiograph

    def count(content: bytes, *rest: object) -> Radiograph:
        decoded.append(content)
        return decode(content, *rest)

    monkeypatch.setattr(source, "decode_radiograph", count)
    contents = [path.read_bytes() for path in radiographs(6)]
    readings = list(AutomaticReader(readers).read_many(contents))
    assert sorted(decoded) == sorted(contents)
    assert [reading.status for reading in readings] != [Status.FAILED] * 6


def test_auto_opens_the_shipped_bundles_and_is_not_one_bundle() -> None:
    assert [bundle.folder.name for bundle in load("auto").bundles] == ["default", "adults"]
    assert isinstance(load(), Reader)
    with pytest.raises(BundleError, match="one bundle is needed here; pass 'default' or 'adults'"):
        find_bundle("auto")
