"""Opening DICOM files (PS3.10), also incomplete ones, with a bound on inflated sizes."""

import io
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager

import pydicom
from pydicom.dataset import Dataset
from pydicom.filereader import (
    _read_command_set_elements,
    _read_file_meta_info,
    read_preamble,
)
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import VR

from pneumoscope.radiograph.damage import report_damage
from pneumoscope.radiograph.limits import MAX_PIXELS
from pneumoscope.support.errors import UnreadableRadiographError

_MAX_INFLATED_BYTES = 8 * MAX_PIXELS

_PREFIX = b"DICM"
_VRS = {representation.value.encode() for representation in VR}
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00")
"""Groups that the first element of a file without a preamble may have, in little endian."""

_MAX_FIRST_LENGTH = 64
"""Longest value of a first element: a UID, the longest of the elements that may come first."""


def is_dicom(content: bytes) -> bool:
    """Return whether bytes are a DICOM file, with or without preamble and meta information.

    A DICOM file has ``DICM`` after 128 bytes (PS3.10, section 7.1). Some programs write the data
    set alone, which then begins with an element of group 0002 or 0008.

    Examples
    --------
    >>> is_dicom(bytes(128) + b"DICM")
    True
    """
    return (
        _PREFIX in (content[128:132], content[:4])
        or _starts_with_element(content)
        or (content[:2] == b"\x00\x08" and content[4:6] in _VRS)  # big endian
    )


def open_dicom(content: bytes, name: str, keywords: Sequence[str] | None = None) -> Dataset:
    """Open a DICOM file without decoding its pixels.

    Where the file does not state its transfer syntax, its first element tells whether value
    representations are explicit, and the syntax is set to that of uncompressed data.

    Parameters
    ----------
    content
        Bytes of the whole file.
    name
        Name of the file in error messages.
    keywords
        Keywords, as the standard names them, of the only elements to read, none of them the pixels;
        None for all elements.

    Raises
    ------
    UnreadableRadiographError
        If the file is damaged, or would become too large when it is inflated, or does not state
        its transfer syntax although its pixels are compressed.
    """
    if content.startswith(_PREFIX):
        content = bytes(128) + content
    _check_inflation(content, name)
    with report_undecodable(name):
        dataset = pydicom.dcmread(
            io.BytesIO(content),
            force=True,
            stop_before_pixels=keywords is not None,
            specific_tags=None if keywords is None else list(keywords),
        )
        if "TransferSyntaxUID" not in dataset.file_meta:
            _assume_transfer_syntax(dataset, name)
    return dataset


def report_undecodable(name: str) -> AbstractContextManager[None]:
    """Report an object that pydicom or one of its plugins cannot read; see `report_damage`."""
    return report_damage(
        f"{name}: the DICOM object cannot be decoded", "export it again, uncompressed if possible"
    )


def _starts_with_element(content: bytes) -> bool:
    if content[:2] not in _FIRST_GROUPS or len(content) < 8:
        return False
    return content[4:6] in _VRS or int.from_bytes(content[4:8], "little") <= _MAX_FIRST_LENGTH


def _assume_transfer_syntax(dataset: Dataset, name: str) -> None:
    if "PixelData" in dataset and dataset["PixelData"].is_undefined_length:
        raise UnreadableRadiographError(
            f"{name}: the pixels of the DICOM object are compressed, and it does not state how (no "
            "Transfer Syntax UID); export it again, uncompressed"
        )
    implicit, little_endian = dataset.original_encoding
    uncompressed = ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else uncompressed


def _check_inflation(content: bytes, name: str) -> None:
    """Raise if a deflated object (PS3.5, A.5) inflates beyond any radiograph's size."""
    file = io.BytesIO(content)
    with report_undecodable(name):
        # As pydicom finds where the deflated part begins: a file need not state it.
        read_preamble(file, force=True)
        meta = _read_file_meta_info(file)
        _read_command_set_elements(file)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = 0
    chunk = file.read()
    with report_undecodable(name):
        while chunk and not inflater.eof:
            inflated += len(inflater.decompress(chunk, 2**24))
            chunk = inflater.unconsumed_tail
            if inflated > _MAX_INFLATED_BYTES:
                raise UnreadableRadiographError(
                    f"{name}: the deflated DICOM object becomes far larger than any radiograph; "
                    "export it again, uncompressed"
                )
