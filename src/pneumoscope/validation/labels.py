"""Labels of a hospital's own radiographs, from a table or from a manifest."""

from collections.abc import Sequence
from pathlib import Path

from pneumoscope.dataset.manifest import Manifest, is_manifest
from pneumoscope.dataset.splits import patient_groups
from pneumoscope.evaluation.predictions import Labels
from pneumoscope.reader.bundle import Bundle
from pneumoscope.support.errors import DatasetError


def read_labels(path: Path, bundle: Bundle, negatives: Sequence[str] = ()) -> Labels:
    """Read the labels of radiographs for a bundle from a table or a manifest.

    Parameters
    ----------
    path
        Table with the columns file and label (see `Labels.read`), or manifest, whose images in use
        are all taken, whatever their split.
    bundle
        Bundle that is to read the radiographs.
    negatives
        Further labels of a table that count as no pneumonia.

    Raises
    ------
    DatasetError
        If a manifest is damaged or is the one that the bundle learned from, or ``negatives`` are
        given for one.
    PredictionsError
        If a label cannot be used.
    TableError
        If the file cannot be read as a table.
    """
    if not is_manifest(path):
        return Labels.read(path, negatives)
    if negatives:
        raise DatasetError(
            f"{path}: a manifest has its labels already; pass --negative to 'pneumoscope data "
            "manifest' when you write it from the source"
        )
    manifest = Manifest.read(path)
    if manifest.fingerprint == bundle.record.training_data.fingerprint:
        raise DatasetError(
            f"{path}: {bundle.identity} learned from this manifest, so its results on it mean "
            "nothing; pass other radiographs, or evaluate its test split with 'pneumoscope "
            "evaluate BUNDLE --data MANIFEST'"
        )
    entries = manifest.in_use
    columns = {name for entry in entries for name in entry.extra}
    groups = {name: tuple(entry.extra.get(name) or "" for entry in entries) for name in columns}
    if any(entry.subtype for entry in entries):
        groups["subtype"] = tuple(entry.subtype or "" for entry in entries)
    return Labels(
        files=tuple(entry.path for entry in entries),
        labels=tuple(int(entry.label) for entry in entries),
        patients=patient_groups(entries),
        groups=dict(sorted(groups.items())),
    )
