"""`bundles measure`: a copy of a bundle that states its metrics on the test split."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pneumoscope.dataset import Split, open_dataset
from pneumoscope.reader import Bundle, Reader
from pneumoscope.reader.reading import CONFIDENCES
from tests.conftest import Outcome


def test_a_measured_bundle_counts_the_findings_that_are_shown(
    pneumoscope: Callable[..., Outcome], own_bundle: Path, phantom_dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "measured"
    outcome = pneumoscope("bundles", "measure", own_bundle, "--data", phantom_dataset, "--out", out)
    assert outcome.code == 0, outcome.err
    assert "reading number 1 of this test split" in " ".join(outcome.err.split())
    old, new = Bundle.open(own_bundle), Bundle.open(out)
    assert new.contents == old.contents
    assert new.record.history[-1].previous == old.identity
    shown: dict[str, Counter[tuple[str, str]]] = {}
    reader = Reader(old)
    for entry in open_dataset(phantom_dataset).of(Split.TEST):
        reading = reader.read(phantom_dataset / entry.path)
        for name, finding in reading.findings.items():
            words = f"{finding}{', low confidence' * (name in reading.low_confidence)}"
            shown.setdefault(name, Counter())[entry.label.name, words] += 1
    for name, point in new.record.operating_points.items():
        before = old.record.operating_points[name]
        assert (point.threshold, point.measured) == (before.threshold, before.measured)
        for label, counts in point.tested_findings.items():
            assert counts == {words: shown[name][label, words] for words in CONFIDENCES}


def test_other_data_than_it_learned_from_are_refused_unread(
    pneumoscope: Callable[..., Outcome], own_bundle: Path, small_dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "measured"
    outcome = pneumoscope("bundles", "measure", own_bundle, "--data", small_dataset, "--out", out)
    assert outcome.code == 1
    assert "it may have learned from these images" in " ".join(outcome.err.split())
    assert not out.exists()
    assert not (own_bundle / "test_readings.csv").exists()
