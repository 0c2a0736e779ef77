"""Elements of a DICOM header as rows of text, for people, read within limits."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from pneumoscope.radiograph.dicom_file import is_dicom, open_dicom, report_undecodable
from pneumoscope.support.errors import UnreadableRadiographError

MAX_HEADER_BYTES = 2**20
"""Bytes of a file that are read; those of radiographs state what they are in far fewer."""

MAX_ELEMENTS = 2000
MAX_DEPTH = 5
"""Sequences within sequences that are opened."""

MAX_VALUE_LENGTH = 200
_MAX_VALUES = 50
"""Values of one element that are looked at."""

_PIXEL_DATA = {Tag("PixelData"), Tag("FloatPixelData"), Tag("DoubleFloatPixelData")}


@dataclass(frozen=True, slots=True)
class HeaderElement:
    """Element of a header.

    ``depth`` is the number of sequences around it; ``value`` is cut after 200 characters, and the
    size of binary data stands in its place.
    """

    tag: str
    name: str
    vr: str
    value: str
    depth: int


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """Elements of a DICOM file before its pixels; ``complete`` unless a limit was reached."""

    elements: list[HeaderElement]
    complete: bool


def read_dicom_header(content: bytes, name: str) -> DicomHeader:
    """Return the elements of a DICOM file before its pixels.

    At most `MAX_ELEMENTS` of the first `MAX_HEADER_BYTES` are read.

    Raises
    ------
    UnreadableRadiographError
        If it is another file, or damaged.
    """
    if not is_dicom(content):
        raise UnreadableRadiographError(f"{name}: not a DICOM file, so it has no DICOM header")
    dataset, read = _open_header(content, name)
    elements = chain(_rows(dataset.file_meta), _rows(dataset))
    rows = list(islice(elements, MAX_ELEMENTS + 1))
    return DicomHeader(rows[:MAX_ELEMENTS], read and len(rows) <= MAX_ELEMENTS)


def _open_header(content: bytes, name: str) -> tuple[Dataset, bool]:
    """Return the elements before the pixels, and whether these are all."""
    start = content[:MAX_HEADER_BYTES]
    count = 0
    stopped = False

    def stop(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        nonlocal count, stopped
        count += 1
        stopped = count > MAX_ELEMENTS
        return stopped or tag in _PIXEL_DATA

    with report_undecodable(name):
        file = io.BytesIO(bytes(128) + start if start.startswith(b"DICM") else start)
        meta = read_partial(file, stop_when=lambda *_: True, force=True).file_meta
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            return open_dicom(content, name), True
        file.seek(0)
        dataset = read_partial(file, stop_when=stop, force=True)
    reached_pixels = file.tell() < len(file.getvalue())
    return dataset, not stopped and (reached_pixels or len(content) <= MAX_HEADER_BYTES)


def _rows(dataset: Dataset, depth: int = 0) -> Iterator[HeaderElement]:
    """Yield the elements of a data set, each sequence followed by those of its items."""
    for tag in sorted(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # a damaged value raises many kinds of errors
            yield HeaderElement(str(tag), "", "", "cannot be read", depth)
            continue
        yield _row(element, depth)
        if element.VR == "SQ" and depth < MAX_DEPTH:
            for item in element.value or ():
                yield from _rows(item, depth + 1)


def _row(element: DataElement, depth: int) -> HeaderElement:
    name = element.name.strip("[]")  # pydicom marks names of private elements
    try:
        value = _text(element)
    except Exception:
        value = "cannot be read"
    return HeaderElement(str(element.tag).upper(), name, str(element.VR), value, depth)


def _text(element: DataElement) -> str:
    value = element.value
    if element.VR == "SQ":
        return f"{len(value)} {'item' if len(value) == 1 else 'items'}"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    values = value[:_MAX_VALUES] if isinstance(value, MultiValue | list) else [value]
    text = "\\".join(_name(part) for part in values if part is not None)
    is_cut = len(text) > MAX_VALUE_LENGTH or len(values) < element.VM
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return printable[:MAX_VALUE_LENGTH] + " ..." if is_cut else printable


def _name(value: object) -> str:
    """Return a value as text, a UID with its name."""
    if isinstance(value, UID) and value.name != value:
        return f"{value} ({value.name})"
    return str(value)
