"""Preparation of a radiograph for a network, the same in training and in reading."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.lungs.framing import FRAMING_VERSION, MARGIN, Framing, frame_lungs
from pneumoscope.lungs.lung_field import LungField
from pneumoscope.lungs.lung_finder import LungFinder, load_lung_finder
from pneumoscope.radiograph import Resampling, prepare_pixels, preprocess


@dataclass(frozen=True)
class Preparation:
    """Preparation of radiographs: the side of the square, resampling and framing.

    Parameters
    ----------
    size
        Side of the prepared square in pixels.
    resampling
        Resampling filter of the whole image; lungs are always averaged (bilinear).
    framing
        Whole image, or lungs alone.
    finder
        Lung finder; by default the one that comes with the package.

    Examples
    --------
    >>> preparation = Preparation(32, Resampling.BILINEAR)
    >>> preparation.square(np.full((64, 48), 0.2, np.float32))[0, :3]
    array([51, 51, 51], dtype=uint8)
    """

    size: int
    resampling: Resampling = Resampling.NEAREST
    framing: Framing = Framing.WHOLE
    finder: LungFinder | None = None

    @property
    def whole(self) -> "Preparation":
        """Preparation of the whole image, from which `frame_whole` frames the lungs."""
        if self.framing is Framing.WHOLE:
            return self
        return Preparation(self.size, self.resampling)

    @property
    def min_side(self) -> int:
        """Smallest side, in pixels, to which a JPEG may be reduced while it is decoded."""
        return preprocess.OVERSAMPLING * self.size

    @property
    def lung_finder(self) -> LungFinder | None:
        """Lung finder that the framing needs; None for the whole image."""
        if self.framing is Framing.WHOLE:
            return None
        return self.finder or load_lung_finder()

    def describe(self) -> str:
        """Return the preparation in words.

        Examples
        --------
        >>> Preparation(224, Resampling.BILINEAR, Framing.LUNGS).describe()[-53:]
        'all outside of the lungs black; grey values of 8 bits'
        """
        resized = (
            f"resized to {self.size} by {self.size} pixels, {self.resampling} resampling, the "
            "aspect ratio not kept"
        )
        finder = self.lung_finder
        if finder is None:
            return f"{resized}; grey values of 8 bits"
        outside = "; all outside of the lungs black" if self.framing is Framing.LUNGS else ""
        return (
            f"{resized}; the box of the lungs (lung finder {finder.digest[:12]}) with a margin of "
            f"{MARGIN:.0%} stretched to a square of the same size, the histogram of the lungs' "
            f"pixels equalised{outside}; grey values of 8 bits"
        )

    @property
    def fingerprint(self) -> str:
        """Text that differs wherever the same file gives other pixels."""
        whole = f"{self.size} {self.resampling} {preprocess.PIXELS_VERSION}"
        finder = self.lung_finder
        if finder is None:
            return whole
        return f"{whole} {self.framing} {FRAMING_VERSION} {finder.digest}"

    def squeeze(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Resize an image to the side of the network's square, where lungs are framed.

        Lungs are found and cut out of the squeezed image, so that they show no more detail on a
        large radiograph than on one of the size that the network learned from. Whole images are
        left as they are.

        Examples
        --------
        >>> pixels = np.zeros((700, 600), np.float32)
        >>> Preparation(64, Resampling.BILINEAR, Framing.LUNGS).squeeze(pixels).shape
        (64, 64)
        """
        if self.framing is Framing.WHOLE or pixels.shape == (self.size, self.size):
            return pixels
        side = (self.size, self.size)
        return np.asarray(Image.fromarray(pixels).resize(side, Image.Resampling.BILINEAR))

    def find_lungs(self, pixels: NDArray[np.float32]) -> LungField | None:
        """Find the lungs on pixels (height, width); None if the framing does not need them."""
        finder = self.lung_finder
        return None if finder is None else finder.find(self.squeeze(pixels))

    def square(
        self, pixels: NDArray[np.float32], field: LungField | None = None
    ) -> NDArray[np.uint8]:
        """Return the square that the network gets, uint8, shape (size, size).

        Parameters
        ----------
        pixels
            Grey values, float32, shape (height, width), range [0, 1], 0 = black.
        field
            Lung field of the image; by default it is found.
        """
        if self.framing is Framing.WHOLE:
            return prepare_pixels(pixels, self.size, self.resampling)
        field = field or self.find_lungs(pixels)
        assert field is not None
        return frame_lungs(self.squeeze(pixels), field, self.size, self.framing)

    def frame_whole(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the network's squares of whole images that `whole` prepared, shape (n, ...)."""
        if self.framing is Framing.WHOLE:
            return squares
        greys = np.float32(255)
        return np.stack([self.square(whole.astype(np.float32) / greys) for whole in squares])
