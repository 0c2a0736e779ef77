"""Layouts of datasets on the disk, and how downloads are unpacked into them."""

import csv
import io
import shutil
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from pneumoscope.dataset.manifest import Label, Split
from pneumoscope.support.download import require_free_space
from pneumoscope.support.errors import DownloadError
from pneumoscope.support.files import write_text
from pneumoscope.support.terminal import track

_PUBLISHED_SPLITS = {"train": Split.TRAIN, "val": Split.VALIDATION, "test": Split.TEST}


@dataclass(frozen=True)
class ClassFolders:
    """JPEG files in ``train``, ``val`` and ``test``, each with a folder per class.

    A download is a zip archive with the layout below the name of the folder, or an unpacked folder
    that has the layout somewhere. Copies of the layout inside it, and macOS' files, are left out.
    """

    folder: str
    """Name of the dataset's folder."""

    def unpack(self, obtained: Path, folder: Path) -> None:
        """Write the images of a zip archive or folder to another folder.

        Raises
        ------
        DownloadError
            If the download is damaged or something else.
        StorageError
            If there is not enough free space.
        """
        if obtained.is_dir():
            shutil.copytree(
                _outermost_layout(obtained),
                folder,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns(self.folder, "__MACOSX", "._*", ".DS_Store"),
            )
            return
        try:
            with zipfile.ZipFile(obtained) as archive:
                self._unzip(archive, obtained, folder)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise unusable(obtained, f"the archive is damaged ({error})") from error

    def count(self, folder: Path) -> int:
        """Return the number of JPEG files of the layout."""
        return sum(
            path.suffix.lower() in (".jpeg", ".jpg") and not _is_junk(path.name)
            for split in _PUBLISHED_SPLITS
            for label in Label
            for path in folder.glob(f"{split}/{label.name}/*")
        )

    def source(self, folder: Path) -> Path:
        """Return the path by which commands open the dataset: the folder itself."""
        return folder

    def _unzip(self, archive: zipfile.ZipFile, path: Path, folder: Path) -> None:
        _require_paths_inside(archive, path)
        members = [
            member
            for member in archive.infolist()
            if not member.is_dir()
            and member.filename.startswith(f"{self.folder}/")
            and not _is_junk(member.filename)
        ]
        require_free_space(folder, sum(member.file_size for member in members), path.name)
        for member in track(members, f"Unpacking {path.name}", len(members)):
            target = folder / PurePosixPath(member.filename).relative_to(self.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)


@dataclass(frozen=True)
class MedMnistArrays:
    """PNG files and the table ``labels.csv``, made of the arrays of a MedMNIST ``.npz`` file.

    The table keeps the published splits. No patients are published, so images of one patient may
    be in both train and validation.
    """

    folder: str
    """Name of the dataset's folder."""

    def unpack(self, obtained: Path, folder: Path) -> None:
        """Write images and table to a folder, or raise `DownloadError` for other arrays."""
        (folder / "images").mkdir()
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(("file", "label", "split"))
        try:
            with np.load(obtained, allow_pickle=False) as arrays:
                for published, split in _PUBLISHED_SPLITS.items():
                    images, labels = arrays[f"{published}_images"], arrays[f"{published}_labels"]
                    numbered = enumerate(zip(images, labels.ravel(), strict=True))
                    for number, (image, label) in track(numbered, f"Writing {split}", len(images)):
                        name = f"images/{split}_{number:04d}.png"
                        Image.fromarray(image).save(folder / name)
                        table.writerow((name, Label(int(label)).name, split))
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            raise unusable(obtained, f"these are not the published arrays ({error})") from error
        write_text(self.source(folder), text.getvalue())

    def count(self, folder: Path) -> int:
        """Return the number of PNG files, 0 without the table."""
        return len(list(folder.glob("images/*.png"))) if self.source(folder).exists() else 0

    def source(self, folder: Path) -> Path:
        """Return the path by which commands open the dataset: the table."""
        return folder / "labels.csv"


def unusable(path: Path, reason: str) -> DownloadError:
    """Return the error for a download that is damaged or something else."""
    return DownloadError(f"{path}: {reason}. Delete it and run the same command again.")


def _is_junk(name: str) -> bool:
    path = PurePosixPath(name)
    return "__MACOSX" in path.parts or path.name == ".DS_Store" or path.name.startswith("._")


def _outermost_layout(root: Path) -> Path:
    """Return the outermost folder that has ``train`` and ``test``."""
    folders = [
        train.parent
        for train in root.rglob("train")
        if (train.parent / "test").is_dir() and not _is_junk(str(train))
    ]
    if not folders:
        raise unusable(root, "no folder in it has train and test")
    return min(folders, key=lambda folder: len(folder.parts))


def _require_paths_inside(archive: zipfile.ZipFile, path: Path) -> None:
    """Raise if a member is a link, or would be written outside of the folder (zip slip)."""
    for member in archive.infolist():
        name = PurePosixPath(member.filename)
        if name.is_absolute() or ".." in name.parts or stat.S_ISLNK(member.external_attr >> 16):
            raise unusable(
                path,
                f"holds {member.filename!r}, a link or a path that leads out of the folder; "
                "nothing was unpacked",
            )
