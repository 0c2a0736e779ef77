"""Description of an image file in its own terms: what it states about its pixels."""

import io
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from PIL import ExifTags, Image
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID

from pneumoscope.radiograph.dicom_file import is_dicom, open_dicom
from pneumoscope.radiograph.limits import MAX_BYTES
from pneumoscope.support.errors import UnreadableRadiographError

_SIGNS = {"0": "unsigned", "1": "two's complement"}
"""Meaning of Pixel Representation (PS3.3, C.7.6.3.1)."""


@dataclass(frozen=True)
class FileDescription:
    """Description of a file in its own terms; None, or empty, for what it does not state.

    Parameters
    ----------
    kind
        Kind of the file, and of a DICOM object the name of its SOP class.
    transfer_syntax
        Name of the transfer syntax.
    photometric_interpretation
        Photometric Interpretation; of a picture Pillow's name of its mode.
    samples_per_pixel, bits_allocated, bits_stored, high_bit, pixel_representation
        Elements of the Image Pixel module (PS3.3, C.7.6.3).
    size
        Width and height in pixels.
    modality_transformation
        Modality LUTs, and Rescale Slope and Intercept.
    voi_luts, windows
        VOI LUTs and windows, in the order of the file.
    pixel_padding
        Pixel Padding Value, and the other end of its range.
    presentation
        Presentation LUT Shape, and Presentation Intent Type.
    exif_orientation
        Orientation that a picture's EXIF data state; 1 is upright.
    patient
        Patient's Name and Patient ID, if asked for.
    """

    kind: str
    transfer_syntax: str | None = None
    photometric_interpretation: str | None = None
    samples_per_pixel: str | None = None
    bits_allocated: str | None = None
    bits_stored: str | None = None
    high_bit: str | None = None
    pixel_representation: str | None = None
    size: str | None = None
    modality_transformation: tuple[str, ...] = ()
    voi_luts: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    pixel_padding: str | None = None
    presentation: str | None = None
    exif_orientation: str | None = None
    patient: str | None = None


def describe_file(file: Path, with_patient: bool = False) -> FileDescription:
    """Describe a file as far as its header can be read, also one that cannot be decoded.

    Parameters
    ----------
    file
        Path of the file.
    with_patient
        Whether to state the patient's name and identifier.
    """
    try:
        is_readable = file.is_file() and file.stat().st_size <= MAX_BYTES
        content = file.read_bytes() if is_readable else b""
    except (OSError, ValueError):  # decoding names the reason
        content = b""
    if not content:
        return FileDescription("unknown")
    if is_dicom(content):
        try:
            return _describe_object(open_dicom(content, str(file)), with_patient)
        except UnreadableRadiographError:
            return FileDescription("DICOM, damaged")
    with suppress(Exception):  # Pillow raises many kinds on damaged headers
        return _describe_picture(Image.open(io.BytesIO(content)))
    return FileDescription("unknown")


def _describe_picture(image: Image.Image) -> FileDescription:
    orientation = image.getexif().get(ExifTags.Base.Orientation)
    return FileDescription(
        f"{image.format}{', progressive' if image.info.get('progressive') else ''}",
        photometric_interpretation=image.mode,
        size=f"{image.width} x {image.height}",
        exif_orientation=None if orientation is None else str(orientation),
    )


def _describe_object(dataset: Dataset, with_patient: bool) -> FileDescription:
    meta = getattr(dataset, "file_meta", Dataset())
    sop_class = _text(dataset, "SOPClassUID") or _text(meta, "MediaStorageSOPClassUID")
    transfer_syntax = _text(meta, "TransferSyntaxUID")
    columns, rows = _text(dataset, "Columns"), _text(dataset, "Rows")
    sign = _text(dataset, "PixelRepresentation")
    padding = (_text(dataset, f"PixelPadding{end}") for end in ("Value", "RangeLimit"))
    presentation = (
        _text(dataset, keyword) for keyword in ("PresentationLUTShape", "PresentationIntentType")
    )
    patient = (_text(dataset, keyword) for keyword in ("PatientName", "PatientID"))
    return FileDescription(
        f"DICOM, {UID(sop_class).name if sop_class else 'SOP class not stated'}",
        None if transfer_syntax is None else UID(transfer_syntax).name,
        _text(dataset, "PhotometricInterpretation"),
        _text(dataset, "SamplesPerPixel"),
        _text(dataset, "BitsAllocated"),
        _text(dataset, "BitsStored"),
        _text(dataset, "HighBit"),
        None if sign is None else _SIGNS.get(sign, sign),
        f"{columns} x {rows}" if columns and rows else None,
        (*_luts(dataset, "ModalityLUTSequence"), *_rescaling(dataset)),
        _luts(dataset, "VOILUTSequence"),
        _windows(dataset),
        _joined(padding, " to "),
        _joined(presentation, ", "),
        patient=_joined(patient, ", ") if with_patient else None,
    )


def _text(dataset: Dataset, keyword: str) -> str | None:
    """Return an element's value in words; None where it is absent or empty."""
    try:
        value = dataset.get(keyword)
    except Exception as error:  # pydicom raises many kinds on damaged values
        return f"damaged ({type(error).__name__})"
    return None if value is None or not str(value).strip() else str(value).strip()


def _joined(parts: Iterable[str | None], separator: str) -> str | None:
    return separator.join(part for part in parts if part is not None) or None


def _luts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Return the descriptors of look-up tables in words (PS3.3, C.11.2.1.1)."""
    luts = []
    with suppress(Exception):  # as in `_text`
        for item in dataset.get(keyword) or ():
            entries, first, bits = item.LUTDescriptor
            luts.append(f"{entries} entries, first value {first}, {bits} bits")
    return tuple(luts)


def _rescaling(dataset: Dataset) -> tuple[str, ...]:
    slope, intercept = _text(dataset, "RescaleSlope"), _text(dataset, "RescaleIntercept")
    if slope is None and intercept is None:
        return ()
    return (f"slope {slope or 'missing'}, intercept {intercept or 'missing'}",)


def _windows(dataset: Dataset) -> tuple[str, ...]:
    function = _text(dataset, "VOILUTFunction")
    centres, widths = (_values(dataset, f"Window{name}") for name in ("Center", "Width"))
    return tuple(
        f"centre {centre}, width {width}{f', {function}' if function else ''}"
        for centre, width in zip_longest(centres, widths, fillvalue="missing")
    )


def _values(dataset: Dataset, keyword: str) -> list[str]:
    with suppress(Exception):  # as in `_text`
        value = dataset.get(keyword)
        if isinstance(value, MultiValue):
            return [str(part) for part in value]
    text = _text(dataset, keyword)
    return [] if text is None else [text]
