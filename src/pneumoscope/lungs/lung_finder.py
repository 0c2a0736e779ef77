"""Lung finder: a segmentation network that marks both lungs on a frontal radiograph."""

import hashlib
from functools import cache
from importlib.resources import files

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pneumoscope.lungs.lung_field import LungField
from pneumoscope.radiograph import Resampling, prepare_pixels
from pneumoscope.support.errors import BundleError

SIDE = 128
"""Side of the network's square, in pixels."""

MIN_CONFIDENCE = "min_confidence"
"""Entry of the graph's metadata with the confidence from which lungs count as found."""

_PROBABILITY = 0.5
"""Probability from which a place is part of a lung."""

_MIN_PROFILE = 0.05
"""Extent of a lung in a row or column, over its largest, below which it is a speck."""


class LungFinder:
    """Lung finder, from the content of an ONNX file that ``pneumoscope lungs train`` wrote.

    Parameters
    ----------
    graph
        Content of the file.

    Raises
    ------
    BundleError
        If it is no graph of a lung finder.

    Examples
    --------
    >>> finder = load_lung_finder()
    >>> finder.find(np.full((64, 64), 0.5, np.float32)).found
    False
    """

    def __init__(self, graph: bytes) -> None:
        self.digest = hashlib.sha256(graph).hexdigest()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
            metadata = self._session.get_modelmeta().custom_metadata_map
            self._min_confidence = float(metadata[MIN_CONFIDENCE])
        except Exception as error:  # ONNX Runtime's errors have no base class of their own
            raise BundleError(
                f"the lung finder is damaged ({error}); restore it from a copy, or install "
                "pneumoscope again"
            ) from error

    def find(self, pixels: NDArray[np.float32]) -> LungField:
        """Find the lungs on a frontal radiograph; `LungField.found` tells whether they were found.

        Parameters
        ----------
        pixels
            Grey values, float32, shape (height, width), range [0, 1], 0 = black; upright.
        """
        square = prepare_pixels(pixels, SIDE, Resampling.BILINEAR)
        (probabilities,) = self._session.run(None, {"pixels": square[np.newaxis]})
        return lung_field(probabilities[0], self._min_confidence)


@cache
def load_lung_finder() -> LungFinder:
    """Return the lung finder that comes with the package."""
    return LungFinder(shipped_lung_finder())


def shipped_lung_finder() -> bytes:
    """Return the content of the file of the lung finder that comes with the package."""
    return files("pneumoscope.lungs").joinpath("lung_finder.onnx").read_bytes()


def lung_field(probabilities: NDArray[np.float32], min_confidence: float) -> LungField:
    """Return the lung field of the network's output.

    Parameters
    ----------
    probabilities
        Probability of each place to be of either lung, shape (2, side, side).
    min_confidence
        Confidence from which the lungs count as found.

    Examples
    --------
    >>> probabilities = np.zeros((2, 8, 8), np.float32)
    >>> probabilities[0, 2:6, 1:3] = probabilities[1, 2:6, 5:7] = 0.9
    >>> round(lung_field(probabilities, 0.8).confidence, 3)
    0.947
    """
    marked = probabilities >= _PROBABILITY
    # Soft Dice of each lung's probabilities with their own mask.
    overlap = 2 * (probabilities * marked).sum((1, 2))
    total = probabilities.sum((1, 2)) + marked.sum((1, 2))
    confidence = float((overlap / np.maximum(total, 1)).min())
    lungs = np.stack([_without_specks(lung) for lung in marked])
    return LungField(lungs, confidence, min_confidence)


def _without_specks(lung: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of a lung within the rows and columns around its largest extent."""
    rows, columns = (_around_peak(lung.sum(axis)) for axis in (1, 0))
    kept: NDArray[np.bool_] = lung & rows[:, np.newaxis] & columns
    return kept


def _around_peak(profile: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which places are connected to the largest one by places of enough extent."""
    peak = int(profile.argmax())
    gaps = np.flatnonzero(profile <= _MIN_PROFILE * profile[peak])
    before, after = gaps[gaps < peak], gaps[gaps > peak]
    places = np.arange(len(profile))
    first = before[-1] if len(before) else -1
    last = after[0] if len(after) else len(profile)
    inside: NDArray[np.bool_] = (places > first) & (places < last)
    return inside
