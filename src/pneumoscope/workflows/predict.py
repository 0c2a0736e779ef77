"""Prediction of a Run for any images, as a table; readings of a test split are recorded."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.dataset import Manifest, Split
from pneumoscope.dataset.manifest import is_manifest
from pneumoscope.dataset.reading_log import record_test_reading
from pneumoscope.dataset.splits import patient_groups
from pneumoscope.evaluation.predictions import CLASS_NAMES, COLUMNS, NOT_READ, parse_label
from pneumoscope.lungs import Preparation
from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader.listing import SUFFIXES, list_files
from pneumoscope.support.errors import PredictionsError, UnreadableRadiographError
from pneumoscope.support.parallel import map_parallel
from pneumoscope.support.tables import read_table, write_table
from pneumoscope.support.terminal import messages
from pneumoscope.training.evaluate import load_trained_network
from pneumoscope.training.prediction import predict_pixels
from pneumoscope.training.run import Run

RUN_SPLIT = "run_split"
"""Column of the split of the Run's data that an image is in."""

_OWN_COLUMNS = (*COLUMNS, NOT_READ, RUN_SPLIT)


@dataclass(frozen=True, slots=True)
class ImageRow:
    """Image to predict, with what its manifest or table states; ``label`` is None if unknown."""

    file: str
    path: Path
    label: int | None = None
    patient: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)
    set_aside: str | None = None


@dataclass(frozen=True, slots=True)
class PredictedRow:
    """Image with its probability of pneumonia, range [0, 1], or the reason why there is none.

    ``run_split`` is the split of the Run's data that the image is in; empty if it is new to it.
    """

    image: ImageRow
    probability: float | None
    not_read: str = ""
    run_split: str = ""


@dataclass(frozen=True, slots=True)
class ImageList:
    """Images to predict, and the manifests among their sources."""

    rows: tuple[ImageRow, ...]
    manifests: tuple[Manifest, ...]

    @classmethod
    def of(
        cls, sources: Sequence[Path], folder: Path | None, negatives: Sequence[str] = ()
    ) -> "ImageList":
        """List the images of files, folders, tables and manifests.

        Parameters
        ----------
        sources
            Images, folders (see `list_files`), tables with the column file, and manifests.
        folder
            Folder that the names in tables and manifests are relative to; by default the table's
            own, or the one that the manifest states.
        negatives
            Further labels of tables that count as NORMAL.

        Raises
        ------
        DatasetError, TableError
            If a manifest or table cannot be used.
        PredictionsError
            If there is no image, one is named twice, or a label is unknown.
        """
        manifests = tuple(Manifest.read(path, folder) for path in sources if is_manifest(path))
        rows = [row for manifest in manifests for row in _manifest_rows(manifest)]
        for source in sources:
            if is_manifest(source):
                continue
            if source.is_file() and source.suffix.lower() not in SUFFIXES:
                rows += _table_rows(source, folder or source.parent, negatives)
            else:
                rows += (ImageRow(str(file), file) for file in list_files([source]))
        names = [row.file for row in rows]
        if not rows:
            raise PredictionsError("there are no images to predict; pass files or a folder of some")
        if len(set(names)) < len(names):
            repeated = next(name for name in names if names.count(name) > 1)
            raise PredictionsError(f"{repeated}: is named twice; pass each image once")
        if len({row.label is None for row in rows}) > 1:
            raise PredictionsError(
                "some images have labels and others have none; predict them apart, into two tables"
            )
        return cls(tuple(rows), manifests)


def _manifest_rows(manifest: Manifest) -> Iterator[ImageRow]:
    for entry, patient in zip(manifest.entries, patient_groups(manifest.entries), strict=True):
        groups = {
            name: text or "" for name, text in entry.extra.items() if name not in _OWN_COLUMNS
        }
        yield ImageRow(
            entry.path,
            manifest.root / entry.path,
            int(entry.label),
            patient,
            groups,
            entry.set_aside,
        )


def _table_rows(table: Path, folder: Path, negatives: Sequence[str]) -> Iterator[ImageRow]:
    for row in read_table(table, COLUMNS[:1]):
        file = row.cells["file"]
        groups = {name: text for name, text in row.cells.items() if name not in _OWN_COLUMNS}
        try:
            label = parse_label(row, negatives) if "label" in row.cells else None
        except PredictionsError as error:
            raise PredictionsError(f"{table}: {error}") from error
        yield ImageRow(file, folder / file, label, row.cells.get("patient") or file, groups)


def predict_images(run: Run, images: ImageList) -> list[PredictedRow]:
    """Predict images with a Run's network, prepared as in its training.

    Images of a test split, the Run's own or that of a manifest among the sources, are known by
    their bytes and their pixels, whatever they are called. Before one is predicted, the reading is
    recorded in the Run, and a message says so.

    Parameters
    ----------
    run
        Finished Run.
    images
        Images to predict.

    Returns
    -------
    list of PredictedRow
        In the order of the images, with the reason where one cannot be read.

    Raises
    ------
    RunError
        If the Run is not finished or damaged.
    StorageError
        If the reading of a test split cannot be recorded.
    """
    run.require_finished()
    network = load_trained_network(run)
    own_splits = _splits_by_hash(run.manifest())
    test_hashes = {
        manifest.fingerprint: _test_hashes(manifest)
        for manifest in (run.manifest(), *images.manifests)
    }
    preparation, rows = run.recipe.preparation, images.rows
    with tempfile.TemporaryFile() as file:  # pixels of all images may not fit into memory
        shape = (len(rows), preparation.size, preparation.size)
        pixels: NDArray[np.uint8] = np.memmap(file, np.uint8, "w+", shape=shape)

        def prepare(number: int) -> _Prepared:
            return _prepare(rows[number], preparation, own_splits, test_hashes, pixels[number])

        prepared = map_parallel(prepare, range(len(rows)), "Preparing pixels")
        read = np.array([row for row, made in enumerate(prepared) if not made.not_read], np.intp)
        _warn_of_known_images(Counter(made.run_split for made in prepared))
        _record_readings(run, Counter(data for made in prepared for data in made.tests))
        with messages.status(f"Predicting with {run.recipe.model}"):
            found = predict_pixels(network, pixels, read, run.recipe.precision)
    probabilities = dict(zip(read.tolist(), found.tolist(), strict=True))
    return [
        PredictedRow(image, probabilities.get(row), made.not_read, made.run_split)
        for row, (image, made) in enumerate(zip(rows, prepared, strict=True))
    ]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Prepared image: the reason if it cannot be read, and the splits that it is in.

    ``tests`` are the data whose test split has it.
    """

    not_read: str = ""
    run_split: str = ""
    tests: tuple[str, ...] = ()


def _splits_by_hash(manifest: Manifest) -> dict[str | None, str]:
    """Return the split of each image, by the SHA-256 of its file and by the hash of its pixels."""
    return {
        digest: split.value
        for split in Split
        for entry in manifest.of(split)
        for digest in (entry.sha256, entry.pixel_hash)
    }


def _test_hashes(manifest: Manifest) -> frozenset[str | None]:
    """Return the SHA-256 of the files of the test split, and the hashes of their pixels."""
    entries = manifest.of(Split.TEST)
    return frozenset(digest for entry in entries for digest in (entry.sha256, entry.pixel_hash))


def _prepare(
    row: ImageRow,
    preparation: Preparation,
    own_splits: Mapping[str | None, str],
    test_hashes: Mapping[str, frozenset[str | None]],
    square: NDArray[np.uint8],
) -> _Prepared:
    """Write the pixels that a network gets of an image into ``square``, unless it is unreadable."""
    if row.set_aside is not None:
        return _Prepared(row.set_aside)
    try:
        radiograph = read_radiograph(row.path, preparation.min_side)
        # A JPEG may have been reduced while it was decoded, which gives other hashes.
        hashes = {radiograph.sha256, read_radiograph(row.path).pixel_hash()}
    except UnreadableRadiographError as error:
        return _Prepared(str(error).removeprefix(f"{row.path}: "))
    square[:] = preparation.square(radiograph.pixels)
    return _Prepared(
        run_split=next((own_splits[digest] for digest in hashes if digest in own_splits), ""),
        tests=tuple(data for data, known in test_hashes.items() if not hashes.isdisjoint(known)),
    )


def _warn_of_known_images(images: Mapping[str, int]) -> None:
    """Warn of images that the network learned from or was chosen by."""
    known = [
        f"{images[split]:,} of its {split} split"
        for split in ("train", "validation")
        if images[split]
    ]
    if known:
        messages.print(
            f"The Run used some of these images: {' and '.join(known)}. Metrics on them are too "
            f"good; the column {RUN_SPLIT} says which they are",
            style="yellow",
        )


def _record_readings(run: Run, images: Mapping[str, int]) -> None:
    """Record in a Run that images of test splits are about to be read, by the fingerprint."""
    for fingerprint, count in images.items():
        number = record_test_reading(run.folder, fingerprint, count)
        messages.print(
            f"{count:,} of these images are of the test split of the data {fingerprint[:12]}: this "
            f"is reading number {number:,} of it by this Run, as recorded in the Run",
            style="yellow",
        )


def write_predictions(rows: Sequence[PredictedRow], out: Path) -> None:
    """Write a table of predictions, CSV or (``.parquet``) Parquet, that `Predictions.read` reads.

    It has the columns of `Predictions` where any label is known, else file and probability, and
    `NOT_READ`, the reason why an image has no probability. If images are of the Run's own data,
    `RUN_SPLIT` names their split.
    """
    names = dict.fromkeys(name for row in rows for name in row.image.groups)
    labels = [row.image.label for row in rows]
    known = any(label is not None for label in labels)
    columns: dict[str, Sequence[str | float | None]] = {"file": [row.image.file for row in rows]}
    if known:
        columns["label"] = ["" if label is None else CLASS_NAMES[label] for label in labels]
    columns["probability"] = [row.probability for row in rows]
    if known:
        columns["patient"] = [row.image.patient or row.image.file for row in rows]
    for name in names:
        columns[name] = [row.image.groups.get(name, "") for row in rows]
    if any(row.run_split for row in rows):
        columns[RUN_SPLIT] = [row.run_split for row in rows]
    columns[NOT_READ] = [row.not_read for row in rows]
    write_table(out, columns)
