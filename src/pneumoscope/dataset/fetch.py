"""The published datasets, downloaded, unpacked and counted: each becomes a source on the disk."""

import csv
import io
import os
import shutil
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import requests
from PIL import Image

from pneumoscope.dataset.manifest import Label, Split
from pneumoscope.support.download import Checksum, download, require_room
from pneumoscope.support.errors import DownloadError, StorageError
from pneumoscope.support.files import atomic_folder, write_text
from pneumoscope.support.terminal import messages, track

_SPLITS = ("train", "val", "test")
_MEDMNIST_SPLITS = {"train": Split.TRAIN, "val": Split.VALIDATION, "test": Split.TEST}
_OR_MENDELEY = (
    "; or run `pneumoscope data fetch mendeley`, which gets the same images without an account."
)


@dataclass(frozen=True)
class Archive:
    """A dataset as one published file.

    Parameters
    ----------
    url
        Its address.
    name
        Its file name on the disk.
    images
        How many radiographs it must hold.
    room
        Bytes that its unpacked images take.
    checksum
        Its published checksum, if there is one.
    """

    url: str
    name: str
    images: int
    room: int
    checksum: Checksum | None = None


@dataclass(frozen=True)
class KaggleDataset:
    """A dataset of Kaggle.

    Parameters
    ----------
    handle
        ``owner/dataset``, as in its address.
    images
        How many radiographs it must hold.
    room
        Bytes that its archive and the unpacked files take together.
    """

    handle: str
    images: int
    room: int


MENDELEY = Archive(
    url="https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"
    "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded",
    name="ChestXRay2017.zip",
    images=5856,
    room=1_300_000_000,
)
"""Kermany, Zhang and Goldbaum, doi:10.17632/rscbjbr9sj, version 2, CC BY 4.0."""

KAGGLE = KaggleDataset("paultimothymooney/chest-xray-pneumonia", images=5856, room=5_000_000_000)
"""The same radiographs on Kaggle; its archive holds every image twice."""

PNEUMONIAMNIST = Archive(
    url="https://zenodo.org/records/10519652/files/pneumoniamnist_224.npz?download=1",
    name="pneumoniamnist_224.npz",
    images=5856,
    room=300_000_000,
    checksum=Checksum("md5", "d6a3c71de1b945ea11211b03746c1fe1"),
)
"""MedMNIST+ (Yang et al., Scientific Data 2023), CC BY 4.0: at 224 pixels, since
the better known 28 are too few to show most findings."""


def fetch_mendeley(destination: Path, archive: Archive = MENDELEY) -> Path:
    """Download the original dataset from Mendeley Data; no account is needed.

    The archive (1.2 GB) stays in ``destination``; no checksum of it is published, so each
    image is held against its checksum inside the archive and the images are counted.

    Parameters
    ----------
    destination
        Folder that receives the archive and ``chest_xray``.
    archive
        What to download.

    Returns
    -------
    Path
        ``destination/chest_xray`` with ``train`` and ``test``, each with a folder per class.

    Raises
    ------
    DownloadError
        If the archive cannot be had, is damaged or holds something else, or if
        ``chest_xray`` is there already and holds something else.
    StorageError
        If there is not enough room, or something cannot be written.
    """
    folder = destination / "chest_xray"
    if folder.exists():
        return _already_there(folder, _count(folder), archive.images)
    path = _obtain(archive, destination)
    with atomic_folder(folder) as temporary:
        _unpack(path, temporary)
        _require_images(path, _count(temporary), archive.images)
    messages.print(f"{path} is no longer needed and may be deleted.")
    return folder


def fetch_kaggle(destination: Path, dataset: KaggleDataset = KAGGLE) -> Path:
    """Download the dataset from Kaggle with its own client, kagglehub, which resumes.

    Of the archive, which holds all images twice and macOS' leftovers, one copy is kept.

    Parameters
    ----------
    destination
        Folder that receives ``chest_xray``.
    dataset
        What to download.

    Returns
    -------
    Path
        ``destination/chest_xray`` with ``train``, ``val`` and ``test``.

    Raises
    ------
    DownloadError
        If Kaggle refuses or cannot be reached, if the archive is damaged or holds something
        else, or if ``chest_xray`` is there already and holds something else.
    StorageError
        If there is not enough room, or something cannot be written.
    """
    folder = destination / "chest_xray"
    if folder.exists():
        return _already_there(folder, _count(folder), dataset.images)
    require_room(destination, dataset.room, dataset.handle)
    cache = destination / ".kagglehub"
    published = _dataset_folder(_kagglehub_download(dataset.handle, cache))
    _require_images(cache, _count(published), dataset.images)
    with atomic_folder(folder) as temporary:
        shutil.copytree(
            published,
            temporary,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("chest_xray", "__MACOSX", "._*", ".DS_Store"),
        )
    shutil.rmtree(cache, ignore_errors=True)
    return folder


def fetch_medmnist(destination: Path, archive: Archive = PNEUMONIAMNIST) -> Path:
    """Download PneumoniaMNIST and write it out as PNG files and a table.

    The table keeps the published splits. Patients are not published with it, so images of one
    patient may be on both sides of train and validation.

    Parameters
    ----------
    destination
        Folder that receives the archive and ``pneumoniamnist``.
    archive
        What to download.

    Returns
    -------
    Path
        ``destination/pneumoniamnist/labels.csv`` with columns file (relative to the table),
        label and split.

    Raises
    ------
    DownloadError
        If the archive cannot be had or has the wrong checksum, or if ``pneumoniamnist`` is
        there already and holds something else.
    StorageError
        If there is not enough room, or something cannot be written.
    """
    folder = destination / "pneumoniamnist"
    table = folder / "labels.csv"
    if folder.exists():
        count = len(list(folder.glob("images/*.png"))) if table.exists() else 0
        _already_there(folder, count, archive.images)
        return table
    path = _obtain(archive, destination)
    with atomic_folder(folder) as temporary:
        try:
            written = _write_medmnist(path, temporary)
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            raise _unusable(path, f"these are not the published arrays ({error})") from error
        _require_images(path, written, archive.images)
    return table


def _obtain(archive: Archive, destination: Path) -> Path:
    return download(
        archive.url,
        destination / archive.name,
        checksum=archive.checksum,
        what=archive.name,
        room=archive.room,
    )


def _already_there(folder: Path, found: int, expected: int) -> Path:
    if found == expected:
        return folder
    raise DownloadError(
        f"{folder}: is there already and holds {found:,} of the dataset's images instead of "
        f"{expected:,}; it is left as it is. Move it away or choose another folder."
    )


def _unusable(path: Path, wrong: str) -> DownloadError:
    return DownloadError(f"{path}: {wrong}. Delete it and run the same command again.")


def _require_images(source: Path, found: int, expected: int) -> None:
    if found != expected:
        wrong = f"holds {found:,} images where the published dataset has {expected:,}"
        raise _unusable(source, wrong)


def _is_junk(name: str) -> bool:
    path = PurePosixPath(name)
    return "__MACOSX" in path.parts or path.name == ".DS_Store" or path.name.startswith("._")


def _count(folder: Path) -> int:
    return sum(
        path.suffix.lower() in (".jpeg", ".jpg") and not _is_junk(path.name)
        for split in _SPLITS
        for label in Label
        for path in folder.glob(f"{split}/{label.name}/*")
    )


def _unpack(archive: Path, folder: Path) -> None:
    """Write what the archive has below ``chest_xray`` to ``folder``."""
    try:
        with zipfile.ZipFile(archive) as file:
            members = _members(archive, file)
            require_room(folder, sum(member.file_size for member in members), archive.name)
            for member in track(members, f"Unpacking {archive.name}", len(members)):
                target = folder / PurePosixPath(member.filename).relative_to("chest_xray")
                target.parent.mkdir(parents=True, exist_ok=True)
                with file.open(member) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _unusable(archive, f"the archive is damaged ({error})") from error


def _members(archive: Path, file: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the files below ``chest_xray`` that are no junk; refuse what leads elsewhere."""
    for member in file.infolist():
        path = PurePosixPath(member.filename)
        if path.is_absolute() or ".." in path.parts or stat.S_ISLNK(member.external_attr >> 16):
            wrong = f"holds {member.filename!r}, a link or a path that leads out of the folder"
            raise _unusable(archive, f"{wrong}; nothing was unpacked")
    return [
        member
        for member in file.infolist()
        if not member.is_dir()
        and member.filename.startswith("chest_xray/")
        and not _is_junk(member.filename)
    ]


def _kagglehub_download(handle: str, cache: Path) -> Path:
    """Return the folder in ``cache`` where kagglehub put the unpacked dataset."""
    page = f"https://www.kaggle.com/datasets/{handle}"
    # kagglehub writes its log to standard output, which is for results.
    with _kagglehub_cache(cache), redirect_stdout(sys.stderr):
        try:
            import kagglehub
            from kagglehub.exceptions import DataCorruptionError
        except ImportError as error:
            remedy = f"Run `pip install 'pneumoscope[train]'`{_OR_MENDELEY}"
            raise DownloadError(f"{page}: kagglehub is not installed. {remedy}") from error
        try:
            return Path(kagglehub.dataset_download(handle))
        except requests.RequestException as error:
            raise DownloadError(
                f"{page}: Kaggle did not deliver ({error}). {_kaggle_remedy(error)}{_OR_MENDELEY}"
            ) from error
        except (DataCorruptionError, zipfile.BadZipFile, zlib.error, ValueError) as error:
            raise DownloadError(
                f"{page}: what came cannot be used ({error}). Delete {cache} and run the same "
                f"command again{_OR_MENDELEY}"
            ) from error
        except OSError as error:
            raise StorageError(
                f"{cache}: cannot be written ({error.strerror or error}). Free some space or "
                "choose another folder, then run the same command again."
            ) from error


def _kaggle_remedy(error: requests.RequestException) -> str:
    if error.response is not None and error.response.status_code in (401, 403):
        return (
            "Make a token at https://www.kaggle.com/settings/api, put it into "
            "~/.kaggle/access_token or the variable KAGGLE_API_TOKEN, and run the same command "
            "again"
        )
    return "Check the network and run the same command again: it goes on from what has arrived"


@contextmanager
def _kagglehub_cache(folder: Path) -> Iterator[None]:
    # Only in its cache does kagglehub resume, and only this variable says where that is.
    before = os.environ.get("KAGGLEHUB_CACHE")
    os.environ["KAGGLEHUB_CACHE"] = str(folder)
    try:
        yield
    finally:
        del os.environ["KAGGLEHUB_CACHE"]
        os.environ |= {"KAGGLEHUB_CACHE": before} if before is not None else {}


def _dataset_folder(root: Path) -> Path:
    """Return the outermost folder that has ``train`` and ``test``."""
    found = [
        train.parent
        for train in root.rglob("train")
        if (train.parent / "test").is_dir() and not _is_junk(str(train))
    ]
    if not found:
        raise _unusable(root, "no folder in it has train and test")
    return min(found, key=lambda folder: len(folder.parts))


def _write_medmnist(archive: Path, folder: Path) -> int:
    """Write the images and the table; return how many images there are."""
    (folder / "images").mkdir()
    rows = io.StringIO()
    table = csv.writer(rows, lineterminator="\n")
    table.writerow(("file", "label", "split"))
    written = 0
    with np.load(archive, allow_pickle=False) as arrays:
        for published, split in _MEDMNIST_SPLITS.items():
            images, labels = arrays[f"{published}_images"], arrays[f"{published}_labels"].ravel()
            numbered = enumerate(zip(images, labels, strict=True))
            for number, (image, label) in track(numbered, f"Writing {split}", len(images)):
                name = f"images/{split}_{number:04d}.png"
                Image.fromarray(image).save(folder / name)
                table.writerow((name, Label(int(label)).name, split))
            written += len(images)
    write_text(folder / "labels.csv", rows.getvalue())
    return written
