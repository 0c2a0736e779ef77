"""Limits of refusal of the shipped bundles: the images that they were fitted on, and the record."""

from pathlib import Path

import pytest

from benchmarks.refusal_limits import SOURCES, Source, children_source, write
from pneumoscope.reader import Bundle, find_bundle
from pneumoscope.reader.bundle import FAMILIARITY, GATE, GRAPH
from pneumoscope.reader.familiarity import FeatureFamiliarity
from pneumoscope.reader.population import Population


@pytest.mark.parametrize(("name", "n_outsiders"), [("default", 582), ("adults", 4187)])
def test_the_images_are_those_that_the_bundle_was_trained_on(
    shared_data: Path, name: str, n_outsiders: int
) -> None:
    source, record = SOURCES[name](shared_data), Bundle.open(find_bundle(name)).record
    assert source.manifest.fingerprint == record.training_data.fingerprint
    assert len(source.outsiders) == n_outsiders
    assert source.description == record.refusal.outsiders
    assert source.patients == record.population
    assert set(source.limitations) <= set(record.limitations)


def test_no_outsider_is_a_child_or_of_a_reported_set(shared_data: Path) -> None:
    rows = (shared_data / "nih_mixed" / "labels.csv").read_text().splitlines()[1:]
    ages = {row.split(",")[0]: int(row.split(",")[3]) for row in rows}
    outsiders = children_source(shared_data).outsiders
    assert {path.parts[-3] for path in outsiders} == {"nih_mixed"}
    assert min(ages[path.name] for path in outsiders) == 18


def test_a_bundle_is_written_with_its_network_unchanged(tmp_path: Path) -> None:
    bundle = Bundle.open(find_bundle("default"))
    record, familiarity = bundle.record, FeatureFamiliarity.from_bytes(bundle.contents[FAMILIARITY])
    patients = Population(name="infants", max_age=0)
    source = Source(None, [], "", patients, True, ("Few infants.",))
    for out in (tmp_path / "once", tmp_path / "twice"):
        bundle = write(bundle, familiarity, record.refusal, source, out)
    assert bundle.record.population == patients
    assert bundle.record.limitations.count("Few infants.") == 1
    assert len(bundle.record.history) == len(record.history) + 2
    assert bundle.record.operating_points == record.operating_points
    shipped = Bundle.open(find_bundle("default"))
    assert all(bundle.contents[name] == shipped.contents[name] for name in (GRAPH, GATE))
