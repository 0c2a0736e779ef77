"""Many files read in order, each a row, with a picture of its heat map if wanted."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import tee
from pathlib import Path

from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader.overlay import overlay
from pneumoscope.reader.reader import Reader
from pneumoscope.reader.reading import Reading
from pneumoscope.reader.table import Row
from pneumoscope.support.files import write_bytes
from pneumoscope.support.parallel import map_in_order


def read_files(
    reader: Reader, files: Iterable[Path], operating_point: str, heatmaps: Path | None = None
) -> Iterator[Row]:
    """Read files in order; memory does not grow with their number.

    Parameters
    ----------
    reader
        To read with.
    files
        Taken as they are needed.
    operating_point
        At which the findings are made.
    heatmaps
        Folder that gets a PNG for each radiograph that is read or flagged.

    Yields
    ------
    Row
        One for each file.

    Raises
    ------
    StorageError
        If a picture cannot be written.
    """
    files, named = tee(files)
    read = zip(named, reader.read_many(files), strict=True)

    def row(one: tuple[Path, Reading]) -> Row:
        file, reading = one
        picture = None
        if heatmaps is not None and reading.heatmap is not None:
            picture = heatmaps / picture_name(file)
            write_bytes(picture, overlay(read_radiograph(file), reading))
        return Row.of(str(file), reading, reader.bundle, operating_point, picture)

    if heatmaps is None:
        yield from map(row, read)
    else:  # a picture takes longer than a reading
        yield from map_in_order(row, read, reader.threads, ahead=2 * reader.threads)


def picture_name(file: Path) -> str:
    """Return the name of a file's picture: files of one name in two folders get two.

    Examples
    --------
    >>> picture_name(Path("/ward/chest.jpeg"))
    'chest-e32a329c.png'
    """
    return f"{file.stem}-{hashlib.sha256(str(file.absolute()).encode()).hexdigest()[:8]}.png"
