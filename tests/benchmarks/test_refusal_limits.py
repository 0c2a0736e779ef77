"""Limits of refusal of the shipped bundles: the images that they were fitted on, and the record."""

from pathlib import Path

import pytest

from benchmarks.refusal_limits import SOURCES, children_source
from pneumoscope.reader import Bundle, find_bundle


@pytest.mark.usefixtures("opened_before")
@pytest.mark.parametrize(("name", "n_outsiders"), [("default", 582), ("adults", 4187)])
def test_the_images_are_those_that_the_bundle_was_trained_on(
    shared_data: Path, name: str, n_outsiders: int
) -> None:
    source, record = SOURCES[name](shared_data), Bundle.open(find_bundle(name)).record
    assert not source.manifest.set_aside
    assert source.manifest.fingerprint == record.training_data.fingerprint
    assert len(source.outsiders) == n_outsiders
    assert record.refusal.outsiders == f"{n_outsiders:,} radiographs of {source.population}"


@pytest.mark.usefixtures("opened_before")
def test_no_outsider_is_a_child_or_of_a_reported_set(shared_data: Path) -> None:
    rows = (shared_data / "nih_mixed" / "labels.csv").read_text().splitlines()[1:]
    ages = {row.split(",")[0]: int(row.split(",")[3]) for row in rows}
    outsiders = children_source(shared_data).outsiders
    assert {path.parts[-3] for path in outsiders} == {"nih_mixed"}
    assert min(ages[path.name] for path in outsiders) == 18
