"""The benchmark of the uncertain band, on phantoms and on real validation images."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.coverage import read_entries, set_aside
from pneumoscope.dataset import Manifest, Split
from pneumoscope.evaluation.selection.operating_points import BAND_ERROR_RATE
from pneumoscope.reader import SHIPPED, Bundle


def test_every_part_is_evaluated(
    run_benchmark: Callable, exported: Path, phantom_dataset: Path
) -> None:
    halves, test_rows = run_benchmark("coverage", phantom_dataset, "--bundle", exported).values()
    assert [row["level"] for row in halves] == [0.01, 0.02, 0.05]
    points = [(row["images"], row["operating point"]) for row in test_rows]
    assert points == [("test split", name) for name in ("screening", "balanced", "confirm")]
    for row in test_rows:
        wrong, n = row["NORMAL wrong"].split(" = ")[0].split("/")
        assert 0 <= int(wrong) <= int(n)


def test_data_other_than_the_bundles_is_refused(
    run_benchmark: Callable, exported: Path, small_dataset: Path
) -> None:
    with pytest.raises(AssertionError, match="not the data, or not the split"):
        run_benchmark("coverage", small_dataset, "--bundle", exported)


@pytest.mark.thorough
def test_the_band_keeps_its_promise_on_validation_images_set_aside(children: Manifest) -> None:
    """Real radiographs and the shipped bundle, which was not trained on these images."""
    entries = children.of(Split.VALIDATION)
    bundle = Bundle.open(SHIPPED)
    table = read_entries(bundle, children.root, entries)
    refusal = bundle.record.refusal
    assert refusal is not None
    assert len(table.files) > (1 - refusal.false_refusals.high) * len(entries)
    pneumonia, normal, in_band = set_aside(table, halvings=200).mean(0)
    assert pneumonia <= BAND_ERROR_RATE
    assert normal <= BAND_ERROR_RATE
    assert in_band < 0.2
