"""The load test of the clinic's server, on few radiographs, and its counts."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.clinic_outcome import reading_rate
from benchmarks.clinic_radiographs import distinct_radiographs, numbered
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Image as ImageRow
from pneumoscope.clinic.storage.tables import Site, StoredReading, Study


@pytest.mark.thorough
def test_nothing_is_lost_and_every_kind_of_request_is_timed(run_benchmark: Callable) -> None:
    tables = run_benchmark("clinic_load", "--workers", 1)
    (outcome,) = tables["Outcome"]
    assert {outcome[name] for name in ("accepted", "images", "readings")} == {40}
    assert (outcome["still queued"], outcome["failed"]) == (0, 0)
    rows = {row["request"]: row for row in tables["Requests"]}
    assert rows["upload"]["answered"] == 4  # of ten radiographs each
    assert {"worklist", "study", "pixels"} <= set(rows)
    for row in rows.values():
        assert row["faults"] == 0
        assert 0 < row["p50 ms"] <= row["p95 ms"] <= row["p99 ms"]
    (queue,) = tables["The queue"]
    assert np.isclose(queue["ratio in all"], queue["read in all"] / queue["the reader alone"])
    assert queue["read in all"] > 0
    (peaks,) = tables["Memory"]
    assert all(50 < peaks[name] < 1_000 for name in ("server", "worker"))


def test_the_rate_counts_readings_since_a_moment(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/clinic.db")
    start = datetime(2026, 11, 26, tzinfo=UTC)
    with database.writing() as session:
        study = Study(site=Site(name="Hospital"), received=start)
        for second in range(1, 5):  # readings 1, 2, 3 and 4 s after the start
            session.add(_read_image(study, start + timedelta(seconds=second)))
    assert reading_rate(database, start) == 4 / 4
    assert reading_rate(database, start + timedelta(seconds=2.5)) == 2 / 1.5
    assert np.isnan(reading_rate(database, start + timedelta(seconds=5)))


def _read_image(study: Study, moment: datetime) -> ImageRow:
    reading = StoredReading(
        created=moment,
        bundle="x",
        status="failed",
        operating_point="screening",
        findings={},
        reasons=[],
        quality=[],
        milliseconds=1.0,
    )
    return ImageRow(
        study=study,
        reading=reading,
        sha256="0",
        name="a",
        media_type="image/png",
        size=1,
        received=moment,
    )


def test_repeated_files_have_distinct_bytes_and_equal_pixels(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    grey.save(source / "one.jpeg")
    files = distinct_radiographs(source, tmp_path / "files", 5)
    contents = [file.read_bytes() for file in files]
    assert len(set(contents)) == 5
    pixels = np.asarray(Image.open(source / "one.jpeg"))
    for content in contents:
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), pixels)


def test_pillow_reads_the_number_as_a_comment() -> None:
    content = io.BytesIO()
    Image.new("L", (8, 8)).save(content, "JPEG")
    with Image.open(io.BytesIO(numbered(content.getvalue(), 42))) as opened:
        assert opened.info["comment"] == b"00000042"
