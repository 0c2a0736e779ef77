"""Catalogue of the public datasets that can be downloaded: one entry per dataset.

To add a dataset, add its entry to `DATASETS`.
"""

from pneumoscope.dataset.downloads.layouts import ClassFolders, MedMnistArrays
from pneumoscope.dataset.downloads.origins import KaggleDataset, PublishedFile
from pneumoscope.dataset.downloads.public_dataset import PublicDataset
from pneumoscope.support.download import Checksum
from pneumoscope.support.errors import DatasetError

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
        room=1_300_000_000,
    ),
    PublicDataset(
        name="kaggle",
        citation="the same radiographs as published on Kaggle by Paul Mooney",
        licence="CC BY 4.0",
        origin=KaggleDataset("paultimothymooney/chest-xray-pneumonia", same_as="mendeley"),
        layout=ClassFolders("chest_xray"),
        images=5856,
        room=5_000_000_000,  # the archive holds every image twice
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
        room=300_000_000,
    ),
)


def find_dataset(name: str) -> PublicDataset:
    """Return the public dataset of a name.

    Raises
    ------
    DatasetError
        If there is none of that name.

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
