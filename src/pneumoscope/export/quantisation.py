"""Quantisation of a graph to 8-bit integers, where it is faster and as accurate."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
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

N_RANGE_IMAGES = 256
"""Number of training images that the ranges of the integers are computed from."""

MAX_AUC_CHANGE = 0.001
"""Largest accepted change of the validation AUC."""

_TIMING_ROUNDS = 15
NETWORK_OPERATORS = ("Conv", "Relu", "Clip", "Add", "MaxPool")
"""Operators of a classifier that are quantised; logit and heat map stay float32."""


def quantise(
    graph: bytes, pixels: NDArray[np.uint8], operators: Sequence[str] = NETWORK_OPERATORS
) -> bytes:
    """Quantise the convolutions of a graph to 8-bit integers, and the operators between them.

    Parameters
    ----------
    graph
        Content of the ONNX file.
    pixels
        Prepared training images that the ranges are computed from, uint8, shape (n, size, size).
    operators
        Operators that are quantised.

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
            op_types_to_quantize=list(operators),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # 7 bits: sums of 8-bit products overflow on processors without VNNI, and the same
            # bundle would give another probability there.
            reduce_range=True,
            extra_options={"TensorQuantOverrides": _depthwise_kernels(folded)},
        )
        return quantised.read_bytes()


def compare_speed(graph: bytes, quantised: bytes, pixels: NDArray[np.uint8]) -> float:
    """Return a quantised graph's speed-up on pixels (n, size, size): fastest runs, one thread.

    Other work on the host only ever adds time, so that the fastest runs are the comparable ones.
    """
    batch = pixels[:BATCH_SIZE]
    sessions = [open_graph(content, 1) for content in (graph, quantised)]
    seconds: list[list[float]] = [[], []]
    for _ in range(_TIMING_ROUNDS):
        for session, times in zip(sessions, seconds, strict=True):
            started = time.perf_counter()
            run_graph(session, batch)
            times.append(time.perf_counter() - started)
    return min(seconds[0]) / min(seconds[1])


def require_benefit(auc_before: float, auc_after: float, speedup: float) -> None:
    """Raise a `RunError` if a quantised graph is not faster here, or has another validation AUC.

    Examples
    --------
    >>> require_benefit(auc_before=0.9981, auc_after=0.9978, speedup=2.1)
    >>> require_benefit(auc_before=0.9981, auc_after=0.9978, speedup=0.9)
    Traceback (most recent call last):
    pneumoscope.support.errors.RunError: in 8-bit integers the graph is 0.90 times ...
    """
    if not abs(auc_after - auc_before) < MAX_AUC_CHANGE:
        raise RunError(
            f"in 8-bit integers the validation AUC is {auc_after:.4f} instead of {auc_before:.4f}; "
            f"they may differ by {MAX_AUC_CHANGE}. Nothing was written; export without --int8"
        )
    if not speedup > 1:
        raise RunError(
            f"in 8-bit integers the graph is {speedup:.2f} times as fast on this computer, whose "
            "processor may not multiply them natively. Nothing was written; export without --int8"
        )


def _depthwise_kernels(graph: Path) -> dict[str, list[dict[str, object]]]:
    """Return the options for depthwise kernels: 8 bits, as no sum of their products overflows.

    With 7 bits, they are what loses the most accuracy in an EfficientNet-Lite.
    """
    return {
        node.input[1]: [{"axis": 0, "reduce_range": False}]
        for node in onnx.load(graph).graph.node
        if node.op_type == "Conv"
        and any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)
    }


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    """Batches of images for the quantiser."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._batches: Iterator[NDArray[np.uint8]] = iter(
            np.split(pixels, range(BATCH_SIZE, len(pixels), BATCH_SIZE))
        )

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"pixels": batch}
