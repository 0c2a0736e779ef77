"""What this machine lets the process use: cores and memory, a container's limits respected."""

import os
from contextlib import suppress
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")
_PROCESSES = Path("/proc")


def usable_cores() -> int:
    """Return the number of cores that the process may keep busy.

    Programs that count the machine's cores instead start too many threads in a container with a
    quota, and these wait for one another.

    Examples
    --------
    >>> 1 <= usable_cores() <= os.cpu_count()
    True
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _quota()
    return max(1, min(allowed or 1, quota or allowed or 1))


def free_memory() -> int | None:
    """Return the bytes that the process can still take without swapping; None where unknown.

    Examples
    --------
    >>> free = free_memory()
    >>> free is None or free > 0
    True
    """
    known = [free for free in (_machine_free(), _container_free()) if free is not None]
    return min(known, default=None)


def held_memory(process: int | None = None) -> int | None:
    """Return the bytes that a process holds itself; None where unknown, as after its end.

    Pages of mapped files are left out: they are dropped as soon as the room is needed.

    Parameters
    ----------
    process
        Its number; this process by default.

    Examples
    --------
    >>> held = held_memory()
    >>> held is None or held > 1_000_000
    True
    """
    return _kilobytes(_PROCESSES / str(process or "self") / "status", "RssAnon:")


def _quota() -> int | None:
    """Return the cores of a container's CPU quota (cgroup v2), rounded up."""
    with suppress(OSError, ValueError):
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        return -(-int(quota) // int(period))
    return None


def _machine_free() -> int | None:
    return _kilobytes(_MEMINFO, "MemAvailable:")


def _container_free() -> int | None:
    """Return what is left of a container's memory (cgroup v2); cached files can be dropped."""
    with suppress(OSError, ValueError):
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
        statistics = dict(
            line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines()
        )
        cached = sum(int(statistics.get(name, 0)) for name in ("inactive_file", "active_file"))
        return max(0, limit - used + cached)
    return None


def _kilobytes(path: Path, name: str) -> int | None:
    """Return a figure of one of Linux's tables, in bytes."""
    with suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return None
