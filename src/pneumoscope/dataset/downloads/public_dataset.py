"""A public dataset: where it is published, how it is laid out, and how many images it has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pneumoscope.support.errors import DownloadError
from pneumoscope.support.files import atomic_folder


class Origin(Protocol):
    """Place where a dataset is published."""

    def obtain(self, destination: Path, room: int) -> Path:
        """Download into a folder and return what was downloaded, a file or a folder.

        Parameters
        ----------
        destination
            Folder to download into.
        room
            Bytes that must be free besides the download.

        Raises
        ------
        DownloadError
            If the publisher refuses, cannot be reached, or sends something else.
        StorageError
            If there is not enough room, or something cannot be written.
        """

    def clean_up(self, obtained: Path) -> None:
        """Remove what was downloaded, or tell the user that it may be removed."""


class Layout(Protocol):
    """Layout of a dataset on the disk, and how a download is brought into it."""

    @property
    def folder(self) -> str:
        """Name of the dataset's folder."""

    def unpack(self, obtained: Path, folder: Path) -> None:
        """Write the images of a download to a folder.

        Raises
        ------
        DownloadError
            If the download is damaged or something else.
        StorageError
            If there is not enough room.
        """

    def count(self, folder: Path) -> int:
        """Return the number of images in a folder."""

    def source(self, folder: Path) -> Path:
        """Return the path by which commands open the dataset: a folder or a table."""


@dataclass(frozen=True)
class PublicDataset:
    """A public dataset that can be downloaded.

    Parameters
    ----------
    name
        Name on the command line.
    citation
        Authors and reference.
    licence
        Licence of the images.
    origin
        Place where it is published.
    layout
        Layout on the disk.
    images
        Number of images that the published dataset has.
    room
        Bytes that the unpacked images take, and whatever else is needed besides the download.
    """

    name: str
    citation: str
    licence: str
    origin: Origin
    layout: Layout
    images: int
    room: int

    def fetch(self, destination: Path) -> Path:
        """Download, unpack and count the dataset, unless that was done before.

        Parameters
        ----------
        destination
            Folder that receives the dataset's folder.

        Returns
        -------
        Path
            Path by which commands open the dataset: a folder or a table.

        Raises
        ------
        DownloadError
            If the dataset cannot be downloaded, is damaged or holds something else, or if its
            folder exists already and holds something else.
        StorageError
            If there is not enough room, or something cannot be written.
        """
        folder = destination / self.layout.folder
        if folder.exists():
            self._require_complete(folder)
            return self.layout.source(folder)
        obtained = self.origin.obtain(destination, self.room)
        with atomic_folder(folder) as temporary:
            self.layout.unpack(obtained, temporary)
            if (count := self.layout.count(temporary)) != self.images:
                raise unusable(
                    obtained,
                    f"holds {count:,} images where the published dataset has {self.images:,}",
                )
        self.origin.clean_up(obtained)
        return self.layout.source(folder)

    def _require_complete(self, folder: Path) -> None:
        if (count := self.layout.count(folder)) != self.images:
            raise DownloadError(
                f"{folder}: exists already and holds {count:,} of the dataset's images instead of "
                f"{self.images:,}; it is left as it is. Move it away or choose another folder."
            )


def unusable(path: Path, reason: str) -> DownloadError:
    """Return the error for a download that is damaged or something else."""
    return DownloadError(f"{path}: {reason}. Delete it and run the same command again.")
