"""The bundles that come with the package."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pneumoscope import load
from pneumoscope.reader import BUNDLES, Bundle, Status


def test_the_default_bundle_is_used_and_its_notice_is_printed(
    pneumoscope: Callable, radiographs: Callable
) -> None:
    outcome = pneumoscope("read", radiographs(1)[0])
    assert " ".join(load().bundle.record.notice.split()) in " ".join(outcome.err.split())
    assert "false alarms" in outcome.err
    assert outcome.code in (0, 1)  # a phantom may be rejected


@pytest.mark.parametrize("name", ["default", "adults"])
def test_each_bundle_is_complete_and_small(name: str) -> None:
    bundle = load(name).bundle
    assert bundle.folder == BUNDLES / name
    assert sum(path.stat().st_size for path in bundle.folder.iterdir()) < 15_000_000
    assert "CC BY 4.0" in bundle.record.training_data.population


def test_a_folder_of_the_same_name_is_opened_by_its_path(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(exported, tmp_path / "adults")
    monkeypatch.chdir(tmp_path)
    own = Bundle.open(exported).identity
    assert load("./adults").bundle.identity == own
    assert load(Path("adults")).bundle.identity == own
    assert load("adults").bundle.identity != own


def test_a_real_radiograph_is_read(shared_data: Path) -> None:
    """Training images, since the test split is for reporting only."""
    reader = load()
    paths = sorted((shared_data / "chest_xray" / "train").rglob("*.jpeg"))[::200]
    readings = list(reader.read_many(paths))
    assert np.mean([reading.status in (Status.READ, Status.FLAGGED) for reading in readings]) > 0.95
    correct = [
        (reading.probability > 0.5) == (path.parent.name == "PNEUMONIA")
        for path, reading in zip(paths, readings, strict=True)
        if reading.probability is not None
    ]
    assert np.mean(correct) > 0.9
