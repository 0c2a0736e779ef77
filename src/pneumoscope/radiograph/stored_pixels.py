"""Grey values as they were stored, for a screen on which a person chooses the window."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from pneumoscope.radiograph.decode import decode_radiograph
from pneumoscope.radiograph.dicom import decode_dataset, is_dicom, open_dicom

_MORE_THAN_A_WINDOW = ("VOILUTSequence", "ModalityLUTSequence", "PixelPaddingValue")
"""What makes a file's grey values more than a window over those that are stored."""


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """Grey values with nothing cut off.

    Parameters
    ----------
    values
        uint8 or uint16, shape (height, width), 0 = black, also of MONOCHROME1.
    low, high
        The window with which the file wants to be seen first: what is black, and what is white.
    """

    values: NDArray[np.uint8] | NDArray[np.uint16]
    low: float
    high: float

    def to_pgm(self) -> bytes:
        r"""Return a portable grey map, whose comment ``window LOW HIGH`` gives the window.

        References
        ----------
        Netpbm, pgm(5): the format, https://netpbm.sourceforge.net/doc/pgm.html.

        Examples
        --------
        >>> StoredPixels(np.array([[0, 258]], np.uint16), 0, 4095).to_pgm()
        b'P5\n# window 0 4095\n2 1\n65535\n\x00\x00\x01\x02'
        """
        height, width = self.values.shape
        most = np.iinfo(self.values.dtype).max
        header = f"P5\n# window {self.low:g} {self.high:g}\n{width} {height}\n{most}\n"
        return header.encode() + self.values.astype(self.values.dtype.newbyteorder(">")).tobytes()


def original_values(content: bytes, name: str) -> StoredPixels:
    """Decode one file for a screen.

    Of DICOM with a window and nothing more than that, all that was stored is kept, also what lies
    outside of the window. Other grey values come as `decode_radiograph` gives them.

    Parameters
    ----------
    content
        The whole file.
    name
        What messages call the file.

    Raises
    ------
    UnreadableRadiographError
        As `decode_radiograph`.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> picture = io.BytesIO()
    >>> Image.new("L", (2, 1), color=51).save(picture, "PNG")
    >>> shown = original_values(picture.getvalue(), "grey.png")
    >>> shown.values, shown.low, shown.high
    (array([[51, 51]], dtype=uint8), 0, 255)
    """
    if is_dicom(content):
        dataset = open_dicom(content, name)
        with suppress(Exception):  # of a damaged header; what is wrong is said below
            if _is_windowed(dataset):
                return _unwindowed(dataset, name)
    pixels = decode_radiograph(content, name).pixels
    eight = np.rint(pixels * 255)
    if np.array_equal(eight / np.float32(255), pixels):
        return StoredPixels(eight.astype(np.uint8), 0, 255)
    return StoredPixels(np.rint(pixels * 65535).astype(np.uint16), 0, 65535)


def _is_windowed(dataset: Dataset) -> bool:
    return (
        "WindowCenter" in dataset
        and "WindowWidth" in dataset
        and not any(name in dataset for name in _MORE_THAN_A_WINDOW)
        and str(dataset.PhotometricInterpretation).startswith("MONOCHROME")
        and 2 <= int(dataset.BitsStored) <= 16
        and _slope(dataset) > 0
        and float(np.diff(_window(dataset))[0]) > 0
    )


def _unwindowed(dataset: Dataset, name: str) -> StoredPixels:
    """Decode with a window as wide as all that the stored bits can hold."""
    steps = 2 ** int(dataset.BitsStored) - 1
    least = -(2 ** (int(dataset.BitsStored) - 1)) if int(dataset.PixelRepresentation) else 0
    offset = float(dataset.get("RescaleIntercept") or 0)
    low, high = ((edge - offset) / _slope(dataset) - least for edge in _window(dataset))
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    dataset.WindowCenter, dataset.WindowWidth = least + steps / 2, steps
    dataset.VOILUTFunction = "LINEAR_EXACT"
    shown = np.rint(decode_dataset(dataset, name).pixels * np.float32(steps))
    inverse = str(dataset.get("PresentationLUTShape") or "") == "INVERSE"
    if dataset.PhotometricInterpretation == "MONOCHROME1" or inverse:
        low, high = steps - high, steps - low
    return StoredPixels(shown.astype(np.uint8 if steps <= 255 else np.uint16), low, high)


def _slope(dataset: Dataset) -> float:
    return float(dataset.get("RescaleSlope") or 1)


def _window(dataset: Dataset) -> tuple[float, float]:
    """Return what the first window shows as black and as white (PS3.3, C.11.2.1.2)."""
    centre, width = (_first(dataset[name].value) for name in ("WindowCenter", "WindowWidth"))
    low = centre - width / 2
    linear = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper() == "LINEAR"
    return low, low + (width - 1 if linear else width)


def _first(value: Any) -> float:
    return float(value[0] if isinstance(value, MultiValue) else value)
