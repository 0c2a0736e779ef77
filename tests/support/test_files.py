import errno
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pneumoscope.support.errors import StorageError
from pneumoscope.support.files import (
    append_line,
    atomic_folder,
    atomic_write,
    write_bytes,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writing_replaces_the_file_and_leaves_no_other(tmp_path: Path) -> None:
    target = tmp_path / "note.txt"
    write_text(target, "a longer first text")
    write_text(target, "Röntgen")
    assert target.read_bytes() == b"R\xc3\xb6ntgen"
    assert names(tmp_path) == ["note.txt"]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "c.bin", b"\0\1")
    assert (tmp_path / "a" / "b" / "c.bin").read_bytes() == b"\0\1"


def test_a_reader_sees_the_old_file_until_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    with atomic_write(target) as file:
        file.write(b"new" * 100_000)
        file.flush()
        assert target.read_text() == "old"
    assert target.read_bytes() == b"new" * 100_000


@pytest.mark.parametrize("error", [RuntimeError("defect"), KeyboardInterrupt(), SystemExit(3)])
def test_an_exception_in_the_block_keeps_the_old_file(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "weights.bin"
    target.write_bytes(b"old")

    def write_half() -> None:
        with atomic_write(target) as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["weights.bin"]


def test_the_bytes_are_on_the_disk_before_the_name_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def record_calls(name: str, call: Callable[..., object]) -> Callable[..., object]:
        def recorded_call(*arguments: object) -> object:
            order.append(name)
            return call(*arguments)

        return recorded_call

    monkeypatch.setattr(os, "fsync", record_calls("fsync", os.fsync))
    monkeypatch.setattr(Path, "replace", record_calls("rename", Path.replace))
    write_bytes(tmp_path / "a.bin", b"content")
    assert order == ["fsync", "rename", "fsync"]  # the file, its name, its folder


def test_a_full_disk_is_named_with_its_free_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "m.parquet"
    target.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        write_bytes(target, b"new")
    message = str(caught.value)
    assert message.startswith(f"{target}: ")
    free = re.search(r"([\d,]+) MB are free", message)
    assert free is not None
    megabytes = float(free[1].replace(",", ""))
    assert megabytes == pytest.approx(shutil.disk_usage(tmp_path).free / 1e6, rel=0.05, abs=50)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["m.parquet"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a file system of 64 kB with the given options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size=64k,{options}", "tmpfs", str(folder)]
        if os.geteuid() != 0 or shutil.which("mount") is None:
            pytest.skip("only root can mount a small file system")
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("this host does not let tests mount a file system")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full(tiny_disk: Callable[[str], Path]) -> None:
    disk = tiny_disk("rw")
    write_bytes(disk / "model.bin", b"old" * 1000)
    with pytest.raises(StorageError, match=r"model\.bin: .*No space left.*MB are free"):
        write_bytes(disk / "model.bin", bytes(200_000))
    assert (disk / "model.bin").read_bytes() == b"old" * 1000
    assert names(disk) == ["model.bin"]
    write_bytes(disk / "model.bin", bytes(20_000))  # the failed attempt has freed its space


def test_a_read_only_disk(tiny_disk: Callable[[str], Path]) -> None:
    with pytest.raises(StorageError, match=r"note\.txt: .*Read-only file system"):
        write_text(tiny_disk("ro") / "note.txt", "x")


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StorageError, match=r"m\.parquet: cannot be written"):
        write_text(tmp_path / "out" / "m.parquet", "x")
    assert (tmp_path / "out").read_text() == "a file"


def test_a_folder_of_that_name_stays(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(StorageError, match=r"report\.html: cannot be written"):
        write_text(tmp_path / "report.html", "x")
    assert names(tmp_path) == ["report.html"]


def test_a_line_is_added_and_a_failure_explained(tmp_path: Path) -> None:
    log = tmp_path / "reads.txt"
    append_line(log, "première")
    append_line(log, "second")
    assert log.read_text(encoding="utf-8") == "première\nsecond\n"
    with pytest.raises(StorageError, match=r"log\.txt: cannot be written"):
        append_line(tmp_path / "absent" / "log.txt", "x")


def test_a_folder_appears_complete(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "data") as folder:
        (folder / "a.txt").write_text("a")
        assert not (tmp_path / "data").exists()
    assert names(tmp_path) == ["data"]
    assert names(tmp_path / "data") == ["a.txt"]


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), StorageError),
    ],
)
def test_a_folder_that_fails_leaves_nothing(
    tmp_path: Path, error: BaseException, raised: type[BaseException]
) -> None:
    def write_half() -> None:
        with atomic_folder(tmp_path / "data") as folder:
            (folder / "a.txt").write_text("a")
            raise error

    with pytest.raises(raised):
        write_half()
    assert not names(tmp_path)


def test_a_folder_with_something_in_it_is_not_replaced(tmp_path: Path) -> None:
    write_text(tmp_path / "data" / "mine.txt", "x")

    def replace() -> None:
        with atomic_folder(tmp_path / "data") as folder:
            (folder / "a.txt").write_text("a")

    with pytest.raises(StorageError, match=r"data: cannot be written \(Directory not empty\)"):
        replace()
    assert names(tmp_path) == ["data"]
    assert names(tmp_path / "data") == ["mine.txt"]


def test_files_of_a_killed_process_are_removed_by_the_next_write(tmp_path: Path) -> None:
    done = subprocess.Popen(["true"])
    done.wait()
    abandoned = tmp_path / f".model[1].bin.{done.pid}.part"
    running = tmp_path / ".model[1].bin.1.part"
    for path in (abandoned, running):
        path.write_bytes(b"half")
    write_bytes(tmp_path / "model[1].bin", b"whole")
    assert not abandoned.exists()
    assert running.exists()  # process 1 is alive: it may be writing
