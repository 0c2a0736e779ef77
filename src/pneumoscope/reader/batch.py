"""Reading of many files in order, with pictures of their heat maps."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import tee
from pathlib import Path

from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader.overlay import draw_overlay
from pneumoscope.reader.reader import Reader
from pneumoscope.reader.reading import Reading
from pneumoscope.reader.table import ReadingRow
from pneumoscope.support.files import write_bytes
from pneumoscope.support.parallel import map_in_order


def read_files(
    reader: Reader, files: Iterable[Path], operating_point: str, heatmaps: Path | None = None
) -> Iterator[ReadingRow]:
    """Read files in order; memory does not grow with their number.

    Parameters
    ----------
    reader
        Reader of a bundle.
    files
        Files to read, taken as they are needed.
    operating_point
        Name of the operating point of the findings.
    heatmaps
        Folder to write a PNG to for each radiograph that is read or flagged, or raise
        `StorageError`; None for no pictures.
    """
    files, copies = tee(files)
    readings = zip(copies, reader.read_many(files), strict=True)

    def make_row(file_and_reading: tuple[Path, Reading]) -> ReadingRow:
        file, reading = file_and_reading
        picture = None
        if heatmaps is not None and reading.heatmap is not None:
            picture = heatmaps / picture_name(file)
            write_bytes(picture, draw_overlay(read_radiograph(file), reading))
        return ReadingRow.of(str(file), reading, reader.bundle, operating_point, picture)

    if heatmaps is None:
        yield from map(make_row, readings)
    else:  # drawing takes longer than reading
        yield from map_in_order(make_row, readings, reader.threads, ahead=2 * reader.threads)


def picture_name(file: Path) -> str:
    """Return the file name of a picture, unique for files of the same name in two folders.

    Examples
    --------
    >>> picture_name(Path("/clinic/chest.jpeg"))
    'chest-131a62c2.png'
    """
    return f"{file.stem}-{hashlib.sha256(str(file.absolute()).encode()).hexdigest()[:8]}.png"
