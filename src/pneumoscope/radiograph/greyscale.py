"""Greyscale rendering: from the stored values of a DICOM image to those that are shown.

Modality LUT or rescaling, then VOI LUT or window (PS3.3, C.11.1 and C.11.2), MONOCHROME1 and the
Presentation LUT Shape, and pixel padding.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pneumoscope.radiograph.lookup_table import LookupTable
from pneumoscope.radiograph.radiograph import DecodingNote
from pneumoscope.radiograph.stored_values import StoredValues
from pneumoscope.radiograph.window import Window

MAX_CLIPPED_SHARE = 0.5
"""Share of the image beyond the ends of a window or table, above which it is ignored."""

MIN_SPREAD = 0.2
"""Range of grey values, outliers left out, below which a window or table is ignored."""

_OUTLIERS = (0.005, 0.995)
UNCERTAIN_RANGE = DecodingNote(
    "uncertain_range",
    "all but a few pixels are nearly of one grey: what it shows as black and white may be wrong",
    doubtful=True,
)
_HALF_A_GREY_LEVEL = 0.5 / 255
_MAX_LEVELS = 2**16
_SAMPLE_SIDE = 256
"""Number of rows and columns of the image on which windows and tables are judged."""


@dataclass(frozen=True, eq=False)
class Rendering:
    """Rendering of stored values as grey values.

    Parameters
    ----------
    levels
        Stored values that the image may have, in ascending order, shape (n,).
    indices
        Level of each pixel, shape (height, width).
    values
        Values of the levels after the modality transformation, shape (n,).
    voi
        Window or VOI LUT that makes grey values of them.
    padding
        Where the image is padding, bool, shape (height, width); None if nowhere.
    is_inverted
        Whether low values are white.
    description
        How grey values are made, in words.
    notes
        Windows and tables that were ignored, and why.
    """

    levels: NDArray[np.integer]
    indices: NDArray[np.integer]
    values: NDArray[np.generic]
    voi: Window | LookupTable
    padding: NDArray[np.bool_] | None
    is_inverted: bool
    description: str
    notes: tuple[DecodingNote, ...] = ()

    def grey(self) -> NDArray[np.float32]:
        """Return the grey values in [0, 1], shape (height, width), 0 = black; padding is black."""
        table = self.voi.apply(self.values)
        grey: NDArray[np.float32] = (1 - table if self.is_inverted else table)[self.indices]
        if self.padding is not None:
            grey[self.padding] = 0
        return grey


def render(stored: StoredValues, dataset: Dataset) -> Rendering:
    """Return the rendering of the stored values of a greyscale object.

    The first VOI LUT or else window that fits the values is applied. One that leaves more than
    half of the image black or white, or nearly all of it of one grey, was not made for these
    values; it is ignored, and a note says so. Without any, 8 bits are taken as they are, like a
    JPEG, and more are stretched from their lowest to their highest, as viewers do.

    Raises
    ------
    ValueError, TypeError
        If the modality transformation is damaged, or gives no finite values.
    """
    padding = stored.padding
    levels, indices = _levels(stored.values)
    values, is_signed = _modality_values(levels, stored, dataset)
    sample = values[sample_pixels(indices, padding)]
    ignored = []
    chosen: tuple[str, Window | LookupTable] | None = None
    for name, voi in _voi_candidates(dataset, is_signed):
        if voi is not None and fits(voi, sample):
            chosen = (name, voi)
            break
        ignored.append(name)
    present = indices if padding is None else indices[~padding]
    name, voi = chosen or _default(values, present, stored)
    notes = (*_photometric_notes(dataset), *_ignored_notes(ignored, name, sample))
    if chosen is None and stored.bits > 8 and not fits(voi, sample):
        notes += (UNCERTAIN_RANGE,)
    return Rendering(levels, indices, values, voi, padding, is_inverted(dataset), name, notes)


def is_inverted(dataset: Dataset) -> bool:
    """Return whether low values of a greyscale object are white.

    They are if it is MONOCHROME1 (PS3.3, C.7.6.3.1.2) or of Presentation LUT Shape INVERSE
    (C.11.6.1.2), which DX objects state both.
    """
    inverse = str(dataset.get("PresentationLUTShape") or "").strip().upper() == "INVERSE"
    photometric = str(dataset.get("PhotometricInterpretation") or "").strip().upper()
    return photometric == "MONOCHROME1" or inverse


def read_rescaling(dataset: Dataset) -> tuple[float, float]:
    """Return Rescale Slope and Rescale Intercept (PS3.3, C.11.1); 1 and 0 where absent."""
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    return 1 if slope is None else float(slope), 0 if intercept is None else float(intercept)


def fits(voi: Window | LookupTable, sample: NDArray[np.generic]) -> bool:
    """Return whether a window or table was made for values like these.

    Parameters
    ----------
    voi
        Window or VOI LUT.
    sample
        Values of the image without padding, shape (n,). The lowest and highest do not count as
        clipped: a collimated border, or direct exposure, has one of them.
    """
    grey = voi.apply(sample)
    low, high = np.quantile(grey, _OUTLIERS)
    inside = grey[(sample > sample.min()) & (sample < sample.max())]
    if not inside.size:
        return True
    clipped = (inside < _HALF_A_GREY_LEVEL) | (inside > 1 - _HALF_A_GREY_LEVEL)
    return bool(clipped.mean() <= MAX_CLIPPED_SHARE and high - low >= MIN_SPREAD)


def _levels(
    values: NDArray[np.integer],
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return the levels that stored values may have, and the level of each."""
    low, high = int(values.min()), int(values.max())
    if high - low >= _MAX_LEVELS:
        levels, indices = np.unique(values, return_inverse=True)
        return levels, indices.reshape(values.shape)
    if low >= 0 and high < _MAX_LEVELS:
        return np.arange(high + 1), values
    return np.arange(low, high + 1), values.astype(np.int64) - low


def _modality_values(
    levels: NDArray[np.integer], stored: StoredValues, dataset: Dataset
) -> tuple[NDArray[np.generic], bool]:
    """Return the values after the modality transformation, and whether they may be negative."""
    if dataset.get("ModalityLUTSequence"):
        item = dataset.ModalityLUTSequence[0]
        table = LookupTable.of(item, _is_little_endian(dataset), stored.is_signed)
        return table.look_up(levels), False
    slope, intercept = read_rescaling(dataset)
    lowest = -(2 ** (stored.bits - 1)) if stored.is_signed else 0
    ends = np.array([lowest, lowest + 2**stored.bits - 1]) * slope + intercept
    if slope == 0 or not np.isfinite(ends).all():
        raise ValueError(f"a rescale slope of {slope:g} and intercept of {intercept:g}")
    return levels * slope + intercept, bool(ends.min() < 0)


def _is_little_endian(dataset: Dataset) -> bool:
    return dataset.original_encoding[1] is not False  # None for an object made in memory


def _voi_candidates(
    dataset: Dataset, is_signed: bool
) -> Iterator[tuple[str, Window | LookupTable | None]]:
    """Yield names of the VOI LUTs and windows, and they themselves; None for a damaged one."""
    items = dataset.get("VOILUTSequence") or ()
    for number, item in enumerate(items, 1):
        which = f" {number} of {len(items)}" if len(items) > 1 else ""
        try:
            table = LookupTable.of(item, _is_little_endian(dataset), is_signed)
        except (AttributeError, KeyError, ValueError, TypeError):
            yield f"the damaged VOI LUT{which}", None
            continue
        yield f"the VOI LUT{which} (entries up to {int(table.entries.max()):,})", table
    windows = Window.all_of(dataset)
    for number, window in enumerate(windows, 1):
        which = f" {number} of {len(windows)}" if len(windows) > 1 else ""
        size = f"centre {window.centre:g}, width {window.width:g}, {window.function}"
        yield f"the window{which} ({size})", window


def _default(
    values: NDArray[np.generic], indices: NDArray[np.integer], stored: StoredValues
) -> tuple[str, Window]:
    """Return the rendering of an image without a usable VOI LUT or window."""
    if stored.bits == 8 and not stored.is_signed and np.array_equal(values, np.arange(len(values))):
        return "8 bits as they are", Window.over(0, 255)
    present = np.zeros(len(values), bool)
    present[indices] = True
    low, high = float(values[present].min()), float(values[present].max())
    description = f"the full range of the values, {low:g} to {high:g}"
    return description, Window.over(low, high if high > low else low + 1)


def sample_pixels(
    image: NDArray[np.integer], padding: NDArray[np.bool_] | None = None
) -> NDArray[np.integer]:
    """Return some pixels of an image, without padding, regularly spaced."""
    steps = tuple(slice(None, None, max(1, side // _SAMPLE_SIDE)) for side in image.shape)
    sample = image[steps]
    if padding is not None and not padding[steps].all():
        return sample[~padding[steps]]
    return sample.ravel()


def _photometric_notes(dataset: Dataset) -> Iterator[DecodingNote]:
    shape = str(dataset.get("PresentationLUTShape") or "").strip().upper()
    if is_inverted(dataset) and shape == "IDENTITY":
        yield DecodingNote(
            "photometric_contradiction",
            "it states that low values are white (MONOCHROME1) and that they are black "
            "(Presentation LUT Shape IDENTITY); taken as white",
            doubtful=True,
        )


def _ignored_notes(
    ignored: list[str], used: str, sample: NDArray[np.generic]
) -> Iterator[DecodingNote]:
    if ignored:
        low, high = float(sample.min()), float(sample.max())
        yield DecodingNote(
            "window_ignored",
            f"{' and '.join(ignored)} of the file does not fit its values ({low:g} to {high:g}) "
            f"and was ignored; {used} was used instead",
        )
