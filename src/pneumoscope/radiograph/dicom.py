"""Decoding of single-frame DICOM radiographs to the grey values that a viewer would show."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from pneumoscope.radiograph.colour import luminance, measure_colourfulness
from pneumoscope.radiograph.dicom_file import undecodable
from pneumoscope.radiograph.limits import check_size
from pneumoscope.radiograph.window import Window
from pneumoscope.support.errors import UnreadableRadiographError

MODALITIES = {"CR", "DX", "DR", "RG", "OT", "SC", ""}
"""Computed and digital radiography, digitised film, and secondary captures, which may say OT."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class DicomImage:
    """The image of a DICOM object, with the attributes that reading it needs.

    Parameters
    ----------
    pixels
        float32, shape (height, width), range [0, 1], 0 = black.
    patient
        Pseudonym of the patient: the Patient ID's SHA-256, shortened; the identifier itself is
        not kept.
    view, laterality, body_part
        View Position, Image Laterality (or Laterality) and Body Part Examined, in upper case; None
        where absent.
    colourfulness
        Mean difference between the largest and the smallest colour channel, range [0, 1].
    """

    pixels: Floats
    patient: str | None
    view: str | None
    laterality: str | None
    body_part: str | None
    colourfulness: float


def decode_dataset(dataset: Dataset, name: str) -> DicomImage:
    """Decode an opened DICOM object.

    Modality LUT or rescaling, then the first VOI LUT or window are applied (PS3.3, C.11), and the
    output range of window or LUT becomes [0, 1]. Without either, 8 bits are taken as they are, like
    a JPEG, and more are stretched from their lowest to their highest, as viewers do. MONOCHROME1,
    and Presentation LUT Shape INVERSE, are inverted so that 0 is black. Pixel padding
    (C.7.5.1.1.2) is black and does not influence the stretch.

    Parameters
    ----------
    dataset
        DICOM object; with file meta information, if its pixels are compressed.
    name
        Name of the object in error messages.

    Raises
    ------
    UnreadableRadiographError
        If it is of another modality, has several frames or no pixels, is JPEG Extended of 12 bits,
        or cannot be decoded.
    """
    try:
        require_radiograph(dataset, name)
        pixels, colourfulness = _displayed_pixels(dataset)
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
        raise undecodable(name, error) from error


def stored_values(dataset: Dataset) -> NDArray[np.integer]:
    """Return the stored values of an opened DICOM object: decompressed, and otherwise unchanged.

    Parameters
    ----------
    dataset
        DICOM object; with file meta information, if its pixels are compressed.

    Returns
    -------
    ndarray
        Shape (height, width), or (height, width, 3) for colours, which are RGB. Bits above the
        stored ones, where old devices put overlays, are cleared.

    Raises
    ------
    ValueError
        If the data hold more than one image. Also pydicom and its plugins raise many kinds of
        errors on damaged data.
    """
    stored = pixel_array(dataset, decoding_plugin=_decoding_plugin(dataset))
    _require_one_image(stored, dataset)
    return stored if stored.ndim == 3 else _clear_unused_bits(stored, dataset)


def require_radiograph(dataset: Dataset, name: str) -> None:
    """Raise `UnreadableRadiographError` if a DICOM object is not one radiograph to be decoded."""
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


def is_inverted(dataset: Dataset) -> bool:
    """Return whether low values of a greyscale object are white.

    They are if it is MONOCHROME1 (PS3.3, C.7.6.3.1.2) or of Presentation LUT Shape INVERSE
    (C.11.6.1.2), which DX objects state both.
    """
    inverse = str(dataset.get("PresentationLUTShape") or "") == "INVERSE"
    return bool(dataset.PhotometricInterpretation == "MONOCHROME1" or inverse)


def _pseudonym(dataset: Dataset, name: str) -> str | None:
    try:
        patient = str(dataset.get("PatientID") or "")
    except Exception:  # pydicom's own message would quote the identifier
        raise UnreadableRadiographError(
            f"{name}: the Patient ID of the DICOM object is damaged; export it again"
        ) from None
    return "dicom-" + hashlib.sha256(patient.encode()).hexdigest()[:16] if patient else None


def _code(dataset: Dataset, keyword: str) -> str | None:
    return str(dataset.get(keyword) or "").strip().upper() or None


def _displayed_pixels(dataset: Dataset) -> tuple[Floats, float]:
    """Return the grey values that a viewer would show, and the colourfulness."""
    stored = stored_values(dataset)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
    if stored.ndim == 3:
        colours = (stored / np.float32(np.iinfo(stored.dtype).max)).astype(np.float32)
        return luminance(colours), measure_colourfulness(colours)
    padding = _padding_mask(stored, dataset)
    grey = _greyscale(stored, padding, dataset)
    if is_inverted(dataset):
        np.subtract(1, grey, out=grey)
    if padding is not None:
        grey[padding] = 0
    return grey, 0.0


def _require_one_image(stored: NDArray[np.integer], dataset: Dataset) -> None:
    """Raise if the data hold more frames than the object says, which come as one array."""
    samples = int(dataset.SamplesPerPixel)
    size = (int(dataset.Rows), int(dataset.Columns))
    if stored.shape != (size if samples == 1 else (*size, samples)):
        actual = " x ".join(map(str, stored.shape))
        raise ValueError(f"its pixels are {actual} and not {size[0]} x {size[1]}, as it says")


def _decoding_plugin(dataset: Dataset) -> str:
    """Return the name of the pydicom plugin that decodes the pixels; empty for pydicom's choice.

    pydicom's choice is gdcm, which aborts the process on some damaged data where the other plugins
    raise an error; only gdcm reads JPEG Lossless.
    """
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    return _DECODING_PLUGINS.get(syntax, "")


_DECODING_PLUGINS: dict[str | None, str] = {
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "pillow",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
}


def _clear_unused_bits(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.integer]:
    """Clear the bits above the stored ones, such as overlays of old devices; keep the sign."""
    unused = stored.dtype.itemsize * 8 - int(dataset.BitsStored)
    return (stored << unused) >> unused if unused > 0 else stored


def _greyscale(
    stored: NDArray[np.integer], padding: NDArray[np.bool_] | None, dataset: Dataset
) -> Floats:
    """Apply the modality transformation, then the VOI LUT, the window or a stretch."""
    values = apply_modality_lut(stored, dataset)
    if "VOILUTSequence" in dataset:
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        return (apply_voi(values, dataset) / np.float32(2**bits - 1)).astype(np.float32)
    if (window := Window.of(dataset)) is not None:
        return window.apply(values.astype(np.float64))
    if values.dtype == np.uint8 and int(dataset.BitsStored) == 8:
        return (values / np.float32(255)).astype(np.float32)
    return _stretch(values, padding)


def _padding_mask(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.bool_] | None:
    """Return where the image is padding (PS3.3, C.7.5.1.1.2); None if nowhere or everywhere."""
    if "PixelPaddingValue" not in dataset:
        return None
    value = int(dataset.PixelPaddingValue)
    limit = int(dataset.get("PixelPaddingRangeLimit", value))
    mask: NDArray[np.bool_] = (stored >= min(value, limit)) & (stored <= max(value, limit))
    return mask if mask.any() and not mask.all() else None


def _stretch(values: NDArray[np.generic], padding: NDArray[np.bool_] | None) -> Floats:
    """Scale values from their lowest to their highest, padding left out, to [0, 1]."""
    numbers = values.astype(np.float64)
    image = numbers if padding is None else numbers[~padding]
    low, high = image.min(), image.max()
    if not np.isfinite(high - low):
        raise ValueError("its rescaling or window gives no finite grey values")
    scale = 1 / (high - low) if high > low else 0.0
    stretched: Floats = np.clip((numbers - low) * scale, 0, 1).astype(np.float32)
    return stretched
