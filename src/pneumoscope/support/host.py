"""Cores and memory of this host that the process may use, within a container's limits."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")
_PROCESSES = Path("/proc")


def usable_cores() -> int:
    """Return the number of cores that the process may use.

    Programs that count the host's cores instead start too many threads in a container with a
    quota, and these wait for one another.

    Examples
    --------
    >>> 1 <= usable_cores() <= os.cpu_count()
    True
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quotas = [cores for group in _groups("cpu") if (cores := _group_quota(group)) is not None]
    return max(1, min([allowed or 1, *quotas]))


def free_memory() -> int | None:
    """Return the bytes that the process can still allocate without swapping; None where unknown.

    Examples
    --------
    >>> free = free_memory()
    >>> free is None or free > 0
    True
    """
    version_2 = ("memory.max", "memory.current", "")
    version_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
    limits = [
        _kilobytes(_MEMINFO, "MemAvailable:"),
        *(
            _group_free(group, *names)
            for group in _groups("memory")
            for names in (version_2, version_1)
        ),
    ]
    return min((free for free in limits if free is not None), default=None)


def process_memory(process: int | None = None) -> int | None:
    """Return the bytes of a process's anonymous memory; None where unknown, as after its end.

    Pages of mapped files are not counted: they are dropped as soon as memory is needed.

    Parameters
    ----------
    process
        Process ID; this process by default.

    Examples
    --------
    >>> used = process_memory()
    >>> used is None or used > 1_000_000
    True
    """
    return _kilobytes(_PROCESSES / str(process or "self") / "status", "RssAnon:")


def _group_quota(group: Path) -> int | None:
    """Return the cores of a control group's quota (version 2 or 1), rounded up."""
    with suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text().split()
        return -(-int(quota) // int(period))
    with suppress(OSError, ValueError):
        quota = (group / "cpu.cfs_quota_us").read_text()
        period = (group / "cpu.cfs_period_us").read_text()
        return -(-int(quota) // int(period)) if int(quota) > 0 else None
    return None


def _group_free(group: Path, limit_name: str, used_name: str, prefix: str) -> int | None:
    """Return the free bytes of a control group's memory; cached files count as free."""
    with suppress(OSError, ValueError):
        limit = int((group / limit_name).read_text())
        used = int((group / used_name).read_text())
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        cached = [statistics.get(f"{prefix}{name}_file", 0) for name in ("inactive", "active")]
        return max(0, limit - used + sum(map(int, cached)))
    return None


def _groups(controller: str) -> Iterator[Path]:
    """Yield the control groups of the process: its own, and those around it.

    A container may show its own group as the root, so that inner folders do not exist.
    """
    with suppress(OSError):
        for line in (_PROCESSES / "self" / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            root = _CGROUP / controller if controllers else _CGROUP  # version 1, or 2
            group = PurePosixPath(path.lstrip("/"))
            yield from (root / folder for folder in (group, *group.parents))


def _kilobytes(path: Path, name: str) -> int | None:
    """Return a value of one of Linux's tables in kB, in bytes."""
    with suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return None
