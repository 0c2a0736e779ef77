"""Errors of a user without permission to read or write; root acts as another user."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pneumoscope.dataset import Manifest, open_dataset
from pneumoscope.radiograph import read_radiograph
from pneumoscope.support.errors import (
    DatasetError,
    StorageError,
    TableError,
    UnreadableRadiographError,
)
from pneumoscope.support.files import write_text

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that every user may reach, unlike tmp_path."""
    made = Path(tempfile.mkdtemp(prefix="pneumoscope-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@contextmanager
def another_user(folder: Path) -> Iterator[None]:
    """Act as a user who owns nothing; if not root, removed permissions are enough."""
    if os.geteuid() != 0:
        yield
        return
    try:
        os.seteuid(NOBODY)
    except OSError:
        pytest.skip("this host does not let root act as another user")
    try:
        if not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
            pytest.skip(f"another user cannot reach the temporary folder {folder}")
        yield
    finally:
        os.seteuid(0)


@contextmanager
def mode(path: Path, bits: int) -> Iterator[None]:
    before = path.stat().st_mode
    path.chmod(bits)
    try:
        yield
    finally:
        path.chmod(before)


def write_images(root: Path, count: int = 4) -> Path:
    for label in ("NORMAL", "PNEUMONIA"):
        (root / label).mkdir(parents=True)
        for number in range(count):
            pixels = np.full((9, 9), 20 * number + len(label), np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    return root


def test_an_unreadable_image(folder: Path) -> None:
    image = write_images(folder / "chest") / "NORMAL" / "1.png"
    assert read_radiograph(image).width == 9
    with mode(image, 0), another_user(folder), pytest.raises(UnreadableRadiographError) as caught:
        read_radiograph(image)
    assert str(caught.value).startswith(f"{image}: permission denied; make it readable (chmod +r)")


def test_an_unreadable_image_is_set_aside(folder: Path, pneumoscope: Callable[..., Any]) -> None:
    chest = write_images(folder / "chest")
    out = folder / "out"
    out.mkdir()
    out.chmod(0o777)
    # The first call imports what the second may no longer read.
    assert pneumoscope("data", "manifest", chest, "--out", out / "first.parquet").code == 0
    with mode(chest / "NORMAL" / "1.png", 0), another_user(folder):
        outcome = pneumoscope("data", "manifest", chest, "--out", out / "second.parquet")
        stopped = pneumoscope("data", "manifest", chest, "--out", out / "third.parquet", "--strict")
    assert outcome.code == 0
    assert "Set aside: 1" in outcome.out
    assert "NORMAL/1.png: permission denied; make it readable (chmod +r)" in outcome.err
    (entry,) = Manifest.read(out / "second.parquet").set_aside
    assert (entry.path, entry.sha256, entry.split) == ("NORMAL/1.png", None, None)
    assert stopped.code == 1
    assert f"Error: {chest / 'NORMAL' / '1.png'}: permission denied" in stopped.err
    assert sorted(path.name for path in out.iterdir()) == ["first.parquet", "second.parquet"]


@pytest.mark.parametrize(
    ("closed", "bits", "named"),
    [
        ("chest", 0o000, "chest"),
        ("chest", 0o444, "chest"),
        ("chest/NORMAL", 0o000, "chest/NORMAL"),
        (".", 0o000, "chest"),
    ],
)
def test_an_unreadable_folder(folder: Path, closed: str, bits: int, named: str) -> None:
    top = folder / "top"
    chest = write_images(top / "chest")
    with mode(top / closed, bits), another_user(folder), pytest.raises(DatasetError) as caught:
        open_dataset(chest)
    assert str(caught.value).startswith(f"{top / named}: cannot be ")
    assert "Permission denied" in str(caught.value)
    assert "chmod +rx" in str(caught.value)


def test_an_unreadable_manifest_or_table(folder: Path) -> None:
    chest = write_images(folder / "chest")
    manifest, table = folder / "m.parquet", folder / "labels.csv"
    open_dataset(chest).write(manifest)
    table.write_text("file,label\nchest/NORMAL/1.png,NORMAL\n")
    for path in (manifest, table):
        with mode(path, 0), another_user(folder), pytest.raises(TableError) as caught:
            open_dataset(path)
        assert str(caught.value).startswith(f"{path}: cannot be read")


@pytest.mark.parametrize("name", ["m.parquet", "labels.csv"])
def test_a_table_in_a_closed_folder(folder: Path, name: str) -> None:
    table = folder / "closed" / name
    write_text(table, "file,label\n")
    with mode(table.parent, 0), another_user(folder), pytest.raises(DatasetError) as caught:
        open_dataset(table)
    assert str(caught.value).startswith(f"{table}: cannot be reached (Permission denied)")
    assert "chmod +rx" in str(caught.value)


def test_a_manifest_whose_images_moved_out_of_a_closed_folder(folder: Path) -> None:
    home, public = folder / "home", folder / "public"
    chest = write_images(home / "chest")
    open_dataset(chest).write(public / "m.parquet")
    with mode(home, 0), another_user(folder):
        assert open_dataset(public / "m.parquet").root == public.resolve()


@pytest.mark.parametrize("bits", [0o555, 0o600, 0o000])
def test_a_folder_without_write_permission(folder: Path, bits: int) -> None:
    closed = folder / "closed"
    (closed / "inner").mkdir(parents=True)
    inner = closed if bits == 0o555 else closed / "inner"
    with mode(closed, bits), another_user(folder):
        for path in (closed / "note.txt", inner / "note.txt", closed / "new" / "note.txt"):
            with pytest.raises(StorageError) as caught:
                write_text(path, "x")
            assert str(caught.value).startswith(f"{path}: cannot be written (Permission denied)")
    assert [path.name for path in closed.rglob("*")] == ["inner"]


def test_a_manifest_in_a_folder_without_write_permission(
    folder: Path, pneumoscope: Callable[..., Any]
) -> None:
    chest = write_images(folder / "chest")
    assert pneumoscope("data", "manifest", chest, "--out", folder / "first.parquet").code == 0
    closed = folder / "closed"
    closed.mkdir()
    with mode(closed, 0o555), another_user(folder):
        outcome = pneumoscope("data", "manifest", chest, "--out", closed / "m.parquet")
    assert outcome.code == 1
    assert f"Error: {closed / 'm.parquet'}: cannot be written (Permission denied)" in outcome.err
    assert "choose another folder" in outcome.err
    assert not any(closed.iterdir())
