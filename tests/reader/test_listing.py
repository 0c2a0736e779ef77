"""Folders as people have them."""

import os
from pathlib import Path

import pytest

from pneumoscope.reader.listing import list_files


@pytest.mark.timeout(10)
def test_loops_pipes_and_other_files_are_passed_over(tmp_path: Path) -> None:
    ward = tmp_path / "ward"
    (ward / "b" / "deep").mkdir(parents=True)
    for name in ("b/deep/2.JPEG", "b/1.dcm", "a.png", "IM0001", ".hidden.png", "notes.txt"):
        (ward / name).touch()
    (ward / "b" / "loop").symlink_to(ward)
    os.mkfifo(ward / "pipe.png")
    (ward / "gone.png").symlink_to(tmp_path / "nowhere")
    (ward / "link.png").symlink_to(ward / "a.png")
    names = [str(file.relative_to(ward)) for file in list_files([ward])]
    assert names == ["IM0001", "a.png", "link.png", "b/1.dcm", "b/deep/2.JPEG"]


def test_named_files_come_whatever_they_are_in_the_order_given(tmp_path: Path) -> None:
    named = [tmp_path / "z.txt", tmp_path / "none.png", tmp_path / "a.png"]
    assert list(list_files(named)) == named


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_a_closed_folder_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    closed = tmp_path / "ward" / "closed"
    closed.mkdir(parents=True)
    closed.chmod(0)
    try:
        assert list(list_files([tmp_path / "ward"])) == [closed]
    finally:
        closed.chmod(0o700)
