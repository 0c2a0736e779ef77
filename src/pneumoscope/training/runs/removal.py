"""Removal of a Run's files."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pneumoscope.dataset import Split
from pneumoscope.dataset.reading_log import FILE_NAME, count_test_readings, host_log_folder
from pneumoscope.support.errors import RunError, StorageError
from pneumoscope.training.run_record import read_record

_FIGURES = ("confusion", "roc", "precision_recall")
_FILES = (
    "checkpoints/last.pt",
    "checkpoints/final.safetensors",
    *(f"predictions/{split}.csv" for split in Split),
    *(f"metrics/{split}.json" for split in Split),
    "figures/history.png",
    *(f"figures/{split}_{figure}.png" for split in Split for figure in _FIGURES),
    "structure.json",
    "history.csv",
    "train.log",
    "manifest.parquet",
    "recipe.yaml",
    FILE_NAME,
    "run.json",
)
"""Files of a Run. The record is the last to go: an interrupted removal can be repeated."""


@dataclass(frozen=True, slots=True)
class RunRemoval:
    """Removal of a Run, before it is carried out.

    Parameters
    ----------
    folder
        Run directory.
    files
        Files of the Run in the order of their removal.
    others
        Files and folders in the directory that are not the Run's own, and stay.
    size
        Size of the files in bytes.
    losses
        What is lost with the Run, in sentences.
    """

    folder: Path
    files: tuple[Path, ...]
    others: tuple[Path, ...]
    size: int
    losses: tuple[str, ...]

    @classmethod
    def plan(cls, folder: Path) -> "RunRemoval":
        """Find what belongs to a Run, and what its removal would lose; nothing is changed.

        Other files in it stay, those of ``--log`` included, and so do folders that are links.

        Raises
        ------
        RunError
            If it is no Run directory, is of a version that is not read, or is a link.
        """
        if folder.is_symlink():
            raise RunError(f"{folder}: is a link, to {folder.resolve()}; name that folder instead")
        losses = tuple(_losses(folder))
        files = tuple(path for name in _FILES for path in _files_named(folder, name))
        folders = tuple(_subfolders(folder))
        others = tuple(
            path
            for parent in (folder, *folders)
            for path in sorted(parent.iterdir())
            if path not in {*files, *folders}
        )
        return cls(folder, files, others, sum(file.lstat().st_size for file in files), losses)

    def carry_out(self) -> None:
        """Remove the files, and the folders that are empty then.

        Raises
        ------
        StorageError
            If a file cannot be removed; the Run's record is then still there.
        """
        try:
            for file in self.files:
                file.unlink(missing_ok=True)  # of a link, the link alone
        except OSError as error:
            raise StorageError(
                f"{file}: cannot be removed ({error.strerror}); make its folder writable, then run "
                "the same command again"
            ) from error
        for folder in (*_subfolders(self.folder), self.folder):
            with suppress(OSError):  # it has files that are not the Run's
                folder.rmdir()


def _subfolders(folder: Path) -> Iterator[Path]:
    """Yield the Run's folders that exist and are not links."""
    for name in dict.fromkeys(Path(name).parent for name in _FILES if "/" in name):
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            yield folder / name


def _files_named(folder: Path, name: str) -> Iterator[Path]:
    """Yield a file of a Run, if it has it, and what killed processes left of it."""
    path = folder / name
    if path.parent.is_symlink():
        return
    if path.is_file() or path.is_symlink():
        yield path
    yield from sorted(path.parent.glob(f".{path.name}.*.part"))


def _losses(folder: Path) -> Iterator[str]:
    record = read_record(folder)
    if record.finished:
        yield "The trained network: it can only be trained again. Bundles made from it stay."
    else:
        yield "A training that has not finished: it may still be running, and cannot be resumed."
    if readings := count_test_readings(folder):
        times = "one reading" if readings == 1 else f"{readings:,} readings"
        here = count_test_readings(host_log_folder(), record.manifest_fingerprint)
        yield (
            f"The record of {times} of its test split ({FILE_NAME}). What remains is the log of "
            f"this host, {host_log_folder() / FILE_NAME}, which counts {here:,} of these data."
        )
