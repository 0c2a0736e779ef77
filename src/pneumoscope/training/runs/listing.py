"""Listing of the Runs in a folder."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pneumoscope.dataset import Split
from pneumoscope.dataset.reading_log import count_test_readings
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import PneumoscopeError, RunError
from pneumoscope.training.evaluate import is_evaluated, read_estimates
from pneumoscope.training.run import Run


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Summary of a Run.

    Parameters
    ----------
    name
        Path of the Run in the folder that is listed; the folder's own name for the folder itself.
    folder
        Run directory.
    size
        Size of its files in bytes, those that links lead to left out.
    problem
        Reason why the Run cannot be read, in words; what follows is then None.
    run
        The opened Run.
    epochs
        Number of epochs that were trained.
    validation_auc
        AUC on the validation split; None before the training has finished.
    test_readings
        Number of recorded readings of the test split.
    """

    name: str
    folder: Path
    size: int
    problem: str | None = None
    run: Run | None = None
    epochs: int | None = None
    validation_auc: Estimate | None = None
    test_readings: int | None = None


def list_runs(folder: Path) -> list[RunSummary]:
    """Summarise the Runs in a folder and in its subfolders, in the order of their paths.

    Links to folders are not followed and hidden folders are left out. A Run that cannot be read is
    listed with the reason.

    Parameters
    ----------
    folder
        Folder to search, or a single Run directory.

    Raises
    ------
    RunError
        If the folder does not exist.
    """
    if not folder.is_dir():
        raise RunError(f"{folder}: there is no such folder; pass a folder of Runs")
    return [_summarise(run_folder, folder) for run_folder in _run_folders(folder)]


def _run_folders(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "run.json" in files:
            yield Path(parent)


def _summarise(folder: Path, root: Path) -> RunSummary:
    name = folder.relative_to(root).as_posix() if folder != root else root.absolute().name
    size = folder_size(folder)
    try:
        run = Run.open(folder)
        has_history = (folder / "history.csv").exists()
        return RunSummary(
            name,
            folder,
            size,
            None,
            run,
            len(run.history()) if has_history else 0,
            read_estimates(run, Split.VALIDATION)["auc"]
            if is_evaluated(run, Split.VALIDATION)
            else None,
            count_test_readings(folder, run.record.manifest_fingerprint),
        )
    except PneumoscopeError as error:
        return RunSummary(name, folder, size, str(error))


def folder_size(folder: Path) -> int:
    """Return the size in bytes of the files in a folder; links are not followed.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a").write_bytes(b"12345")
    >>> (folder / "link").symlink_to("/usr")
    >>> folder_size(folder)
    5
    """
    size = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):  # a training renames and removes files
                size += Path(parent, name).lstat().st_size
    return size
