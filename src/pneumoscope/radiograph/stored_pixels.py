"""Stored pixel values, for a viewer in which a person chooses the window."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pneumoscope.radiograph.decode import decode_radiograph
from pneumoscope.radiograph.dicom import require_radiograph
from pneumoscope.radiograph.dicom_file import is_dicom, open_dicom
from pneumoscope.radiograph.greyscale import Rendering, read_rescaling, render
from pneumoscope.radiograph.pixel_geometry import PixelGeometry, read_pixel_geometry
from pneumoscope.radiograph.stored_values import StoredValues, decode_stored_values
from pneumoscope.radiograph.window import VoiFunction, Window

_MAX_WINDOWS = 32
_MAX_EXPLANATION_LENGTH = 64
_UNKNOWN_GEOMETRY = PixelGeometry()


@dataclass(frozen=True, slots=True)
class FileValues:
    """Linear function from the values of a `StoredPixels` to those that its file speaks of.

    Parameters
    ----------
    slope, intercept
        A value of the file, after its modality transformation, is ``slope * value + intercept``.
        The slope is negative where low values of the file are white.
    function
        VOI LUT Function, which says how width and centre of a window are counted.

    Examples
    --------
    >>> FileValues(2, -1000).to_value(300)
    650.0
    """

    slope: float = 1.0
    intercept: float = 0.0
    function: VoiFunction = VoiFunction.LINEAR

    def to_value(self, of_file: float) -> float:
        """Return the value of the pixels that is a value of the file."""
        return (of_file - self.intercept) / self.slope

    def edges(self, window: Window) -> tuple[float, float]:
        """Return the values of the pixels that a window of the file makes black and white."""
        low, high = sorted(self.to_value(edge) for edge in window.edges)
        return low, high


@dataclass(frozen=True, slots=True)
class FileWindow:
    """Window that a file offers: the values that are black and white, and its explanation."""

    low: float
    high: float
    explanation: str


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """Stored values of a radiograph, nothing cut off by a window.

    Parameters
    ----------
    values
        uint8 or uint16, shape (height, width), 0 = black, also for MONOCHROME1.
    low, high
        Window in which the file is shown at first: the values that are black and white.
    file_values
        What the values are in the file; None where they are no linear function of the file's, such
        as after a VOI LUT.
    windows
        Windows that the file offers, in its order.
    geometry
        Size of a pixel.
    """

    values: NDArray[np.uint8] | NDArray[np.uint16]
    low: float
    high: float
    file_values: FileValues | None = None
    windows: tuple[FileWindow, ...] = ()
    geometry: PixelGeometry = _UNKNOWN_GEOMETRY

    def to_pgm(self) -> bytes:
        r"""Return a portable grey map.

        Its first comment, ``window LOW HIGH``, gives the window, the second, ``display`` with
        JSON, the other parameters.

        References
        ----------
        Netpbm, pgm(5): the format, https://netpbm.sourceforge.net/doc/pgm.html.

        Examples
        --------
        >>> pgm = StoredPixels(np.array([[0, 258]], np.uint16), 0, 4095).to_pgm()
        >>> pgm[:22], pgm[-14:]
        (b'P5\n# window 0 4095\n# d', b'2 1\n65535\n\x00\x00\x01\x02')
        """
        height, width = self.values.shape
        white = np.iinfo(self.values.dtype).max
        display = {
            "file_values": self.file_values and asdict(self.file_values),
            "windows": [asdict(window) for window in self.windows],
            "pixel": asdict(self.geometry),
        }
        header = (
            f"P5\n# window {self.low:.10g} {self.high:.10g}\n# display {json.dumps(display)}\n"
            f"{width} {height}\n{white}\n"
        )
        return header.encode() + self.values.astype(self.values.dtype.newbyteorder(">")).tobytes()


def decode_stored_pixels(content: bytes, name: str) -> StoredPixels:
    """Decode a file for a viewer with an adjustable window.

    A DICOM object whose grey values are a window over its values keeps all of them, also those
    outside of the window. Other files, such as those with a VOI LUT, give the grey values of
    `decode_radiograph`, whose parameters and errors are the same.

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
    geometry = _UNKNOWN_GEOMETRY
    if is_dicom(content):
        dataset = open_dicom(content, name)
        # A damaged header fails here in many ways; `decode_radiograph` below names the reason.
        with suppress(Exception):
            geometry = read_pixel_geometry(dataset)
            if (pixels := _windowed_pixels(dataset, name, geometry)) is not None:
                return pixels
    radiograph = decode_radiograph(content, name)
    # The levels of a picture are those of its file, unless they were changed, which a note says.
    are_levels = not is_dicom(content) and not radiograph.notes
    file_values = FileValues() if are_levels else None
    grey = radiograph.pixels
    eight_bits = np.rint(grey * 255)
    if np.array_equal(eight_bits / np.float32(255), grey):
        values = eight_bits.astype(np.uint8)
        return StoredPixels(values, 0, 255, file_values, geometry=geometry)
    values = np.rint(grey * 65535).astype(np.uint16)
    return StoredPixels(values, 0, 65535, file_values, geometry=geometry)


def _windowed_pixels(dataset: Dataset, name: str, geometry: PixelGeometry) -> StoredPixels | None:
    """Return the values, counted from the lowest possible, and the windows over them.

    None if the object's grey values are not simply a window over its values.
    """
    require_radiograph(dataset, name)
    stored = decode_stored_values(dataset)
    is_grey = str(dataset.PhotometricInterpretation).startswith("MONOCHROME")
    if stored.values.ndim == 3 or not is_grey or not 2 <= stored.bits <= 16:
        return None
    rendering = render(stored, dataset)
    if not isinstance(rendering.voi, Window):
        return None
    values, highest, slope, intercept = _counted_values(stored, rendering, dataset)
    windows = Window.all_of(dataset)[:_MAX_WINDOWS]
    function = windows[0].function if windows else VoiFunction.LINEAR
    # Black stays 0: counted from the other end where low values are white.
    if rendering.is_inverted != (slope < 0):
        values, slope, intercept = highest - values, -slope, intercept + slope * highest
    file_values = FileValues(float(slope), float(intercept), function)
    low, high = file_values.edges(rendering.voi)
    if not -np.inf < low < high < np.inf:
        return None
    if stored.padding is not None:
        if low < 0:  # 0 is not black in this window
            return None
        values[stored.padding] = 0
    unsigned = values.astype(np.uint8) if highest <= 255 else values.astype(np.uint16)
    offered = tuple(
        FileWindow(*file_values.edges(window), window.explanation[:_MAX_EXPLANATION_LENGTH])
        for window in windows
        if np.isfinite(file_values.edges(window)).all()
    )
    return StoredPixels(unsigned, low, high, file_values, offered, geometry)


def _counted_values(
    stored: StoredValues, rendering: Rendering, dataset: Dataset
) -> tuple[NDArray[np.int32], int, float, float]:
    """Return values from 0, the highest possible, and slope and intercept of the file's values."""
    if dataset.get("ModalityLUTSequence"):
        entries = rendering.values.astype(np.int32)
        return entries[rendering.indices], int(entries.max()), 1, 0
    slope, intercept = read_rescaling(dataset)
    lowest = -(2 ** (stored.bits - 1)) if stored.is_signed else 0
    values = stored.values.astype(np.int32) - lowest
    return values, 2**stored.bits - 1, slope, intercept + slope * lowest
