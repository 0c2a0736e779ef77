"""Measured rates of the host: matrix operations and memory copies per second."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from benchmarks.layer_costs import Cost
from pneumoscope.models import Precision

DTYPES = {Precision.FLOAT32: torch.float32, Precision.BFLOAT16: torch.bfloat16}

_REPEATS = 5


@dataclass(frozen=True)
class Rates:
    """Best rates of the host, in matrix operations and copied bytes a second."""

    matrix: float
    copy: float

    def floor(self, cost: Cost) -> float:
        """Return the least seconds for a cost: the longer of its operations and its bytes."""
        return max(cost.operations / self.matrix, cost.bytes / self.copy)


def measure_rates(device: torch.device, precision: Precision, smallest: bool) -> Rates:
    """Measure a few sizes of matrix products, 3x3 convolutions and copies; return the best.

    Parameters
    ----------
    device
        Device, set up by `select_device`.
    precision
        Precision of the factors, in which they are drawn; nothing is converted.
    smallest
        Whether to use small sizes, whose rates mean nothing.
    """
    dtype = DTYPES[precision]
    scale = 8 if smallest else 1
    sides = (2048, 4096) if device.type == "cpu" else (4096, 8192, 16384)
    products = [_product(side // scale, device, dtype) for side in sides]
    shapes = [(64, 64, 112), (32, 128, 56), (32, 256, 28)]
    convolutions = [
        _convolution(n, width, side // scale, device, dtype) for n, width, side in shapes
    ]
    return Rates(max(products + convolutions), _copy(2**28 // scale, device))


def _product(side: int, device: torch.device, dtype: torch.dtype) -> float:
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / _best_seconds(lambda: torch.mm(left, right), device)


def _convolution(n: int, width: int, side: int, device: torch.device, dtype: torch.dtype) -> float:
    images, kernel = (
        torch.randn(*shape, device=device, dtype=dtype).to(memory_format=torch.channels_last)
        for shape in ((n, width, side, side), (width, width, 3, 3))
    )
    operations = 2 * n * side**2 * width**2 * 9
    return operations / _best_seconds(lambda: functional.conv2d(images, kernel, padding=1), device)


def _copy(numbers: int, device: torch.device) -> float:
    source, target = (torch.zeros(numbers, dtype=torch.uint8, device=device) for _ in range(2))
    return 2 * numbers / _best_seconds(lambda: target.copy_(source), device)


@torch.inference_mode()
def _best_seconds(call: Callable[[], object], device: torch.device) -> float:
    seconds = []
    for _ in range(_REPEATS + 1):
        synchronise(device)
        started = time.perf_counter()
        call()
        synchronise(device)
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has finished its queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize()
