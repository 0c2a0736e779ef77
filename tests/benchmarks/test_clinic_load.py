"""The benchmark of the clinic's server under load, on few radiographs, and how it counts."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.clinic_radiographs import distinct_radiographs, numbered


def test_nothing_is_lost_and_every_kind_of_request_is_timed(run_benchmark: Callable) -> None:
    tables = run_benchmark("clinic_load")
    (kept,) = tables["Nothing lost"]
    assert {kept[name] for name in ("accepted", "images", "readings")} == {40}
    assert (kept["still waiting"], kept["failed"]) == (0, 0)
    rows = {row["request"]: row for row in tables["Requests"]}
    assert rows["hand in"]["answered"] == 4  # of ten radiographs each
    assert {"worklist", "study", "pixels"} <= set(rows)
    for row in rows.values():
        assert row["faults"] == 0
        assert 0 < row["p50 ms"] <= row["p95 ms"] <= row["p99 ms"]
    (queue,) = tables["The queue"]
    assert np.isclose(queue["ratio"], queue["read"] / queue["the reader alone"])
    (peaks,) = tables["Memory"]
    assert all(50 < peaks[name] < 1_000 for name in ("server", "worker"))


def test_repeated_files_are_unlike_in_bytes_and_alike_in_pixels(tmp_path: Path) -> None:
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


def test_the_number_is_a_comment_as_pillow_reads_it() -> None:
    content = io.BytesIO()
    Image.new("L", (8, 8)).save(content, "JPEG")
    with Image.open(io.BytesIO(numbered(content.getvalue(), 42))) as opened:
        assert opened.info["comment"] == b"00000042"
