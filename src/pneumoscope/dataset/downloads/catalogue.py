"""Catalogue of the public datasets that can be downloaded: one entry per dataset.

To add a dataset, add its entry to `DATASETS`; a new origin or layout has the same methods as those
that exist.
"""

from dataclasses import dataclass
from pathlib import Path

from pneumoscope.dataset.downloads.layouts import ClassFolders, MedMnistArrays, unusable
from pneumoscope.dataset.downloads.origins import KaggleDataset, PublishedFile
from pneumoscope.support.download import Checksum
from pneumoscope.support.errors import DatasetError, DownloadError
from pneumoscope.support.files import atomic_folder


@dataclass(frozen=True)
class PublicDataset:
    """A public dataset: its licence, where it is published, and its layout on the disk."""

    name: str
    """Name on the command line."""
    citation: str
    licence: str
    origin: PublishedFile | KaggleDataset
    layout: ClassFolders | MedMnistArrays
    images: int
    """Number of images that the published dataset has."""
    extra_bytes: int
    """Bytes that the unpacked images take, and whatever else is needed besides the download."""

    def fetch(self, destination: Path) -> Path:
        """Download, unpack and count the dataset, unless that was done before.

        The dataset's folder is made in ``destination``; the path by which commands open the
        dataset, a folder or a table, is returned.

        Raises
        ------
        DownloadError
            If the dataset cannot be downloaded, is damaged or holds something else, or if its
            folder exists already and holds something else.
        StorageError
            If there is not enough free space, or something cannot be written.
        """
        folder = destination / self.layout.folder
        if folder.exists():
            if (count := self.layout.count(folder)) != self.images:
                raise DownloadError(
                    f"{folder}: exists already and holds {count:,} of the dataset's images instead "
                    f"of {self.images:,}; it is left as it is. Move it away or choose another "
                    "folder."
                )
            return self.layout.source(folder)
        obtained = self.origin.obtain(destination, self.extra_bytes)
        with atomic_folder(folder) as temporary:
            self.layout.unpack(obtained, temporary)
            if (count := self.layout.count(temporary)) != self.images:
                reason = f"holds {count:,} images where the published dataset has {self.images:,}"
                raise unusable(obtained, reason)
        self.origin.clean_up(destination)
        return self.layout.source(folder)


DATASETS = (
    PublicDataset(
        name="mendeley",
        citation="Kermany, Zhang and Goldbaum, Mendeley Data 2018, doi:10.17632/rscbjbr9sj, v2",
        licence="CC BY 4.0",
        origin=PublishedFile(
            url="https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"
            "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded",
            name="ChestXRay2017.zip",
            checksum=None,  # none is published; the archive's own and the number of images remain
        ),
        layout=ClassFolders("chest_xray"),
        images=5856,
        extra_bytes=1_300_000_000,
    ),
    PublicDataset(
        name="kaggle",
        citation="the same radiographs as published on Kaggle by Paul Mooney",
        licence="CC BY 4.0",
        origin=KaggleDataset("paultimothymooney/chest-xray-pneumonia", same_as="mendeley"),
        layout=ClassFolders("chest_xray"),
        images=5856,
        extra_bytes=5_000_000_000,  # the archive holds every image twice
    ),
    PublicDataset(
        name="medmnist",
        citation="PneumoniaMNIST of MedMNIST+: Yang et al., Scientific Data 10:41, 2023",
        licence="CC BY 4.0",
        origin=PublishedFile(  # of 224 pixels; the better known 28 are too few for most findings
            url="https://zenodo.org/records/10519652/files/pneumoniamnist_224.npz?download=1",
            name="pneumoniamnist_224.npz",
            checksum=Checksum("md5", "d6a3c71de1b945ea11211b03746c1fe1"),
        ),
        layout=MedMnistArrays("pneumoniamnist"),
        images=5856,
        extra_bytes=300_000_000,
    ),
)


def find_dataset(name: str) -> PublicDataset:
    """Return the public dataset of a name, or raise `DatasetError` if there is none.

    Examples
    --------
    >>> find_dataset("mendeley").licence
    'CC BY 4.0'
    """
    for dataset in DATASETS:
        if dataset.name == name:
            return dataset
    names = ", ".join(dataset.name for dataset in DATASETS)
    raise DatasetError(f"'{name}' is not a public dataset known here; choose one of {names}")
