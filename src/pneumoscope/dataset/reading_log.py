"""Log of the readings of a test split: a small CSV file that every reading adds a row to.

A test split that is read again and again, with choices made in between, is not a test any more. So
each reading is recorded where the model lies: in a Run's directory, or in a bundle's folder.
"""

from datetime import UTC, datetime
from pathlib import Path

from pneumoscope.support.files import append_line, write_text

FILE_NAME = "test_readings.csv"


def record_test_reading(folder: Path, fingerprint: str, images: int) -> int:
    """Record that a test split is about to be read, and return how often it has been by now.

    Parameters
    ----------
    folder
        Run directory or folder of a bundle; its `FILE_NAME` gets a row, or there is a
        `StorageError`.
    fingerprint
        Fingerprint of the manifest whose test split is read.
    images
        Number of images in the split.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> [record_test_reading(folder, data, 16) for data in ("a1b2", "a1b2", "c3d4")]
    [1, 2, 1]
    """
    path = folder / FILE_NAME
    if not path.exists():
        write_text(path, "time,images,manifest_fingerprint\n")
    time = datetime.now(UTC).isoformat(timespec="seconds")
    append_line(path, f"{time},{images},{fingerprint}")
    return count_test_readings(folder, fingerprint)


def count_test_readings(folder: Path, fingerprint: str) -> int:
    """Count the recorded readings of a manifest's test split; 0 without a log."""
    path = folder / FILE_NAME
    if not path.exists():
        return 0
    rows = path.read_text(encoding="utf-8").splitlines()[1:]
    return sum(row.rpartition(",")[2] == fingerprint for row in rows)
