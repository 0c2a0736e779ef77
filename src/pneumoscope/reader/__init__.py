"""The deployed artefact: a Bundle, and the session that turns a Radiograph into a Reading."""

from pathlib import Path

from pneumoscope.reader.bundle import Bundle
from pneumoscope.reader.reader import Reader
from pneumoscope.reader.reading import Finding, Reading, Status

SHIPPED = Path(__file__).parent.parent / "bundles" / "default"
"""The bundle that comes with the package."""

__all__ = ["Bundle", "Finding", "Reader", "Reading", "Status", "load"]


def load(bundle: Path | str | None = None, threads: int | None = None) -> Reader:
    """Open a bundle for reading.

    Parameters
    ----------
    bundle
        Its folder; the bundle that comes with the package if None.
    threads
        For decoding and for the network; all cores that may be used if None.

    Raises
    ------
    BundleError
        If the bundle is missing, damaged or of another format.
    """
    return Reader(Bundle.open(SHIPPED if bundle is None else Path(bundle)), threads)
