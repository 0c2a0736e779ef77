"""Device and precision of computations with networks."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from enum import StrEnum
from functools import cache
from typing import TypeVar

import torch
from torch import nn

from pneumoscope.support.errors import DeviceError
from pneumoscope.support.host import usable_cores

ModuleType = TypeVar("ModuleType", bound=nn.Module)

_chosen: ContextVar[torch.device | None] = ContextVar("device", default=None)
"""Device of `computing_on`."""


class Precision(StrEnum):
    """Precision of convolutions and dense layers; weights and their updates are float32."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def fastest_precision() -> Precision:
    """Return bfloat16 where the device of `select_device` multiplies it natively, else float32.

    Processors with AVX512-BF16 or AMX and NVIDIA's GPUs from Ampere on do. Elsewhere bfloat16 is
    emulated and slower than float32.
    """
    native = False
    match _selected().type:
        case "cuda":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        case "cpu":
            capabilities = torch.cpu.get_capabilities()
            native = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return Precision.BFLOAT16 if native else Precision.FLOAT32


def computing_in(precision: Precision, device: torch.device) -> torch.autocast:
    """Return a context of automatic mixed precision.

    Examples
    --------
    >>> layer = nn.Linear(2, 1)
    >>> with computing_in(Precision.BFLOAT16, torch.device("cpu")):
    ...     layer(torch.ones(1, 2)).dtype
    torch.bfloat16
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=precision is Precision.BFLOAT16)


@contextmanager
def computing_on(name: str) -> Iterator[None]:
    """Let `select_device` return the device of a name within a context.

    Names are PyTorch's: ``cpu``, ``cuda`` or ``cuda:0`` for the first of NVIDIA's GPUs, ``cuda:1``
    for the second, and ``mps`` for Apple's.

    Raises
    ------
    DeviceError
        If there is no such device; the message lists those that there are.

    Examples
    --------
    >>> with computing_on("cpu"):
    ...     select_device()
    device(type='cpu')
    """
    available = available_devices()
    if name not in available and not (name == "cuda" and "cuda:0" in available):
        raise DeviceError(
            f"there is no device '{name}' here; there are: {', '.join(available)}. Choose one of "
            "them, or install the PyTorch that supports the device"
        )
    token = _chosen.set(torch.device(name))
    try:
        yield
    finally:
        _chosen.reset(token)


def available_devices() -> list[str]:
    """Return the names of the devices that PyTorch can compute on, the processor first."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *(f"cuda:{number}" for number in range(gpus)), *mps]


def select_device() -> torch.device:
    """Return the device of `computing_on`, else NVIDIA's GPU if there is one, else the processor.

    The device is configured for speed. TF32 is not used in place of float32, as the recipe states
    the precision.
    """
    device = _selected()
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
        if device.index is not None:  # streams and graphs are those of the current GPU
            torch.cuda.set_device(device)
    elif device.type == "cpu":
        _configure_processor()
    return device


def _selected() -> torch.device:
    return _chosen.get() or torch.device("cuda" if torch.cuda.is_available() else "cpu")


def place(module: ModuleType, device: torch.device) -> ModuleType:
    """Move a module to a device with kernels in channels-last layout, which is twice as fast."""
    module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


@cache
def _configure_processor() -> None:
    """Use the cores that a container grants, and keep freed memory for reuse.

    A training step frees and allocates the same few hundred megabytes each time. By default glibc
    returns blocks of that size to the system, and mapping and zeroing them page by page took half
    of a step.
    """
    torch.set_num_threads(min(torch.get_num_threads(), usable_cores()))
    if not sys.platform.startswith("linux"):
        return
    with suppress(AttributeError, OSError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_M_TOP_PAD, 64 * 2**20)


_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
"""Options of mallopt(3), from glibc's malloc.h."""
