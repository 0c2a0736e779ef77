"""Pixels and patient of a single-frame DICOM radiograph."""

import hashlib
import io

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from pneumoscope.errors import UnreadableRadiographError
from pneumoscope.radiograph.limits import check_size


def is_dicom(content: bytes) -> bool:
    """Tell whether bytes are a DICOM file (PS3.10, section 7.1: ``DICM`` after 128 bytes).

    Examples
    --------
    >>> is_dicom(bytes(128) + b"DICM")
    True
    """
    return content[128:132] == b"DICM"


def decode_dicom(content: bytes, name: str) -> tuple[NDArray[np.float32], str | None]:
    """Decode one DICOM file as its sender meant it to be seen.

    The modality LUT and the first VOI LUT or window are applied (PS3.3, C.11), MONOCHROME1 is
    inverted so that 0 is black, and the range of the result is stretched to [0, 1].

    Parameters
    ----------
    content
        The whole file.
    name
        What messages call the file.

    Returns
    -------
    pixels : NDArray[np.float32]
        Shape (height, width), range [0, 1].
    patient : str or None
        A pseudonym: the Patient ID's SHA-256, shortened. The identifier itself goes no further.

    Raises
    ------
    UnreadableRadiographError
        If the object has several frames, no pixels, or pixels that cannot be decoded.
    """
    try:
        dataset = pydicom.dcmread(io.BytesIO(content))
        _check_object(dataset, name)
        pixels = _displayed(dataset)
        patient = _pseudonym(dataset, name)
    except UnreadableRadiographError:
        raise
    except Exception as error:  # pydicom and its plugins raise many kinds on damaged files
        raise UnreadableRadiographError(
            f"{name}: the DICOM object cannot be decoded ({error}); export it again, "
            "uncompressed if possible"
        ) from error
    return pixels, patient


def _check_object(dataset: Dataset, name: str) -> None:
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


def _pseudonym(dataset: Dataset, name: str) -> str | None:
    try:
        patient = str(dataset.get("PatientID") or "")
    except Exception:  # pydicom's own words would quote the identifier
        raise UnreadableRadiographError(
            f"{name}: the Patient ID of the DICOM object is damaged; export it again"
        ) from None
    return "dicom-" + hashlib.sha256(patient.encode()).hexdigest()[:16] if patient else None


def _displayed(dataset: Dataset) -> NDArray[np.float32]:
    stored = dataset.pixel_array
    if stored.ndim == 3:  # a secondary capture in colour: luminance as ITU-R BT.601 weighs it
        return _stretch(stored @ np.array([0.299, 0.587, 0.114]))
    shown = _stretch(apply_voi_lut(apply_modality_lut(stored, dataset), dataset))
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        np.subtract(1, shown, out=shown)
    return shown


def _stretch(values: NDArray[np.generic]) -> NDArray[np.float32]:
    numbers = values.astype(np.float64)
    low, high = numbers.min(), numbers.max()
    if not np.isfinite(high - low):
        raise ValueError("its rescaling or window gives no finite grey values")
    scale = 1 / (high - low) if high > low else 0.0
    stretched: NDArray[np.float32] = ((numbers - low) * scale).astype(np.float32)
    return stretched
