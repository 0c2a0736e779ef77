"""The deployed artefact: a Bundle, and the session that turns a Radiograph into a Reading."""

from pathlib import Path

from pneumoscope.reader.bundle import RECORD, Bundle
from pneumoscope.reader.reader import Reader
from pneumoscope.reader.reading import Finding, Reading, Status

BUNDLES = Path(__file__).parent / "bundles"
SHIPPED = BUNDLES / "default"
"""The bundle that is read with unless another is named."""

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
        The name of one that comes with the package (see `shipped_bundles`), or a folder.

    Examples
    --------
    >>> find_bundle("default") == SHIPPED
    True

    A folder of that name is written as a path:

    >>> find_bundle("./default").as_posix()
    'default'
    """
    named = isinstance(bundle, str) and bundle in shipped_bundles()
    return BUNDLES / bundle if named else Path(bundle)


def shipped_bundles() -> list[str]:
    """Return the names of the bundles that come with the package, the default one first."""
    names = sorted(record.parent.name for record in BUNDLES.glob(f"[!.]*/{RECORD}"))
    return sorted(names, key=SHIPPED.name.__ne__)


def load(bundle: Path | str | None = None, threads: int | None = None) -> Reader:
    """Open a bundle for reading.

    Parameters
    ----------
    bundle
        Its folder, or the name of one that comes with the package: ``default``, if None.
    threads
        For decoding and for the network; all cores that may be used if None.

    Raises
    ------
    BundleError
        If the bundle is missing, damaged or of another format.
    """
    return Reader(Bundle.open(find_bundle(SHIPPED if bundle is None else bundle)), threads)
