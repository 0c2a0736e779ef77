"""A graph in 8-bit integers, offered only where it is faster and tells patients apart as well."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from pneumoscope.reader.reader import BATCH_SIZE, open_graph, run_graph
from pneumoscope.support.errors import RunError

RANGED_ON = 256
"""Training images from which the ranges of the integers are taken."""

MOST_AUC_CHANGED = 0.001
"""Largest change of the validation AUC that is let pass."""

_ROUNDS = 15
_QUANTISED = ["Conv", "Relu", "Add", "MaxPool"]


def quantise(graph: bytes, pixels: NDArray[np.uint8]) -> bytes:
    """Return a graph whose convolutions multiply 8-bit integers; logit and heat map stay float32.

    Parameters
    ----------
    graph
        From `export_graph`.
    pixels
        Prepared training images, shape (n, size, size); they give the ranges.

    References
    ----------
    Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", CVPR 2018.
    """
    with tempfile.TemporaryDirectory() as folder:
        exported, folded, quantised = (
            Path(folder) / f"{name}.onnx" for name in ("exported", "folded", "quantised")
        )
        exported.write_bytes(graph)
        quant_pre_process(exported, folded, skip_symbolic_shape=True)
        quantize_static(
            folded,
            quantised,
            _Batches(pixels),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_QUANTISED,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # 7 bits: sums of 8 overflow on processors without VNNI, and the same bundle would give
            # another probability there.
            reduce_range=True,
        )
        return quantised.read_bytes()


def compare_speed(graph: bytes, quantised: bytes, pixels: NDArray[np.uint8]) -> float:
    """Return how many times faster the second graph is, on one thread, both in turn.

    Parameters
    ----------
    graph, quantised
        ONNX files.
    pixels
        Prepared images, shape (n, size, size).
    """
    batch = pixels[:BATCH_SIZE]
    sessions = [open_graph(one, 1) for one in (graph, quantised)]
    for session in sessions:
        run_graph(session, batch)
    ratios = []
    for _ in range(_ROUNDS):
        seconds = []
        for session in sessions:
            started = time.perf_counter()
            run_graph(session, batch)
            seconds.append(time.perf_counter() - started)
        ratios.append(seconds[0] / seconds[1])
    return median(ratios)


def require_worth(before: float, after: float, times_faster: float) -> None:
    """Refuse 8-bit integers that are no faster here, or do not tell patients apart as well.

    Parameters
    ----------
    before, after
        Validation AUC of the graph and of the one in integers.
    times_faster
        From `compare_speed`.

    Raises
    ------
    RunError
        If it is not worth it.

    Examples
    --------
    >>> require_worth(before=0.9981, after=0.9978, times_faster=2.1)
    >>> require_worth(before=0.9981, after=0.9978, times_faster=0.9)
    Traceback (most recent call last):
    pneumoscope.support.errors.RunError: in 8-bit integers the graph is 0.90 times ...
    """
    if not abs(after - before) < MOST_AUC_CHANGED:
        raise RunError(
            f"in 8-bit integers the validation AUC is {after:.4f} instead of {before:.4f}; they "
            f"may differ by {MOST_AUC_CHANGED}. Nothing was written; export without --int8"
        )
    if not times_faster > 1:
        raise RunError(
            f"in 8-bit integers the graph is {times_faster:.2f} times as fast on this machine, "
            "whose processor may not multiply them natively. Nothing was written; export without "
            "--int8"
        )


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    """Images in batches, as the quantiser asks for them."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._parts: Iterator[NDArray[np.uint8]] = iter(
            np.split(pixels, range(BATCH_SIZE, len(pixels), BATCH_SIZE))
        )

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        part = next(self._parts, None)
        return None if part is None else {"pixels": part}
