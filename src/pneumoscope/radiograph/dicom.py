"""Decoding of single-frame DICOM radiographs to the grey values that a viewer would show."""

import hashlib
from contextlib import suppress

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
from pneumoscope.radiograph.dicom_file import report_undecodable
from pneumoscope.radiograph.limits import check_size
from pneumoscope.radiograph.radiograph import Radiograph
from pneumoscope.radiograph.window import Window
from pneumoscope.support.errors import UnreadableRadiographError

MODALITIES = {"CR", "DX", "DR", "RG", "OT", "SC", ""}
"""Computed and digital radiography, digitised film, and secondary captures, which may say OT."""

Floats = NDArray[np.float32]


def radiograph_from_dataset(dataset: Dataset, name: str, sha256: str | None = None) -> Radiograph:
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
    sha256
        SHA-256 of the file; that of the Pixel Data if None.

    Raises
    ------
    UnreadableRadiographError
        If it is of another modality, has several frames or no pixels, is JPEG Extended of 12 bits,
        or cannot be decoded.
    """
    stored = b""
    with suppress(Exception):  # decoding names the reason
        stored = bytes(dataset.get("PixelData") or b"")
    with report_undecodable(name):
        require_radiograph(dataset, name)
        pixels, colourfulness = _displayed_pixels(dataset)
        return Radiograph(
            pixels,
            sha256 or hashlib.sha256(stored).hexdigest(),
            _pseudonym(dataset, name),
            view=_code(dataset, "ViewPosition"),
            laterality=_code(dataset, "ImageLaterality") or _code(dataset, "Laterality"),
            body_part=_code(dataset, "BodyPartExamined"),
            colourfulness=colourfulness,
        )


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
    # pydicom's own choice is gdcm, which aborts the process on some damaged data where the other
    # plugins raise an error; only gdcm reads JPEG Lossless.
    plugin = _DECODING_PLUGINS.get(_transfer_syntax(dataset), "")
    stored = pixel_array(dataset, decoding_plugin=plugin)
    samples = int(dataset.SamplesPerPixel)
    size = (int(dataset.Rows), int(dataset.Columns))
    # Data with more frames than the object says come as one array.
    if stored.shape != (size if samples == 1 else (*size, samples)):
        actual = " x ".join(map(str, stored.shape))
        raise ValueError(f"its pixels are {actual}, but it states {size[0]} x {size[1]}")
    if stored.ndim == 3:
        return stored
    unused = stored.dtype.itemsize * 8 - int(dataset.BitsStored)
    return (stored << unused) >> unused if unused > 0 else stored  # the sign stays


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
    if _transfer_syntax(dataset) == JPEGExtended12Bit and int(dataset.BitsStored) > 8:
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


def _transfer_syntax(dataset: Dataset) -> str | None:
    return getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)


_DECODING_PLUGINS: dict[str | None, str] = {
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "pillow",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
}


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
