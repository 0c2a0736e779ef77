"""What this machine lets the process use: cores and memory, a container's limits respected."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

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
    """Return the cores of the smallest CPU quota that holds for the process."""
    known = [cores for group in _groups("cpu") if (cores := _group_quota(group)) is not None]
    return min(known, default=None)


def _group_quota(group: Path) -> int | None:
    """Return a control group's cores, rounded up, by version 2's names or version 1's."""
    with suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text().split()
        return -(-int(quota) // int(period))
    with suppress(OSError, ValueError):
        quota = (group / "cpu.cfs_quota_us").read_text()
        period = (group / "cpu.cfs_period_us").read_text()
        return -(-int(quota) // int(period)) if int(quota) > 0 else None
    return None


def _machine_free() -> int | None:
    return _kilobytes(_MEMINFO, "MemAvailable:")


def _container_free() -> int | None:
    """Return what is left of the narrowest memory limit that holds for the process."""
    version_2 = ("memory.max", "memory.current", "")
    version_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
    left = [_group_free(group, *n) for group in _groups("memory") for n in (version_2, version_1)]
    return min((free for free in left if free is not None), default=None)


def _group_free(group: Path, limit_name: str, used_name: str, prefix: str) -> int | None:
    """Return what is left of a control group's memory; cached files can be dropped."""
    with suppress(OSError, ValueError):
        limit = int((group / limit_name).read_text())
        used = int((group / used_name).read_text())
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        cached = [statistics.get(f"{prefix}{name}_file", 0) for name in ("inactive", "active")]
        return max(0, limit - used + sum(map(int, cached)))
    return None


def _groups(controller: str) -> Iterator[Path]:
    """Yield the control groups around the process: its own, and those that this one lies in.

    A container may show its own group as the root, so that inner folders are not there.
    """
    with suppress(OSError):
        for line in (_PROCESSES / "self" / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            root = _CGROUP / controller if controllers else _CGROUP  # version 1, or 2
            group = PurePosixPath(path.lstrip("/"))
            yield from (root / place for place in (group, *group.parents))


def _kilobytes(path: Path, name: str) -> int | None:
    """Return a figure of one of Linux's tables, in bytes."""
    with suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return None
