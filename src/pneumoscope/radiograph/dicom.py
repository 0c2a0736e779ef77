"""Pixels of a single-frame DICOM radiograph, as its sender meant them to be seen."""

import hashlib
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.filereader import (
    _read_command_set_elements,
    _read_file_meta_info,
    read_preamble,
)
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from pneumoscope.radiograph.colour import colourfulness_of, luminance
from pneumoscope.radiograph.limits import MAX_PIXELS, check_size
from pneumoscope.support.errors import UnreadableRadiographError

MODALITIES = {"CR", "DX", "DR", "RG", "OT", "SC", ""}
"""Computed and digital radiography, film digitised, and secondary captures, which may say OT."""

_MOST_INFLATED = 8 * MAX_PIXELS
"""Bytes that a deflated object may become."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class DicomImage:
    """What a DICOM object says of its image.

    Parameters
    ----------
    pixels
        float32, shape (height, width), range [0, 1], 0 = black.
    patient
        A pseudonym: the Patient ID's SHA-256, shortened. The identifier itself goes no further.
    view, laterality, body_part
        View Position, Image Laterality (or Laterality) and Body Part Examined, upper case; None
        where the object does not say.
    colourfulness
        Mean absolute difference between colour channels, range [0, 1].
    """

    pixels: Floats
    patient: str | None
    view: str | None
    laterality: str | None
    body_part: str | None
    colourfulness: float


def is_dicom(content: bytes) -> bool:
    """Tell whether bytes are a DICOM file (PS3.10, section 7.1: ``DICM`` after 128 bytes).

    Examples
    --------
    >>> is_dicom(bytes(128) + b"DICM")
    True
    """
    return content[128:132] == b"DICM"


def decode_dicom(content: bytes, name: str) -> DicomImage:
    """Decode one DICOM file; see `decode_dataset`.

    Parameters
    ----------
    content
        The whole file.
    name
        What messages call the file.

    Raises
    ------
    UnreadableRadiographError
        Also if the object would become too large when it is inflated.
    """
    return decode_dataset(open_dicom(content, name), name)


def open_dicom(content: bytes, name: str) -> Dataset:
    """Open one DICOM file, its pixels not yet decoded.

    Parameters
    ----------
    content
        The whole file.
    name
        What messages call the file.

    Raises
    ------
    UnreadableRadiographError
        If the file is damaged, or would become too large when it is inflated.
    """
    return _read(content, name)


def read_header(content: bytes, name: str, keywords: Sequence[str]) -> Dataset:
    """Read some elements of one DICOM file, and no pixels.

    Parameters
    ----------
    content
        The whole file.
    name
        What messages call the file.
    keywords
        Of the elements, as the standard names them.

    Raises
    ------
    UnreadableRadiographError
        If the file is damaged, or would become too large when it is inflated.
    """
    return _read(content, name, stop_before_pixels=True, specific_tags=list(keywords))


def _read(content: bytes, name: str, **options: Any) -> Dataset:
    _check_inflation(content, name)
    try:
        return pydicom.dcmread(io.BytesIO(content), **options)
    except Exception as error:  # pydicom raises many kinds on damaged files
        raise _undecodable(name, error) from error


def decode_dataset(dataset: Dataset, name: str) -> DicomImage:
    """Decode an opened DICOM object.

    Modality LUT or rescaling, then the first VOI LUT or window are applied (PS3.3, C.11), and the
    output range of window or LUT becomes [0, 1]. Without either, 8 bits are taken as they are, like
    a JPEG, and more are stretched from their lowest to their highest, as viewers do. MONOCHROME1,
    and Presentation LUT Shape INVERSE, are inverted so that 0 is black. Pixel padding
    (C.7.5.1.1.2) is black and stretches nothing.

    Parameters
    ----------
    dataset
        With file meta information, if its pixels are compressed.
    name
        What messages call it.

    Raises
    ------
    UnreadableRadiographError
        If it is of another modality, has several frames or no pixels, is JPEG Extended of 12 bits,
        or cannot be decoded.
    """
    try:
        _check_object(dataset, name)
        pixels, colourfulness = _displayed(dataset)
        return DicomImage(
            pixels,
            _pseudonym(dataset, name),
            _code(dataset, "ViewPosition"),
            _code(dataset, "ImageLaterality") or _code(dataset, "Laterality"),
            _code(dataset, "BodyPartExamined"),
            colourfulness,
        )
    except UnreadableRadiographError:
        raise
    except Exception as error:  # pydicom and its plugins raise many kinds on damaged files
        raise _undecodable(name, error) from error


def stored_pixels(dataset: Dataset) -> NDArray[np.integer]:
    """Decode an opened DICOM object's pixels, and do nothing more to them.

    Parameters
    ----------
    dataset
        With file meta information, if its pixels are compressed.

    Returns
    -------
    ndarray
        Shape (height, width), or (height, width, 3) of colours, which are RGB. Bits above those
        that are stored, where old devices put overlays, are cleared.

    Raises
    ------
    ValueError
        If it holds more than one picture. Also pydicom and its plugins raise many kinds of errors
        on damaged data.
    """
    stored = pixel_array(dataset, decoding_plugin=_decoder(dataset))
    _require_one_picture(stored, dataset)
    return stored if stored.ndim == 3 else _without_unused_bits(stored, dataset)


def _undecodable(name: str, error: Exception) -> UnreadableRadiographError:
    return UnreadableRadiographError(
        f"{name}: the DICOM object cannot be decoded ({error}); export it again, uncompressed if "
        "possible"
    )


def _check_inflation(content: bytes, name: str) -> None:
    """Refuse a deflated object (PS3.5, A.5) that grows without measure."""
    file = io.BytesIO(content)
    try:  # as pydicom finds the beginning of what it inflates: a file need not state it
        read_preamble(file, force=False)
        meta = _read_file_meta_info(file)
        _read_command_set_elements(file)
    except Exception as error:
        raise _undecodable(name, error) from error
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = 0
    chunk = file.read()
    try:
        while chunk and not inflater.eof:
            inflated += len(inflater.decompress(chunk, 2**24))
            chunk = inflater.unconsumed_tail
            if inflated > _MOST_INFLATED:
                raise UnreadableRadiographError(
                    f"{name}: the deflated DICOM object becomes far larger than any radiograph; "
                    "export it again, uncompressed"
                )
    except zlib.error as error:
        raise _undecodable(name, error) from error


def _check_object(dataset: Dataset, name: str) -> None:
    modality = str(dataset.get("Modality") or "").strip().upper()
    if modality not in MODALITIES:
        raise UnreadableRadiographError(
            f"{name}: a DICOM object of modality {modality}, not a radiograph; pass CR, DX or a "
            "secondary capture of one"
        )
    if "PixelData" not in dataset:
        raise UnreadableRadiographError(
            f"{name}: a DICOM object without an image (a report, or a file cut short?); "
            "pass the image objects, or copy it from its source again"
        )
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise UnreadableRadiographError(
            f"{name}: a DICOM object of several frames; export the one radiograph"
        )
    check_size(int(dataset.Rows), int(dataset.Columns), name)
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    if syntax == JPEGExtended12Bit and int(dataset.BitsStored) > 8:
        raise UnreadableRadiographError(
            f"{name}: JPEG Extended of {dataset.BitsStored} bits is not supported; export it "
            "uncompressed, or as JPEG Lossless"
        )


def _pseudonym(dataset: Dataset, name: str) -> str | None:
    try:
        patient = str(dataset.get("PatientID") or "")
    except Exception:  # pydicom's own words would quote the identifier
        raise UnreadableRadiographError(
            f"{name}: the Patient ID of the DICOM object is damaged; export it again"
        ) from None
    return "dicom-" + hashlib.sha256(patient.encode()).hexdigest()[:16] if patient else None


def _code(dataset: Dataset, keyword: str) -> str | None:
    return str(dataset.get(keyword) or "").strip().upper() or None


def _displayed(dataset: Dataset) -> tuple[Floats, float]:
    stored = stored_pixels(dataset)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
    if stored.ndim == 3:
        colours = (stored / np.float32(np.iinfo(stored.dtype).max)).astype(np.float32)
        return luminance(colours), colourfulness_of(colours)
    shown, outside = _transformed(stored, dataset), _padding(stored, dataset)
    inverse = str(dataset.get("PresentationLUTShape") or "") == "INVERSE"
    if dataset.PhotometricInterpretation == "MONOCHROME1" or inverse:
        np.subtract(1, shown, out=shown)
    if outside is not None:
        shown[outside] = 0
    return shown, 0.0


def _require_one_picture(stored: NDArray[np.integer], dataset: Dataset) -> None:
    """Stop where the data hold more frames than the object says, which come as one array."""
    samples = int(dataset.SamplesPerPixel)
    size = (int(dataset.Rows), int(dataset.Columns))
    if stored.shape != (size if samples == 1 else (*size, samples)):
        held = " x ".join(map(str, stored.shape))
        raise ValueError(f"its pixels are {held} and not {size[0]} x {size[1]}, as it says")


def _decoder(dataset: Dataset) -> str:
    """Return the plugin of pydicom that decodes the pixels; empty: whichever comes first.

    That is gdcm, which ends the process on some damaged data where others raise an error. Only it
    reads JPEG Lossless.
    """
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    return _DECODERS.get(syntax, "")


_DECODERS: dict[str | None, str] = {
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "pillow",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
}


def _without_unused_bits(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.integer]:
    """Clear what old devices put above the stored bits, such as overlays, keeping the sign."""
    unused = stored.dtype.itemsize * 8 - int(dataset.BitsStored)
    return (stored << unused) >> unused if unused > 0 else stored


def _transformed(stored: NDArray[np.integer], dataset: Dataset) -> Floats:
    values = apply_modality_lut(stored, dataset)
    if "VOILUTSequence" in dataset:
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        return (apply_voi(values, dataset) / np.float32(2**bits - 1)).astype(np.float32)
    if "WindowCenter" in dataset and "WindowWidth" in dataset:
        return _window(values.astype(np.float64), dataset)
    if values.dtype == np.uint8 and int(dataset.BitsStored) == 8:
        return (values / np.float32(255)).astype(np.float32)
    return _stretch(values, _padding(stored, dataset))


def _window(values: NDArray[np.float64], dataset: Dataset) -> Floats:
    """Apply the first window (PS3.3, C.11.2.1.2 and C.11.2.1.3)."""
    centre, width = (_first(dataset[name].value) for name in ("WindowCenter", "WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    if width <= 0 or (function == "LINEAR" and width < 1):
        raise ValueError(f"a window of width {width:g}")
    if function == "SIGMOID":
        with np.errstate(over="ignore"):
            shown = 1 / (1 + np.exp(-4 * (values - centre) / width))
    elif function == "LINEAR_EXACT":
        shown = (values - centre) / width + 0.5
    elif width == 1:
        shown = (values > centre - 0.5).astype(np.float64)
    else:
        shown = (values - (centre - 0.5)) / (width - 1) + 0.5
    if not np.isfinite(shown).all():
        raise ValueError("its rescaling or window gives no finite grey values")
    return np.clip(shown, 0, 1).astype(np.float32)


def _first(value: object) -> float:
    return float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)  # type: ignore[arg-type]


def _padding(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.bool_] | None:
    """Return where a device filled up the image (PS3.3, C.7.5.1.1.2), or None."""
    if "PixelPaddingValue" not in dataset:
        return None
    value = int(dataset.PixelPaddingValue)
    limit = int(dataset.get("PixelPaddingRangeLimit", value))
    outside: NDArray[np.bool_] = (stored >= min(value, limit)) & (stored <= max(value, limit))
    return outside if outside.any() and not outside.all() else None


def _stretch(values: NDArray[np.generic], outside: NDArray[np.bool_] | None) -> Floats:
    numbers = values.astype(np.float64)
    inside = numbers if outside is None else numbers[~outside]
    low, high = inside.min(), inside.max()
    if not np.isfinite(high - low):
        raise ValueError("its rescaling or window gives no finite grey values")
    scale = 1 / (high - low) if high > low else 0.0
    stretched: Floats = np.clip((numbers - low) * scale, 0, 1).astype(np.float32)
    return stretched
