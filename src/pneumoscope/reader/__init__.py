"""Bundles, and the reader that turns a radiograph into a reading."""

from pathlib import Path
from typing import Literal, overload

from pneumoscope.reader.automatic import AnyReader, AutomaticReader
from pneumoscope.reader.bundle import RECORD, Bundle
from pneumoscope.reader.reader import Reader
from pneumoscope.reader.reading import Finding, Reading, Status
from pneumoscope.reader.readings import Readings
from pneumoscope.support.errors import BundleError

BUNDLES = Path(__file__).parent / "bundles"
SHIPPED = BUNDLES / "default"
"""Folder of the default bundle."""

AUTO = "auto"
"""Name of the automatic choice among the shipped bundles, by the patient's age."""

__all__ = [
    "AnyReader",
    "AutomaticReader",
    "Bundle",
    "Finding",
    "Reader",
    "Reading",
    "Readings",
    "Status",
    "find_bundle",
    "load",
    "open_reader",
    "shipped_bundles",
]


def find_bundle(bundle: Path | str) -> Path:
    """Return the folder of a bundle.

    Parameters
    ----------
    bundle
        Name of a shipped bundle (see `shipped_bundles`), or a folder.

    Raises
    ------
    BundleError
        If it is ``auto``, which is not one bundle.

    Examples
    --------
    >>> find_bundle("default") == SHIPPED
    True

    A folder of the same name is written as a path:

    >>> find_bundle("./default").as_posix()
    'default'
    """
    if bundle == AUTO and isinstance(bundle, str):
        choices = " or ".join(repr(name) for name in shipped_bundles())
        raise BundleError(
            f"'auto' chooses a bundle for each patient, and one bundle is needed here; pass "
            f"{choices}, or a folder (./auto for a folder of this name)"
        )
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


def open_reader(bundle: Path | str, threads: int | None = None, *, abstain: bool = False) -> Reader:
    """Open one bundle for reading; parameters are those of `load`, without ``auto``."""
    return Reader(Bundle.open(find_bundle(bundle)), threads, abstain=abstain)


@overload
def load(
    bundle: Literal["auto"],
    threads: int | None = None,
    unknown_age: str | None = "children",
    *,
    abstain: bool = False,
) -> AutomaticReader: ...


@overload
def load(
    bundle: Literal["default", "adults"] | Path = "default",
    threads: int | None = None,
    unknown_age: str | None = "children",
    *,
    abstain: bool = False,
) -> Reader: ...


@overload
def load(
    bundle: str,
    threads: int | None = None,
    unknown_age: str | None = "children",
    *,
    abstain: bool = False,
) -> AnyReader: ...


def load(
    bundle: Path | str = "default",
    threads: int | None = None,
    unknown_age: str | None = "children",
    *,
    abstain: bool = False,
) -> AnyReader:
    """Open a bundle for reading, or all shipped ones.

    Parameters
    ----------
    bundle
        Folder of a bundle, or name of a shipped one. With ``auto``, the patient's age decides
        between the shipped ones.
    threads
        Number of threads for decoding and for the network; all usable cores if None.
    unknown_age
        With ``auto``, the population whose bundle reads radiographs of patients of unknown age:
        ``children`` or ``adults``; None if they are outside.
    abstain
        Whether to give no finding, but ``uncertain``, within an operating point's uncertain band.

    Raises
    ------
    BundleError
        If the bundle is missing, damaged or of another format.

    Examples
    --------
    >>> load("adults").bundle.record.name
    'adults-3'
    """
    if bundle == AUTO and isinstance(bundle, str):
        readers = [open_reader(name, threads, abstain=abstain) for name in shipped_bundles()]
        return AutomaticReader(readers, threads, unknown_age)
    return open_reader(bundle, threads, abstain=abstain)
