import os
from pathlib import Path

import pytest

from pneumoscope.reader.listing import list_files


@pytest.mark.timeout(10)
def test_loops_pipes_and_other_files_are_left_out(tmp_path: Path) -> None:
    clinic = tmp_path / "clinic"
    (clinic / "b" / "deep").mkdir(parents=True)
    for name in ("b/deep/2.JPEG", "b/1.dcm", "a.png", "IM0001", ".hidden.png", "notes.txt"):
        (clinic / name).touch()
    (clinic / "b" / "loop").symlink_to(clinic)
    os.mkfifo(clinic / "pipe.png")
    (clinic / "gone.png").symlink_to(tmp_path / "nowhere")
    (clinic / "link.png").symlink_to(clinic / "a.png")
    names = [str(file.relative_to(clinic)) for file in list_files([clinic])]
    assert names == ["IM0001", "a.png", "link.png", "b/1.dcm", "b/deep/2.JPEG"]


def test_named_files_are_yielded_in_their_order(tmp_path: Path) -> None:
    named = [tmp_path / "z.txt", tmp_path / "none.png", tmp_path / "a.png"]
    assert list(list_files(named)) == named


@pytest.mark.skipif(os.geteuid() == 0, reason="root can list every folder")
def test_a_closed_folder_is_yielded(tmp_path: Path) -> None:
    closed = tmp_path / "clinic" / "closed"
    closed.mkdir(parents=True)
    closed.chmod(0)
    try:
        assert list(list_files([tmp_path / "clinic"])) == [closed]
    finally:
        closed.chmod(0o700)
