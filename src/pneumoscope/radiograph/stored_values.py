"""Stored values of a DICOM image: decompressed, with their sign and without foreign bits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import _get_jpg_parameters, get_j2k_parameters
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from pneumoscope.radiograph.pixel_description import PixelDescription
from pneumoscope.radiograph.radiograph import DecodingNote

_MAX_OVERLAY_GROUP = 0x601E

_MAX_PADDED_SHARE = 0.5
"""Share of the image above which pixel padding is doubted."""

_MAX_OVERSHOOT = 1.05
"""Factor by which lossy coding may raise the highest value above Bits Stored."""

_Notes: TypeAlias = tuple[DecodingNote, ...]


@dataclass(frozen=True, eq=False)
class StoredValues:
    """Stored values of an image.

    Parameters
    ----------
    values
        Integers of the platform's byte order, shape (height, width), or (height, width, 3) for
        colours, which are RGB.
    padding
        Where the image is padding (PS3.3, C.7.5.1.1.2), bool, shape (height, width); None if
        nowhere or everywhere.
    bits
        Number of bits of a value.
    is_signed
        Whether values may be negative.
    notes
        Remarks about bits that the object does not describe.
    """

    values: NDArray[np.integer]
    padding: NDArray[np.bool_] | None
    bits: int
    is_signed: bool
    notes: tuple[DecodingNote, ...] = ()


def decode_stored_values(dataset: Dataset) -> StoredValues:
    """Decode the Pixel Data of an object.

    Bits above the High Bit are removed where the object says that they hold an overlay (PS3.5,
    section 8.1.1). Where it does not, they are part of the values if that makes the image
    smoother. A compressed stream knows its own precision, which goes before Bits Stored.

    Parameters
    ----------
    dataset
        DICOM object with file meta information.

    Raises
    ------
    ValueError
        If the data hold more than one image, or are of more bits than the object allocates. Also
        pydicom and its plugins raise many kinds of errors on damaged data.
    """
    description = PixelDescription.of(dataset)
    syntax = dataset.file_meta.TransferSyntaxUID
    stream = _stream_parameters(dataset, syntax)
    precision = stream.get("precision")
    if precision is not None and precision > description.bits_allocated:
        raise ValueError(
            f"its compressed pixels are of {precision} bits, in containers of "
            f"{description.bits_allocated}"
        )
    _require_colours(description, syntax)
    containers = _decompress(dataset, syntax, description, precision)
    if not description.photometric.startswith("MONOCHROME"):
        if _needs_more_bits(containers, description.bits_stored, is_signed=False):
            raise ValueError(f"colours with values beyond {description.bits_stored} bits")
        return StoredValues(containers, None, description.bits_stored, is_signed=False)
    padding = _find_padding(containers, dataset)
    image = containers if padding is None else containers[~padding]
    bits, shift, notes = _choose_bits(containers, image, description, precision, dataset)
    values = _extract_bits(containers, bits, shift)
    if padding is None:  # bits above the values may differ from those of the padding value
        padding = _find_padding(values, dataset)
    notes += (*_sign_notes(values, description, stream), *_padding_notes(padding))
    return StoredValues(values, padding, bits, description.is_signed, notes)


def _stream_parameters(dataset: Dataset, syntax: UID) -> Mapping[str, Any]:
    """Return the precision, and of JPEG 2000 the sign, that a compressed stream states."""
    if syntax in JPEG2000TransferSyntaxes:
        return get_j2k_parameters(_frame(dataset))
    if syntax in JPEGTransferSyntaxes or syntax in JPEGLSTransferSyntaxes:
        return _get_jpg_parameters(_frame(dataset))
    return {}


def _frame(dataset: Dataset) -> bytes:
    return get_frame(dataset.PixelData, 0, number_of_frames=1)


def _decompress(
    dataset: Dataset, syntax: UID, description: PixelDescription, precision: int | None
) -> NDArray[np.integer]:
    plugin = _plugin(syntax, precision)
    if syntax == JPEGExtended12Bit and plugin == "gdcm":
        # GDCM finds the process in the stream itself; pydicom's plugin refuses this one, which
        # early versions of GDCM could not decode.
        syntax = JPEGLosslessSV1
    options = {**description.decoding_options(), "correct_unused_bits": False}
    if precision is not None:  # GDCM clears the bits above
        options["bits_stored"] = precision
    if not syntax.is_encapsulated:
        options["pixel_vr"] = dataset["PixelData"].VR
    array, _ = get_decoder(syntax).as_array(dataset.PixelData, decoding_plugin=plugin, **options)
    size = (description.rows, description.columns)
    shape = size if description.samples == 1 else (*size, description.samples)
    # Data with more frames than the object says come as one array.
    if array.shape != shape:
        actual = " x ".join(map(str, array.shape))
        raise ValueError(f"its pixels are {actual}, but it states {size[0]} x {size[1]}")
    native: NDArray[np.integer] = array.astype(array.dtype.newbyteorder("="), copy=False)
    return native


def _plugin(syntax: UID, precision: int | None) -> str:
    """Return the decoding plugin for a transfer syntax; an empty name is pydicom's own choice.

    That is gdcm, which aborts the process on some damaged data where the other plugins raise an
    error; only gdcm reads JPEG Lossless, and JPEG Extended of 12 bits.
    """
    if syntax == JPEGBaseline8Bit or (syntax == JPEGExtended12Bit and precision == 8):
        return "pillow"
    if syntax == JPEGExtended12Bit:
        return "gdcm"
    if syntax in JPEGLSTransferSyntaxes:
        return "pyjpegls"
    return "pylibjpeg" if syntax in JPEG2000TransferSyntaxes else ""


def _require_colours(description: PixelDescription, syntax: UID) -> None:
    """Raise `ValueError` if colours are of a kind that the decoders take for another."""
    photometric = description.photometric
    if photometric in ("YBR_ICT", "YBR_RCT") and syntax not in JPEG2000TransferSyntaxes:
        raise ValueError(f"{photometric}, which {syntax.name} cannot have")
    if photometric.startswith("YBR_FULL") and description.bits_allocated > 8:
        raise ValueError(f"{photometric} of {description.bits_allocated} bits")
    if description.is_signed and not photometric.startswith("MONOCHROME"):
        raise ValueError(f"signed values of {photometric}")


def _choose_bits(
    containers: NDArray[np.integer],
    image: NDArray[np.integer],
    description: PixelDescription,
    precision: int | None,
    dataset: Dataset,
) -> tuple[int, int, _Notes]:
    """Return bits, shift and notes; ``image`` is without padding.

    The precision of a compressed stream counts more than Bits Stored.
    """
    stored, is_signed = description.bits_stored, description.is_signed
    shift = description.high_bit + 1 - stored
    if precision is not None and precision != description.high_bit + 1:
        shift = 0
    values = image >> shift
    if not _needs_more_bits(values, stored, is_signed) or _has_overlay_bits(dataset):
        return stored, shift, ()
    largest, smallest = int(values.max()), int(values.min())
    used = precision or max(largest, -smallest - 1).bit_length() + is_signed
    bits = min(used, stored, key=lambda n: _roughness(_extract_bits(containers, n, shift)))
    if bits == stored and smallest >= 0 and largest < 2**stored:  # zeros above the sign bit
        return stored, shift, ()
    if precision == bits and smallest >= 0 and largest < _MAX_OVERSHOOT * 2**stored:
        return bits, shift, ()
    remedy = "all bits were used" if bits == used else "bits above were ignored"
    doubtful = precision is None or bits == stored
    subject = "some" if precision is None else "its compressed pixels"
    message = f"it states values of {stored} bits, and {subject} are of {used}; {remedy}"
    return bits, shift, (DecodingNote("bits_stored", message, doubtful),)


def _sign_notes(
    values: NDArray[np.integer], description: PixelDescription, stream: Mapping[str, Any]
) -> Iterator[DecodingNote]:
    """Yield whether a compressed stream gives the highest bit of its values another meaning."""
    is_signed = stream.get("is_signed", description.is_signed)
    if is_signed != description.is_signed and (values >> (stream["precision"] - 1)).any():
        kinds = ("unsigned", "signed")
        yield DecodingNote(
            "sign",
            f"it states {kinds[description.is_signed]} values, and its compressed pixels are "
            f"{kinds[is_signed]}; taken as {kinds[description.is_signed]}",
            doubtful=True,
        )


def _padding_notes(padding: NDArray[np.bool_] | None) -> Iterator[DecodingNote]:
    if padding is not None and padding.mean() > _MAX_PADDED_SHARE:
        yield DecodingNote(
            "padding", f"{padding.mean():.0%} of it are pixel padding, and black", doubtful=True
        )


def _extract_bits(containers: NDArray[np.integer], bits: int, shift: int) -> NDArray[np.integer]:
    """Return the values that lie in some bits of the containers; the sign stays."""
    above = 8 * containers.dtype.itemsize - bits - shift
    return (containers << above) >> (above + shift) if above or shift else containers


def _needs_more_bits(values: NDArray[np.integer], bits: int, is_signed: bool) -> bool:
    """Return whether any value lies outside of the range of some bits."""
    if is_signed:
        return bool(values.max() >= 2 ** (bits - 1) or values.min() < -(2 ** (bits - 1)))
    return bool(values.max() >= 2**bits)


def _find_padding(values: NDArray[np.integer], dataset: Dataset) -> NDArray[np.bool_] | None:
    """Return where an image is padding; None if nowhere or everywhere.

    Padding values are read by the type of the pixels, since their own value representation and
    sign are often others.
    """
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    ends = [_as_type(int(end), values.dtype) for end in (value, value if limit is None else limit)]
    mask: NDArray[np.bool_] = (values >= min(ends)) & (values <= max(ends))
    return mask if mask.any() and not mask.all() else None


def _as_type(value: int, kind: np.dtype[np.integer]) -> int:
    """Return the integer whose bits, in the pixels' type, are those of a value."""
    bits = 8 * kind.itemsize
    unsigned: int = value & (2**bits - 1)
    return unsigned - 2**bits if kind.kind == "i" and unsigned >= 2 ** (bits - 1) else unsigned


def _has_overlay_bits(dataset: Dataset) -> bool:
    """Return whether the object says that bits of the containers hold overlays (PS3.5, 8.1.2)."""
    return any(
        int(dataset[group, 0x0102].value or 0) > 0 and (group, 0x3000) not in dataset
        for group in range(0x6000, _MAX_OVERLAY_GROUP + 1, 2)
        if (group, 0x0102) in dataset
    )


def _roughness(values: NDArray[np.integer]) -> float:
    """Return the mean difference between neighbours, which wrapped values make large."""
    numbers = values.astype(np.float64)
    across, down = np.abs(np.diff(numbers, axis=1)), np.abs(np.diff(numbers, axis=0))
    return float(across.sum() + down.sum()) / values.size
