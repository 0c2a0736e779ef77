"""The VOI window of a DICOM image: which values are shown from black to white (PS3.3, C.11.2)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue


class VoiFunction(StrEnum):
    """VOI LUT Function (0028,1056): the curve from values to grey (PS3.3, C.11.2.1.3)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    """A window over values that have been rescaled by the modality transformation.

    Parameters
    ----------
    centre, width
        Window Center (0028,1050) and Window Width (0028,1051).
    function
        VOI LUT Function.
    explanation
        Window Center & Width Explanation (0028,1055), the name of the window for people.

    References
    ----------
    DICOM PS3.3, C.11.2.1.2 (window centre and width) and C.11.2.1.3 (VOI LUT function).

    Examples
    --------
    >>> window = Window(centre=2, width=3)
    >>> window.apply(np.array([0.0, 0.5, 1.5, 2.5, 9.0]))
    array([0. , 0. , 0.5, 1. , 1. ], dtype=float32)
    >>> window.edges
    (0.5, 2.5)
    """

    centre: float
    width: float
    function: VoiFunction = VoiFunction.LINEAR
    explanation: str = field(default="", repr=False, compare=False)

    @classmethod
    def all_of(cls, dataset: Dataset) -> "tuple[Window, ...]":
        """Return the windows of a DICOM object that the standard allows, in its order.

        An unknown VOI LUT Function counts as LINEAR, the standard's default.

        Examples
        --------
        >>> dataset = Dataset()
        >>> dataset.WindowCenter, dataset.WindowWidth = [2048, 1000], [4096, 0]
        >>> Window.all_of(dataset)
        (Window(centre=2048.0, width=4096.0, function=<VoiFunction.LINEAR: 'LINEAR'>),)
        """
        name = str(dataset.get("VOILUTFunction") or "").strip().upper()
        known = name in tuple(VoiFunction)
        function = VoiFunction(name) if known else VoiFunction.LINEAR
        min_width = 1 if function is VoiFunction.LINEAR else np.nextafter(0, 1)
        centres, widths = _numbers(dataset, "WindowCenter"), _numbers(dataset, "WindowWidth")
        names = chain(_texts(dataset, "WindowCenterWidthExplanation"), repeat(""))
        return tuple(
            cls(centre, width, function, explanation)
            for centre, width, explanation in zip(centres, widths, names, strict=False)
            if np.isfinite(centre) and np.isfinite(width) and width >= min_width
        )

    @classmethod
    def over(cls, low: float, high: float) -> "Window":
        """Return the window that shows ``low`` black and ``high`` white.

        Examples
        --------
        >>> Window.over(10, 30).edges
        (10.0, 30.0)
        """
        return cls((low + high) / 2, high - low, VoiFunction.LINEAR_EXACT)

    @property
    def edges(self) -> tuple[float, float]:
        """Lowest value that is not black and highest that is not white; SIGMOID approximated."""
        low = self.centre - self.width / 2
        linear = self.function is VoiFunction.LINEAR
        return low, low + (self.width - 1 if linear else self.width)

    def apply(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return the grey values in [0, 1] of rescaled values.

        Raises
        ------
        ValueError
            If a grey value is not finite.
        """
        numbers = values.astype(np.float64)
        if self.function is VoiFunction.SIGMOID:
            with np.errstate(over="ignore"):
                grey = 1 / (1 + np.exp(-4 * (numbers - self.centre) / self.width))
        elif self.function is VoiFunction.LINEAR_EXACT:
            grey = (numbers - self.centre) / self.width + 0.5
        elif self.width == 1:
            grey = (numbers > self.centre - 0.5).astype(np.float64)
        else:
            grey = (numbers - (self.centre - 0.5)) / (self.width - 1) + 0.5
        if not np.isfinite(grey).all():
            raise ValueError("its rescaling or window gives no finite grey values")
        return np.clip(grey, 0, 1).astype(np.float32)


def _numbers(dataset: Dataset, keyword: str) -> Iterator[float]:
    """Yield the numbers of an element, NaN for empty ones; none if it is damaged."""
    try:
        value = dataset.get(keyword)
        numbers = value if isinstance(value, MultiValue) else [value]
        yield from [np.nan if number in (None, "") else float(number) for number in numbers]
    except (ValueError, TypeError):
        return


def _texts(dataset: Dataset, keyword: str) -> Iterator[str]:
    """Yield the texts of an element; none if it is damaged."""
    try:
        value = dataset.get(keyword) or ""
        yield from [str(text).strip() for text in ([value] if isinstance(value, str) else value)]
    except (ValueError, TypeError):
        return
