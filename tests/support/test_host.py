"""Limits of containers, from files as Linux writes them (kernel: Admin Guide, cgroups 1 and 2)."""

import os
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from pathlib import Path

import numpy as np
import pytest

from pneumoscope.support import host
from pneumoscope.support.host import free_memory, process_memory, usable_cores


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that stands for /sys/fs/cgroup, on a host with 64 cores and 8 GiB."""
    (tmp_path / "meminfo").write_text("MemTotal: 16777216 kB\nMemAvailable:    8388608 kB\n")
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text("0::/\n")
    monkeypatch.setattr(host, "_CGROUP", tmp_path)
    monkeypatch.setattr(host, "_PROCESSES", tmp_path)
    monkeypatch.setattr(host, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(host.os, "sched_getaffinity", lambda _: set(range(64)))
    return tmp_path


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 64), ("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1)],
)
def test_a_quota_bounds_the_cores(container: Path, quota: str, cores: int) -> None:
    (container / "cpu.max").write_text(f"{quota}\n")
    assert usable_cores() == cores


def test_without_a_container_all_cores_of_the_process_count(container: Path) -> None:
    assert usable_cores() == 64


def test_free_memory_of_the_host(container: Path) -> None:
    assert free_memory() == 8 * 2**30


def test_free_memory_of_a_container(container: Path) -> None:
    (container / "memory.max").write_text(f"{2**30}\n")
    (container / "memory.current").write_text(f"{700 * 2**20}\n")
    (container / "memory.stat").write_text(
        f"anon 5\ninactive_file {150 * 2**20}\nactive_file {50 * 2**20}\n"
    )
    assert free_memory() == (1024 - 700 + 200) * 2**20  # cached files count as free
    (container / "memory.max").write_text("max\n")
    assert free_memory() == 8 * 2**30


def test_the_tightest_group_of_the_process_counts(container: Path) -> None:
    (container / "self" / "cgroup").write_text("0::/outer/inner\n")
    for group, cores, mebibytes in (("outer", 2, 300), ("outer/inner", 3, 500), ("other", 1, 100)):
        folder = container / group
        folder.mkdir()
        (folder / "cpu.max").write_text(f"{cores * 100_000} 100000\n")
        (folder / "memory.max").write_text(f"{mebibytes * 2**20}\n")
        (folder / "memory.current").write_text("0\n")
        (folder / "memory.stat").write_text("anon 0\n")
    assert usable_cores() == 2
    assert free_memory() == 300 * 2**20


@pytest.mark.parametrize("seen", ["docker/abc", "."])
def test_version_1_has_a_tree_for_each_controller(container: Path, seen: str) -> None:
    """A container often sees its own group as the root, and its path as on the host."""
    (container / "self" / "cgroup").write_text(
        "7:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/system\n"
    )
    memory, cpu = (container / controller / seen for controller in ("memory", "cpu"))
    memory.mkdir(parents=True)
    (memory / "memory.limit_in_bytes").write_text(f"{2**30}\n")
    (memory / "memory.usage_in_bytes").write_text(f"{700 * 2**20}\n")
    (memory / "memory.stat").write_text(
        f"inactive_file 1\ntotal_inactive_file {200 * 2**20}\ntotal_active_file 0\n"
    )
    cpu.mkdir(parents=True)
    (cpu / "cpu.cfs_quota_us").write_text("350000\n")
    (cpu / "cpu.cfs_period_us").write_text("100000\n")
    assert free_memory() == (1024 - 700 + 200) * 2**20
    assert usable_cores() == 4
    (memory / "memory.limit_in_bytes").write_text("9223372036854771712\n")  # no limit
    (cpu / "cpu.cfs_quota_us").write_text("-1\n")
    assert free_memory() == 8 * 2**30
    assert usable_cores() == 64


def test_unknown_memory_is_none(container: Path) -> None:
    (container / "meminfo").unlink()
    assert free_memory() is None


def test_anonymous_memory_of_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for process, kilobytes in (("self", 300), ("17", 200)):
        (tmp_path / process).mkdir()
        (tmp_path / process / "status").write_text(
            f"VmRSS:\t  900 kB\nRssAnon:\t  {kilobytes} kB\n"
        )
    monkeypatch.setattr(host, "_PROCESSES", tmp_path)
    assert process_memory() == 300 * 1024
    assert process_memory(17) == 200 * 1024
    assert process_memory(18) is None


def test_pages_of_a_mapped_file_are_not_counted(tmp_path: Path) -> None:
    size = 256 * 2**20
    (tmp_path / "mapped").touch()
    os.truncate(tmp_path / "mapped", size)
    mapped = np.memmap(tmp_path / "mapped", np.uint8, "r")
    before = process_memory(os.getpid())
    assert not mapped.any()  # every page has been read
    assert process_memory(os.getpid()) - before < size / 8
    # From the system: NumPy may get memory that was freed before.
    allocated = mmap(-1, size // 4, flags=MAP_PRIVATE | MAP_ANONYMOUS)
    allocated.write(b"x" * len(allocated))
    assert process_memory(os.getpid()) - before > len(allocated) / 2
