"""Size of a pixel: its proportions, and the distances that may be measured (PS3.3, 10.7)."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

_MAX_SIDE_MM = 1500
"""Side of an image in millimetres above which its spacing is a placeholder, such as 1 by 1."""


class LengthScale(StrEnum):
    """Meaning of the lengths that are measured on an image."""

    CALIBRATED = "calibrated"
    """Millimetres in the patient: the file says that they are calibrated."""
    STATED = "stated"
    """Millimetres; the file does not say whether they are calibrated."""
    DETECTOR = "detector"
    """Millimetres at the detector, which are more than in the patient."""
    FILM = "film"
    """Millimetres on the scanned film, which are more than in the patient."""
    NONE = "none"
    """No millimetres: lengths can be stated in pixels alone."""


@dataclass(frozen=True, slots=True)
class PixelGeometry:
    """Size of a pixel.

    Parameters
    ----------
    height, width
        Distance between the centres of two rows, and of two columns: in millimetres, or without a
        scale in widths of a pixel.
    scale
        Meaning of these lengths.
    """

    height: float = 1.0
    width: float = 1.0
    scale: LengthScale = LengthScale.NONE


def read_pixel_geometry(dataset: Dataset) -> PixelGeometry:
    """Return the size of a DICOM object's pixels.

    Pixel Spacing that differs from Imager Pixel Spacing, or has a Pixel Spacing Calibration Type,
    was calibrated; where both are equal it was not, and is that of the detector. Without any
    spacing, Pixel Aspect Ratio gives the proportions. Damaged values count as absent.

    References
    ----------
    DICOM PS3.3, 10.7.1.3 (Pixel Spacing), 10.7.2 (calibration), C.7.6.3.1.7 (Pixel Aspect Ratio).

    Examples
    --------
    >>> dataset = Dataset()
    >>> dataset.Rows, dataset.Columns, dataset.ImagerPixelSpacing = 2000, 1000, [0.2, 0.1]
    >>> read_pixel_geometry(dataset)
    PixelGeometry(height=0.2, width=0.1, scale=<LengthScale.DETECTOR: 'detector'>)
    """
    spacing = _pair(dataset, "PixelSpacing")
    detector = _pair(dataset, "ImagerPixelSpacing")
    film = _pair(dataset, "NominalScannedPixelSpacing")
    if spacing is not None:
        return _geometry(dataset, spacing, _spacing_scale(dataset, spacing, detector, film))
    if detector is not None:
        return _geometry(dataset, detector, LengthScale.DETECTOR)
    if film is not None:
        return _geometry(dataset, film, LengthScale.FILM)
    vertical, horizontal = _pair(dataset, "PixelAspectRatio") or (1.0, 1.0)
    return PixelGeometry(height=vertical / horizontal)


def _spacing_scale(
    dataset: Dataset,
    spacing: tuple[float, float],
    detector: tuple[float, float] | None,
    film: tuple[float, float] | None,
) -> LengthScale:
    """Return what Pixel Spacing is, by comparison with the spacing of detector or film."""
    if str(dataset.get("PixelSpacingCalibrationType") or "").strip():
        return LengthScale.CALIBRATED
    for uncalibrated, scale in ((detector, LengthScale.DETECTOR), (film, LengthScale.FILM)):
        if uncalibrated is not None:
            same = np.allclose(spacing, uncalibrated, rtol=1e-4)
            return scale if same else LengthScale.CALIBRATED
    return LengthScale.STATED


def _geometry(dataset: Dataset, size: tuple[float, float], scale: LengthScale) -> PixelGeometry:
    height, width = size
    if height * int(dataset.Rows) > _MAX_SIDE_MM or width * int(dataset.Columns) > _MAX_SIDE_MM:
        return PixelGeometry(height=height / width)
    return PixelGeometry(height, width, scale)


def _pair(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    """Return two positive numbers, first for rows, then for columns; None if they are not that."""
    try:
        value = dataset.get(keyword)
        if not isinstance(value, MultiValue) or len(value) != 2:
            return None
        first, second = (float(number) for number in value)
    except (ValueError, TypeError):
        return None
    return (first, second) if 0 < first < np.inf and 0 < second < np.inf else None
