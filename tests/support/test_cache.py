"""Damage, interruptions, full disks, other processes, and the limit of the cache."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pneumoscope.support.cache import ArrayCache, WriteRows
from pneumoscope.support.errors import StorageError

SHAPE = (40, 5, 3)
ROWS = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
BYTES = 128 + ROWS.nbytes
"""NumPy's header takes 128 bytes (numpy.lib.format)."""


class Kind(StrEnum):
    ROWS = "rows"
    OTHER = "other"


class RowWriter:
    """Writes `ROWS` a few at a time, backwards, and counts its calls."""

    calls = 0

    def __call__(self, write: WriteRows) -> None:
        self.calls += 1
        for first in range(36, -1, -4):
            write(first, ROWS[first : first + 4])


def open_rows(cache: ArrayCache, fill: Callable[[WriteRows], None], key: str = "key") -> NDArray:
    return cache.open(Kind.ROWS, key, f"about {key}", SHAPE, np.float32, fill).values


def files(cache: ArrayCache) -> list[str]:
    return sorted(path.name for path in cache.folder.rglob("*") if path.is_file())


def only(cache: ArrayCache, name: str) -> Path:
    (path,) = cache.folder.glob(f"*/{name}")
    return path


@pytest.fixture
def cache(tmp_path: Path) -> ArrayCache:
    return ArrayCache(tmp_path / "cache")


def test_an_array_is_made_once_and_read_only(cache: ArrayCache) -> None:
    fill = RowWriter()
    made = cache.open(Kind.ROWS, "key", "about", SHAPE, np.float32, fill)
    again = ArrayCache(cache.folder).open(Kind.ROWS, "key", "about", SHAPE, np.float32, fill)
    assert fill.calls == 1
    for values in (made.values, again.values, np.load(only(cache, "array.npy"))):
        np.testing.assert_array_equal(values, ROWS)
    assert isinstance(again.values, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        again.values[0] = 1
    assert made.seconds == again.seconds


def test_another_key_or_kind_is_another_array(cache: ArrayCache) -> None:
    fill = RowWriter()
    open_rows(cache, fill, "a")
    open_rows(cache, fill, "b")
    cache.open(Kind.OTHER, "a", "about", SHAPE, np.float32, fill)
    assert fill.calls == len(cache.entries()) == 3


def test_a_process_reads_a_file_once_to_check_it(
    cache: ArrayCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    original = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *words: read.append(1) or original(*words))
    for _ in range(2):
        open_rows(cache, RowWriter())
    assert len(read) == 1  # when it was made
    another = ArrayCache(cache.folder)
    for _ in range(2):
        open_rows(another, RowWriter())
    assert len(read) == 2


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 2)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("array.npy", truncate),
        ("array.npy", flip),
        ("array.npy", empty),
        ("array.json", truncate),
        ("array.json", empty),
        ("array.json", lambda path: rewrite(path, format=99)),
        ("array.json", lambda path: rewrite(path, bytes="many")),
    ],
)
@pytest.mark.parametrize("process", ["same", "another"])
def test_a_damaged_array_is_set_aside_and_made_again(
    cache: ArrayCache,
    name: str,
    damage: Callable[[Path], None],
    process: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    fill = RowWriter()
    open_rows(cache, fill)
    damage(only(cache, name))
    damaged = only(cache, "array.npy").read_bytes()
    capfd.readouterr()
    reader = cache if process == "same" else ArrayCache(cache.folder)
    np.testing.assert_array_equal(open_rows(reader, fill), ROWS)
    assert fill.calls == 2
    assert "array.npy: damaged (" in capfd.readouterr().err
    assert only(cache, "array.damaged").read_bytes() == damaged
    open_rows(ArrayCache(cache.folder), fill)
    assert fill.calls == 2


@pytest.mark.parametrize("name", ["array.npy", "array.json"])
def test_an_array_without_one_of_its_files_is_made_again(cache: ArrayCache, name: str) -> None:
    fill = RowWriter()
    open_rows(cache, fill)
    only(cache, name).unlink()
    np.testing.assert_array_equal(open_rows(cache, fill), ROWS)
    assert fill.calls == 2
    assert files(cache) == ["array.json", "array.npy"]


def test_the_record_describes_the_array(cache: ArrayCache) -> None:
    open_rows(cache, RowWriter())
    record = json.loads(only(cache, "array.json").read_text())
    sha256 = subprocess.run(
        ["sha256sum", only(cache, "array.npy")], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    assert record["sha256"] == sha256
    assert (record["format"], record["kind"], record["about"]) == (1, "rows", "about key")
    assert (record["images"], record["shape"], record["dtype"]) == (40, [40, 5, 3], "float32")


@pytest.mark.parametrize("error", [RuntimeError("defect"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(cache: ArrayCache, error: BaseException) -> None:
    def fail(write: WriteRows) -> None:
        write(0, ROWS[:4])
        raise error

    with pytest.raises(type(error)):
        open_rows(cache, fail)
    assert list(cache.folder.iterdir()) == []


def test_a_disk_that_gets_full_is_named_and_nothing_is_left(
    cache: ArrayCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.pwrite
    written = []

    def full(handle: int, content: memoryview, offset: int) -> int:
        if len(written) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(offset)
        return original(handle, content, offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StorageError, match=r"array\.npy: .*No space left.*MB are free"):
        open_rows(cache, RowWriter())
    assert len(written) == 5
    assert list(cache.folder.iterdir()) == []


def test_a_disk_that_is_too_small_is_named_before_any_work(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this host does not let tests mount a file system")
    try:
        with pytest.raises(StorageError, match=r"array\.npy: .*No space left"):
            ArrayCache(disk).open(
                Kind.ROWS, "key", "large", (1000, 100), np.uint8, lambda _: pytest.fail("worked")
            )
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_no_room_for_the_record_leaves_nothing(
    cache: ArrayCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: str) -> None:
        raise StorageError(f"{path}: cannot be written")

    monkeypatch.setattr("pneumoscope.support.cache.array_folder.write_text", full)
    with pytest.raises(StorageError, match=r"array\.json"):
        open_rows(cache, RowWriter())
    assert list(cache.folder.iterdir()) == []


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StorageError, match=r"array\.npy: cannot be written"):
        open_rows(ArrayCache(tmp_path / "cache"), RowWriter())


def test_short_writes_are_continued(cache: ArrayCache, monkeypatch: pytest.MonkeyPatch) -> None:
    original = os.pwrite
    monkeypatch.setattr(
        os, "pwrite", lambda handle, content, offset: original(handle, content[:7], offset)
    )
    np.testing.assert_array_equal(open_rows(cache, RowWriter()), ROWS)


def names_by_use(cache: ArrayCache) -> list[str]:
    return [entry.about for entry in cache.entries()]


def touch(cache: ArrayCache, key: str, fill: RowWriter) -> None:
    time.sleep(0.02)  # a file system's clock ticks every few milliseconds
    open_rows(cache, fill, key)


def test_the_least_recently_used_make_room(tmp_path: Path) -> None:
    fill = RowWriter()
    cache = ArrayCache(tmp_path)
    open_rows(cache, fill, "a")
    size = cache.entries()[0].bytes
    assert size > BYTES
    cache.limit = 3.5 * size
    for key in ("b", "c", "a"):
        touch(cache, key, fill)
    assert names_by_use(cache) == ["about a", "about c", "about b"]
    held = open_rows(cache, fill, "b")
    touch(cache, "a", fill)
    touch(cache, "d", fill)
    assert names_by_use(cache) == ["about d", "about a", "about b"]
    cache.limit = 0
    touch(cache, "e", fill)
    assert names_by_use(cache) == ["about e"]  # the one in use stays, however large
    assert fill.calls == 5
    np.testing.assert_array_equal(held, ROWS)  # what is open can be read on


def test_clear_removes_only_what_the_cache_wrote(cache: ArrayCache) -> None:
    open_rows(cache, RowWriter(), "a")
    open_rows(cache, RowWriter(), "b")
    truncate(next(cache.folder.glob("*/array.npy")))
    for key in ("a", "b"):
        open_rows(ArrayCache(cache.folder), RowWriter(), key)  # leaves an array.damaged
    mine = [
        cache.folder / "notes.txt",
        cache.folder / "rows-of-mine" / "array.npy",
        cache.entries()[0].folder / "mine.txt",
    ]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    assert len(cache.clear()) == 2
    left = [path for path in cache.folder.rglob("*") if path.is_file()]
    assert sorted(left) == sorted(mine)


def test_a_folder_that_is_not_there_is_empty(cache: ArrayCache) -> None:
    assert cache.entries() == cache.clear() == []
    assert not cache.folder.exists()


MAKE = """
import sys, time
from enum import StrEnum
from pathlib import Path
import numpy as np
from pneumoscope.support.cache import ArrayCache
def fill(write):
    print("making", flush=True)
    write(0, np.ones((1, 4), np.uint8))
    time.sleep(float(sys.argv[2]))
    write(1, np.ones((1, 4), np.uint8))
kind = StrEnum("Kind", {"SLOW": "slow"}).SLOW
made = ArrayCache(Path(sys.argv[1])).open(kind, "key", "slow", (2, 4), np.uint8, fill)
print(made.values.sum(), flush=True)
"""


def start(cache: ArrayCache, seconds: float) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", MAKE, str(cache.folder), str(seconds)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_processes_that_need_the_same_make_it_once(cache: ArrayCache) -> None:
    processes = [start(cache, 0.5) for _ in range(3)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert sorted(outputs) == ["8\n", "8\n", "making\n8\n"]


def test_an_array_in_the_making_is_not_removed(cache: ArrayCache) -> None:
    process = start(cache, 2)
    assert process.stdout is not None
    process.stdout.readline()
    assert names_by_use(cache) == ["unfinished"]
    assert cache.clear() == []
    cache.limit = 0
    open_rows(cache, RowWriter())
    assert process.communicate(timeout=60)[0] == "8\n"
    assert sorted(names_by_use(cache)) == ["about key", "slow"]


def test_after_a_kill_the_array_is_made_again(cache: ArrayCache) -> None:
    process = start(cache, 60)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert names_by_use(cache) == ["unfinished"]
    again = start(cache, 0)
    assert again.communicate(timeout=60)[0] == "making\n8\n"
    assert files(cache) == ["array.json", "array.npy"]


def test_files_left_by_a_kill_are_cleared(cache: ArrayCache) -> None:
    process = start(cache, 60)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()
    assert len(files(cache)) == 1
    assert len(cache.clear()) == 1
    assert list(cache.folder.iterdir()) == []


def test_a_folder_removed_while_waiting_for_its_lock_is_locked_anew(
    cache: ArrayCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = fcntl.flock
    waits = []

    def flock(handle: int, how: int) -> None:
        if not waits:
            waits.append(handle)
            next(cache.folder.iterdir()).rmdir()  # as a process does whose array could not be made
        original(handle, how)

    def fill(write: WriteRows) -> None:
        assert cache.clear() == []
        RowWriter()(write)

    monkeypatch.setattr(fcntl, "flock", flock)
    np.testing.assert_array_equal(open_rows(cache, fill), ROWS)


def test_without_locks_the_limit_holds_and_arrays_in_the_making_stay(
    cache: ArrayCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    def fill(write: WriteRows) -> None:
        assert [entry.about for entry in cache.clear()] == ["about a"]
        RowWriter()(write)

    monkeypatch.setattr(fcntl, "flock", no_locks)
    open_rows(cache, RowWriter(), "a")
    open_rows(cache, fill, "b")
    cache.limit = 0
    touch(cache, "c", RowWriter())
    assert names_by_use(cache) == ["about c"]
    assert len(cache.clear()) == 1
    assert list(cache.folder.iterdir()) == []


def test_list_and_clear_at_the_command_line(
    pneumoscope: Callable, small_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    empty = pneumoscope("cache", "list")
    assert empty.code == 0
    assert "0 bytes of at most 20.0 GB" in empty.out
    out = Path(os.environ["XDG_CACHE_HOME"])
    weights = out / "pneumoscope" / "weights" / "vgg16.h5"
    weights.parent.mkdir(parents=True)
    weights.write_text("weights")
    settings = [word for setting in ("image_size=64", "epochs=1") for word in ("--set", setting)]
    settings += ["--weights", "none"]
    words = (
        "train",
        small_dataset,
        "--model",
        "model_5",
        "--out",
        out / "runs",
        "--test",
        *settings,
    )
    assert pneumoscope(*words).code == 0
    listed = pneumoscope("cache", "list").out
    assert "64 x 64" in listed
    for kind, images in (("pixels", 64), ("features", 40), ("features", 8), ("features", 16)):
        assert any(kind in line and f" {images} " in line for line in listed.splitlines())
    kept = sum(path.stat().st_size for path in out.glob("pneumoscope/arrays/*/*"))
    cleared = pneumoscope("cache", "clear")
    assert cleared.code == 0
    assert f"Removed: 4, {kept / 1000:,.1f} kB freed" in cleared.out
    assert weights.exists()
    assert "0 bytes of at most" in pneumoscope("cache", "list").out


def test_other_users_cannot_read_the_cache(cache: ArrayCache) -> None:
    """The pixels are of patients."""
    open_rows(cache, lambda write: write(0, np.zeros((5, 2), np.uint8)))
    assert cache.folder.stat().st_mode & 0o077 == 0
