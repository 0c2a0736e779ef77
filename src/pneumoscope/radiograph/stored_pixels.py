"""Stored pixel values, for a viewer in which a person chooses the window."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pneumoscope.radiograph.decode import decode_radiograph
from pneumoscope.radiograph.dicom import is_inverted, require_radiograph, stored_values
from pneumoscope.radiograph.dicom_file import is_dicom, open_dicom
from pneumoscope.radiograph.window import Window

_MORE_THAN_A_WINDOW = ("VOILUTSequence", "ModalityLUTSequence", "PixelPaddingValue")
"""Attributes by which grey values are more than a window over the stored values."""


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """Stored values of a radiograph, nothing cut off by a window.

    Parameters
    ----------
    values
        uint8 or uint16, shape (height, width), 0 = black, also for MONOCHROME1.
    low, high
        Window in which the file is shown at first: the values that are black and white.
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
        white = np.iinfo(self.values.dtype).max
        header = f"P5\n# window {self.low:g} {self.high:g}\n{width} {height}\n{white}\n"
        return header.encode() + self.values.astype(self.values.dtype.newbyteorder(">")).tobytes()


def decode_stored_pixels(content: bytes, name: str) -> StoredPixels:
    """Decode a file for a viewer with an adjustable window.

    A DICOM object with a window, and no LUT or padding, keeps all stored values, also those
    outside of the window. Other files give the grey values of `decode_radiograph`, whose parameters
    and errors are the same.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> picture = io.BytesIO()
    >>> Image.new("L", (2, 1), color=51).save(picture, "PNG")
    >>> stored = decode_stored_pixels(picture.getvalue(), "grey.png")
    >>> stored.values, stored.low, stored.high
    (array([[51, 51]], dtype=uint8), 0, 255)
    """
    if is_dicom(content):
        dataset = open_dicom(content, name)
        # A damaged header fails here in many ways; `decode_radiograph` below names the reason.
        with suppress(Exception):
            if (pixels := _windowed_pixels(dataset, name)) is not None:
                return pixels
    grey = decode_radiograph(content, name).pixels
    eight_bits = np.rint(grey * 255)
    if np.array_equal(eight_bits / np.float32(255), grey):
        return StoredPixels(eight_bits.astype(np.uint8), 0, 255)
    return StoredPixels(np.rint(grey * 65535).astype(np.uint16), 0, 65535)


def _windowed_pixels(dataset: Dataset, name: str) -> StoredPixels | None:
    """Return the stored values, counted from the lowest possible, and the window over them.

    None if the object's grey values are not simply a window over the stored values.
    """
    window, bits = Window.of(dataset), int(dataset.BitsStored)
    slope = float(dataset.get("RescaleSlope") or 1)
    if (
        window is None
        or not 2 <= bits <= 16
        or int(dataset.SamplesPerPixel) != 1
        or not str(dataset.PhotometricInterpretation).startswith("MONOCHROME")
        or any(attribute in dataset for attribute in _MORE_THAN_A_WINDOW)
    ):
        return None
    require_radiograph(dataset, name)
    lowest = -(2 ** (bits - 1)) if int(dataset.PixelRepresentation) else 0
    highest = 2**bits - 1
    intercept = float(dataset.get("RescaleIntercept") or 0)
    low, high = ((edge - intercept) / slope - lowest for edge in window.edges)
    if not -np.inf < low < high < np.inf:  # also a negative slope, or NaN
        return None
    values = stored_values(dataset).astype(np.int32) - lowest
    if is_inverted(dataset):
        values, low, high = highest - values, highest - high, highest - low
    unsigned = values.astype(np.uint8) if bits <= 8 else values.astype(np.uint16)
    return StoredPixels(unsigned, low, high)
