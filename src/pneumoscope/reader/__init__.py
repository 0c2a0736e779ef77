"""Bundles, and the reader that turns a radiograph into a reading."""

from pathlib import Path

from pneumoscope.reader.bundle import RECORD, Bundle
from pneumoscope.reader.reader import Reader
from pneumoscope.reader.reading import Finding, Reading, Status

BUNDLES = Path(__file__).parent / "bundles"
SHIPPED = BUNDLES / "default"
"""Folder of the default bundle."""

__all__ = [
    "Bundle",
    "Finding",
    "Reader",
    "Reading",
    "Status",
    "find_bundle",
    "load",
    "shipped_bundles",
]


def find_bundle(bundle: Path | str) -> Path:
    """Return the folder of a bundle.

    Parameters
    ----------
    bundle
        Name of a shipped bundle (see `shipped_bundles`), or a folder.

    Examples
    --------
    >>> find_bundle("default") == SHIPPED
    True

    A folder of the same name is written as a path:

    >>> find_bundle("./default").as_posix()
    'default'
    """
    is_shipped = isinstance(bundle, str) and bundle in shipped_bundles()
    return BUNDLES / bundle if is_shipped else Path(bundle)


def shipped_bundles() -> list[str]:
    """Return the names of the bundles that come with the package, the default one first.

    Examples
    --------
    >>> shipped_bundles()
    ['default', 'adults']
    """
    names = sorted(record.parent.name for record in BUNDLES.glob(f"[!.]*/{RECORD}"))
    return sorted(names, key=SHIPPED.name.__ne__)


def load(bundle: Path | str | None = None, threads: int | None = None) -> Reader:
    """Open a bundle for reading.

    Parameters
    ----------
    bundle
        Folder of a bundle, or name of a shipped one; ``default`` if None.
    threads
        Number of threads for decoding and for the network; all usable cores if None.

    Raises
    ------
    BundleError
        If the bundle is missing, damaged or of another format.

    Examples
    --------
    >>> load("adults").bundle.record.name
    'adults-2'
    """
    return Reader(Bundle.open(find_bundle(SHIPPED if bundle is None else bundle)), threads)
