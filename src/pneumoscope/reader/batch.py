"""Reading of many files in order, with pictures of their heat maps."""

import hashlib
from collections.abc import Container, Iterable, Iterator
from datetime import datetime
from itertools import tee
from pathlib import Path

from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader.automatic import AnyReader
from pneumoscope.reader.overlay import MAX_PICTURE_SIDE, draw_reading
from pneumoscope.reader.reading import Reading
from pneumoscope.reader.table import ReadingRow
from pneumoscope.support.errors import NotAnImageError
from pneumoscope.support.files import write_bytes
from pneumoscope.support.parallel import map_in_order


def read_files(
    reader: AnyReader,
    files: Iterable[Path],
    operating_point: str,
    heatmaps: Path | None = None,
    named: Container[Path] = (),
) -> Iterator[ReadingRow | None]:
    """Read files in order; memory does not grow with their number.

    Yields None for a DICOM file that is no image, such as a report, unless the user named it.

    Parameters
    ----------
    reader
        Reader of a bundle, or of several.
    files
        Files to read, taken as they are needed.
    operating_point
        Name of the operating point of the findings.
    heatmaps
        Folder to write a PNG to for each radiograph that is read or flagged, or raise
        `StorageError`; None for no pictures.
    named
        Files that the user named, which are not passed over.
    """
    files, copies = tee(files)
    readings = zip(copies, reader.read_many(files), strict=True)

    def make_row(file_and_reading: tuple[Path, Reading]) -> ReadingRow | None:
        file, reading = file_and_reading
        if file not in named and _is_no_image(reading):
            return None
        picture = None
        if heatmaps is not None and reading.heatmap is not None:
            picture = heatmaps / picture_name(file)
            radiograph = read_radiograph(file, MAX_PICTURE_SIDE)
            now = datetime.now().astimezone()
            png = draw_reading(radiograph, reading, operating_point, file.name, now)
            write_bytes(picture, png)
        return ReadingRow.of(
            str(file), reading, reader.bundle_of(reading), operating_point, picture
        )

    if heatmaps is None:
        yield from map(make_row, readings)
    else:  # drawing takes longer than reading
        yield from map_in_order(make_row, readings, reader.threads, ahead=2 * reader.threads)


def _is_no_image(reading: Reading) -> bool:
    return any(finding.code == NotAnImageError.code for finding in reading.quality)


def picture_name(file: Path) -> str:
    """Return the file name of a picture, unique for files of the same name in two folders.

    Examples
    --------
    >>> picture_name(Path("/clinic/chest.jpeg"))
    'chest-131a62c2.png'
    """
    return f"{file.stem}-{hashlib.sha256(str(file.absolute()).encode()).hexdigest()[:8]}.png"
