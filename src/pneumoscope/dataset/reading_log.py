"""Log of the readings of a test split: a small CSV file that every reading adds a row to.

A test split that is read again and again, with choices made in between, is not a test any more. So
each reading is recorded where the model lies: in a Run's directory, or in a bundle's folder. It is
recorded for the user on this host too, since whoever tries many models reads the same split again.
"""

from datetime import UTC, datetime
from pathlib import Path

from platformdirs import user_state_path

from pneumoscope.support.errors import StorageError
from pneumoscope.support.files import append_line
from pneumoscope.support.terminal import messages

FILE_NAME = "test_readings.csv"


def host_log_folder() -> Path:
    """Return the folder of the log of all readings by this user on this host."""
    return user_state_path("pneumoscope")


def record_test_reading(folder: Path, fingerprint: str, images: int) -> int:
    """Record that a test split is about to be read, and return how often the folder says it was.

    The log of this host gets a row too; if it cannot be written, a message says so.

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
    >>> getfixture("monkeypatch").setenv("XDG_STATE_HOME", str(folder / "host"))
    >>> [record_test_reading(folder, data, 16) for data in ("a1b2", "a1b2", "c3d4")]
    [1, 2, 1]
    >>> describe_host_readings("a1b2")
    'The test split of these data (a1b2) has been read 2 times on this host.'
    """
    time = datetime.now(UTC).isoformat(timespec="seconds")
    row = f"{time},{images},{fingerprint}"
    try:
        _append(host_log_folder(), row)
    except StorageError as error:
        messages.print(f"This reading of the test split is not counted on this host: {error}")
    _append(folder, row)
    return count_test_readings(folder, fingerprint)


def _append(folder: Path, row: str) -> None:
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be created ({error.strerror})") from error
    if not path.exists():
        append_line(path, "time,images,manifest_fingerprint")
    append_line(path, row)


def count_test_readings(folder: Path, fingerprint: str | None = None) -> int:
    """Count the recorded readings of a manifest's test split, or of all; 0 without a log."""
    path = folder / FILE_NAME
    if not path.exists():
        return 0
    rows = path.read_text(encoding="utf-8").splitlines()[1:]
    return sum(fingerprint in (None, row.rpartition(",")[2]) for row in rows)


def describe_host_readings(fingerprint: str) -> str:
    """Return how often the user has read a manifest's test split on this host, in words."""
    count = count_test_readings(host_log_folder(), fingerprint)
    data = f"The test split of these data ({fingerprint[:12]})"
    if not count:
        return f"{data}: how often it has been read on this host is not known."
    times = "once" if count == 1 else f"{count:,} times"
    return f"{data} has been read {times} on this host."
