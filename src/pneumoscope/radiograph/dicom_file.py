"""Opening DICOM files (PS3.10), with a bound on what a deflated one may become."""

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
from pydicom.uid import DeflatedExplicitVRLittleEndian

from pneumoscope.radiograph.damage import report_damage
from pneumoscope.radiograph.limits import MAX_PIXELS
from pneumoscope.support.errors import UnreadableRadiographError

_MAX_INFLATED_BYTES = 8 * MAX_PIXELS


def is_dicom(content: bytes) -> bool:
    """Return whether bytes are a DICOM file (PS3.10, section 7.1: ``DICM`` after 128 bytes).

    Examples
    --------
    >>> is_dicom(bytes(128) + b"DICM")
    True
    """
    return content[128:132] == b"DICM"


def open_dicom(content: bytes, name: str, keywords: Sequence[str] | None = None) -> Dataset:
    """Open a DICOM file without decoding its pixels.

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
        If the file is damaged, or would become too large when it is inflated.
    """
    _check_inflation(content, name)
    with report_undecodable(name):
        return pydicom.dcmread(
            io.BytesIO(content),
            stop_before_pixels=keywords is not None,
            specific_tags=None if keywords is None else list(keywords),
        )


def report_undecodable(name: str) -> AbstractContextManager[None]:
    """Report an object that pydicom or one of its plugins cannot read; see `report_damage`."""
    return report_damage(
        f"{name}: the DICOM object cannot be decoded", "export it again, uncompressed if possible"
    )


def _check_inflation(content: bytes, name: str) -> None:
    """Raise if a deflated object (PS3.5, A.5) inflates beyond any radiograph's size."""
    file = io.BytesIO(content)
    with report_undecodable(name):
        # As pydicom finds where the deflated part begins: a file need not state it.
        read_preamble(file, force=False)
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
