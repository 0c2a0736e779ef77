"""The benchmark of the uncertain band, on phantoms and on real validation images."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.coverage import read_entries, set_aside
from pneumoscope.dataset import Manifest, Split
from pneumoscope.evaluation.selection.operating_points import ABSTAIN_LEVEL
from pneumoscope.reader import SHIPPED, Bundle


def test_every_part_is_judged(
    run_benchmark: Callable, exported: Path, phantom_dataset: Path, tmp_path: Path
) -> None:
    words = (phantom_dataset, "--bundle", exported, "--adults", tmp_path / "none")
    aside, elsewhere = run_benchmark("coverage", *words).values()
    assert [row["level"] for row in aside] == [0.01, 0.02, 0.05]
    points = [(row["images"], row["operating point"]) for row in elsewhere]
    assert points == [("test split", name) for name in ("screening", "balanced", "confirm")]
    for row in elsewhere:
        wrong, n = row["NORMAL wrong"].split(" = ")[0].split("/")
        assert 0 <= int(wrong) <= int(n)


def test_data_that_the_bundle_did_not_learn_from_is_refused(
    run_benchmark: Callable, exported: Path, small_dataset: Path
) -> None:
    with pytest.raises(AssertionError, match="not the data, or not the split"):
        run_benchmark("coverage", small_dataset, "--bundle", exported)


def test_a_band_of_other_images_is_wrong_as_seldom_as_promised_on_validation(
    children: Manifest,
) -> None:
    """Real radiographs and the shipped bundle; none of these images was learned from."""
    entries = children.of(Split.VALIDATION)
    table = read_entries(Bundle.open(SHIPPED), children.root, entries)
    assert len(table.files) > 0.99 * len(entries)
    pneumonia, normal, within = set_aside(table, cuts=200).mean(0)
    assert pneumonia <= ABSTAIN_LEVEL
    assert normal <= ABSTAIN_LEVEL
    assert within < 0.2
