"""Computing environment of a Run."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torch

import pneumoscope
from pneumoscope.models import select_device


def describe_environment() -> dict[str, object]:
    """Return versions, device, number of threads and source commit."""
    return {
        "pneumoscope": pneumoscope.__version__,
        "git_commit": _GIT_COMMIT,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": _device(),
        "threads": torch.get_num_threads(),
        "packages": {
            name: metadata.version(name) for name in ("torch", "transformers", "numpy", "pillow")
        },
    }


def _git_commit() -> str | None:
    """Return the commit of a source checkout; None for an installed package or without git."""
    checkout = Path(__file__).resolve().parents[3]
    if not (checkout / ".git").exists():
        return None
    try:
        process = subprocess.run(
            ["git", "-C", str(checkout), "describe", "--always", "--abbrev=40", "--dirty"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.strip()


def _device() -> str:
    device = select_device()
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return _processor() if device.type == "cpu" else f"{_processor()}, {device}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


_GIT_COMMIT = _git_commit()
"""Commit at import; the checkout may change while the code runs."""
