"""Device and precision of computations with networks."""

import ctypes
import sys
from contextlib import suppress
from enum import StrEnum
from functools import cache
from typing import TypeVar

import torch
from torch import nn

from pneumoscope.support.host import usable_cores

ModuleType = TypeVar("ModuleType", bound=nn.Module)


class Precision(StrEnum):
    """Precision of convolutions and dense layers; weights and their updates are float32."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def fastest_precision() -> Precision:
    """Return bfloat16 where the hardware multiplies it natively, else float32.

    Processors with AVX512-BF16 or AMX and GPUs from Ampere on do. Elsewhere bfloat16 is emulated
    and slower than float32.
    """
    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
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


def select_device() -> torch.device:
    """Return the GPU if PyTorch has one, else the processor, configured for speed.

    TF32 is not used in place of float32, as the recipe states the precision.
    """
    if torch.cuda.is_available():
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
        return torch.device("cuda")
    _configure_processor()
    return torch.device("cpu")


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
