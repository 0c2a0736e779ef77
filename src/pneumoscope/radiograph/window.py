"""The VOI window of a DICOM image: which values are shown from black to white (PS3.3, C.11.2)."""

from dataclasses import dataclass
from enum import StrEnum

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

    @classmethod
    def of(cls, dataset: Dataset) -> "Window | None":
        """Return the first window of a DICOM object; None if it has none.

        An unknown VOI LUT Function counts as LINEAR, the standard's default.

        Raises
        ------
        ValueError, TypeError
            If the window is not two numbers, or is narrower than the standard allows.
        """
        if "WindowCenter" not in dataset or "WindowWidth" not in dataset:
            return None
        name = str(dataset.get("VOILUTFunction") or "").strip().upper()
        known = name in tuple(VoiFunction)
        function = VoiFunction(name) if known else VoiFunction.LINEAR
        values = (dataset[keyword].value for keyword in ("WindowCenter", "WindowWidth"))
        centre, width = (
            float(value[0] if isinstance(value, MultiValue) else value) for value in values
        )
        if width <= 0 or (function is VoiFunction.LINEAR and width < 1):
            raise ValueError(f"a window of width {width:g}")
        return cls(centre, width, function)

    @property
    def edges(self) -> tuple[float, float]:
        """Lowest value that is not black and highest that is not white; SIGMOID approximated."""
        low = self.centre - self.width / 2
        linear = self.function is VoiFunction.LINEAR
        return low, low + (self.width - 1 if linear else self.width)

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the grey values in [0, 1] of rescaled values.

        Raises
        ------
        ValueError
            If a grey value is not finite.
        """
        if self.function is VoiFunction.SIGMOID:
            with np.errstate(over="ignore"):
                grey = 1 / (1 + np.exp(-4 * (values - self.centre) / self.width))
        elif self.function is VoiFunction.LINEAR_EXACT:
            grey = (values - self.centre) / self.width + 0.5
        elif self.width == 1:
            grey = (values > self.centre - 0.5).astype(np.float64)
        else:
            grey = (values - (self.centre - 0.5)) / (self.width - 1) + 0.5
        if not np.isfinite(grey).all():
            raise ValueError("its rescaling or window gives no finite grey values")
        return np.clip(grey, 0, 1).astype(np.float32)
