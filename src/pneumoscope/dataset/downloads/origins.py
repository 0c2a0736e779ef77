"""Places where datasets are published: a file at an address, and Kaggle."""

import os
import shutil
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import requests

from pneumoscope.support.download import Checksum, download, require_free_space
from pneumoscope.support.errors import DownloadError, StorageError
from pneumoscope.support.terminal import messages

_CACHE = ".kagglehub"


@dataclass(frozen=True)
class PublishedFile:
    """A dataset published as one file at an address, with a checksum if one is published."""

    url: str
    name: str
    """File name on the disk."""
    checksum: Checksum | None

    def obtain(self, destination: Path, extra_bytes: int) -> Path:
        """Download the file into a folder, or use the one that lies there; see `download`."""
        return download(
            self.url,
            destination / self.name,
            checksum=self.checksum,
            name=self.name,
            extra_bytes=extra_bytes,
        )

    def clean_up(self, destination: Path) -> None:
        """Tell the user that the file may be deleted; it may have been put there by hand."""
        messages.print(f"{destination / self.name} is no longer needed and may be deleted.")


@dataclass(frozen=True)
class KaggleDataset:
    """A dataset of Kaggle, downloaded by Kaggle's own client, kagglehub, which resumes."""

    handle: str
    """``owner/dataset``, as in its address."""
    same_as: str
    """Name of a dataset of the catalogue with the same images, which needs no account."""

    def obtain(self, destination: Path, extra_bytes: int) -> Path:
        """Download the dataset, unpacked; in notebooks of Kaggle and Colab, mount it."""
        require_free_space(destination, extra_bytes, self.handle)
        cache = destination / _CACHE
        page = f"https://www.kaggle.com/datasets/{self.handle}"
        # kagglehub writes its log to standard output, which is for results.
        with _kagglehub_cache(cache), redirect_stdout(sys.stderr):
            try:
                import kagglehub
                from kagglehub.exceptions import DataCorruptionError
            except ImportError as error:
                raise self._error(
                    f"{page}: kagglehub is not installed. Run `pip install 'pneumoscope[train]'`"
                ) from error
            try:
                return Path(kagglehub.dataset_download(self.handle))
            except requests.RequestException as error:
                raise self._error(
                    f"{page}: Kaggle did not deliver ({error}). {_remedy(error)}"
                ) from error
            except (DataCorruptionError, zipfile.BadZipFile, zlib.error, ValueError) as error:
                raise self._error(
                    f"{page}: the download cannot be used ({error}). Delete {cache} and run the "
                    "same command again"
                ) from error
            except OSError as error:
                raise StorageError(
                    f"{cache}: cannot be written ({error.strerror or error}). Free some space or "
                    "choose another folder, then run the same command again."
                ) from error

    def clean_up(self, destination: Path) -> None:
        """Remove the hidden folder."""
        shutil.rmtree(destination / _CACHE, ignore_errors=True)

    def _error(self, text: str) -> DownloadError:
        return DownloadError(
            f"{text}; or run `pneumoscope data fetch {self.same_as}`, which downloads the same "
            "images without an account."
        )


def _remedy(error: requests.RequestException) -> str:
    if error.response is not None and error.response.status_code in (401, 403):
        return (
            "Make a token at https://www.kaggle.com/settings/api, put it into "
            "~/.kaggle/access_token or the variable KAGGLE_API_TOKEN, and run the same command "
            "again"
        )
    return "Check the network and run the same command again: it continues where it stopped"


@contextmanager
def _kagglehub_cache(folder: Path) -> Iterator[None]:
    # kagglehub resumes only in its cache, and only this variable sets the cache's place.
    before = os.environ.get("KAGGLEHUB_CACHE")
    os.environ["KAGGLEHUB_CACHE"] = str(folder)
    try:
        yield
    finally:
        del os.environ["KAGGLEHUB_CACHE"]
        os.environ |= {"KAGGLEHUB_CACHE": before} if before is not None else {}
