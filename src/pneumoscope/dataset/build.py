"""Building a `Manifest` from a source; images that cannot be read are set aside."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.dataset.duplicates import difference_hash, mark_near_duplicates
from pneumoscope.dataset.manifest import Entry, Label, Manifest, Split, SplitBy, is_manifest
from pneumoscope.dataset.patients import name_patients, warn_of_unknown_patients
from pneumoscope.dataset.sources import list_images
from pneumoscope.dataset.splits import assign_splits
from pneumoscope.dataset.tables.form import USUAL_FORM, TableForm
from pneumoscope.radiograph import Radiograph, read_radiograph
from pneumoscope.support.errors import DatasetError, UnreadableRadiographError
from pneumoscope.support.parallel import map_parallel
from pneumoscope.support.terminal import messages

FEW_IMAGES = 30
"""Number of images of a class in a split below which a warning is given."""

_CHECKED_IMAGES = 100
"""Number of a manifest's images whose presence is checked before anything is begun."""


def open_dataset(
    source: Path,
    images: Path | None = None,
    split_by: SplitBy | None = None,
    seed: int = 0,
    strict: bool = False,
    patient_from: re.Pattern[str] | None = None,
    negatives: Sequence[str] = (),
    form: TableForm = USUAL_FORM,
) -> Manifest:
    """Open a source, or a manifest that was written earlier.

    Parameters
    ----------
    source
        Folder or table (see `list_images`), or manifest.
    images
        Folder that the paths of a table or manifest are relative to.
    split_by
        Unit that stays together when validation is drawn, by default the patient. A manifest has
        its splits already; another ``split_by`` than its own is an error.
    seed
        Random seed of the split; ignored for a manifest.
    strict
        Whether the first image that cannot be read is an error, instead of being set aside.
    patient_from
        Pattern that finds the patient in a path, relative to the source; see `name_patients`.
    negatives
        Further labels, or names of class folders, that count as NORMAL.
    form
        Form of a table, where it has other columns or labels than the usual ones.

    Raises
    ------
    DatasetError
        If the source cannot be used, or setting images aside leaves a class or split empty.
    TableError
        If a file is not a table of images.
    UnreadableRadiographError
        If ``strict`` and an image cannot be read.
    """
    if is_manifest(source):
        if patient_from is not None or negatives or form != USUAL_FORM:
            raise DatasetError(
                f"{source}: a manifest has its labels, patients and splits already; state them "
                "otherwise when you write a new one from the source"
            )
        manifest = Manifest.read(source, images)
        if split_by not in (None, manifest.split_by):
            raise DatasetError(
                f"{source}: it was split by {manifest.split_by}; to split by {split_by}, write a "
                "new manifest from the source"
            )
        if strict and manifest.set_aside:
            first = manifest.set_aside[0]
            raise DatasetError(f"{source}: {first.path} was set aside: {first.set_aside}")
        if images is not None:
            _require_images(source, manifest)
        _report(manifest)
        return manifest
    listed = list_images(source, images, negatives, form)
    split_by = split_by or SplitBy.PATIENT

    def open_entry(entry: Entry) -> tuple[Entry, NDArray[np.uint64] | None]:
        return _open(listed.root, entry, strict)

    opened_with_hashes = map_parallel(open_entry, listed.entries, "Reading images")
    opened = [entry for entry, _ in opened_with_hashes]
    _check_not_empty(source, listed.entries, opened)
    if patient_from is not None:
        opened = name_patients(opened, patient_from)
    set_aside = [entry for entry in opened if entry.set_aside is not None]
    hashes = [image_hash for _, image_hash in opened_with_hashes if image_hash is not None]
    readable = [entry for entry in opened if entry.set_aside is None]
    readable = mark_near_duplicates(listed.root, readable, np.stack(hashes))
    try:
        split = assign_splits(readable, split_by, seed)
    except DatasetError as error:
        raise DatasetError(f"{source}: {error}") from error
    ordered = tuple(sorted([*set_aside, *split], key=lambda entry: entry.path))
    manifest = Manifest(listed.root, ordered, split_by, seed)
    _report(manifest)
    return manifest


def _require_images(source: Path, manifest: Manifest) -> None:
    """Raise if one of some images, spread over a manifest, is not in its folder."""
    used = manifest.in_use
    for entry in used[:: max(1, len(used) // _CHECKED_IMAGES)]:
        if not (manifest.root / entry.path).is_file():
            raise DatasetError(
                f"{source}: its image {entry.path} is not in {manifest.root}; pass the folder that "
                "has them as --images"
            )


def _open(root: Path, entry: Entry, strict: bool) -> tuple[Entry, NDArray[np.uint64] | None]:
    """Return an image's entry and difference hash; the hash is None if it cannot be read."""
    try:
        radiograph = read_radiograph(root / entry.path)
    except UnreadableRadiographError as error:
        if strict:
            raise
        reason = str(error).removeprefix(f"{root / entry.path}: ")
        return replace(entry, split=None, set_aside=reason), None
    declared = entry.patient_declared or radiograph.patient is not None
    opened = replace(
        entry,
        sha256=radiograph.sha256,
        pixel_hash=radiograph.pixel_hash(),
        width=radiograph.width,
        height=radiograph.height,
        patient=entry.patient if entry.patient_declared else radiograph.patient or entry.patient,
        patient_declared=declared,
        synthetic=radiograph.synthetic,
        extra={**entry.extra, **_dicom_columns(radiograph, entry)},
    )
    return opened, difference_hash(radiograph)


def _dicom_columns(radiograph: Radiograph, entry: Entry) -> dict[str, str]:
    """Return columns for subgroups that a DICOM object states and the table does not."""
    age = None if radiograph.age is None else f"{radiograph.age:.2f}"
    stated = {"age": age, "sex": radiograph.sex, "view": radiograph.view}
    return {name: text for name, text in stated.items() if text and not entry.extra.get(name)}


def _check_not_empty(source: Path, listed: Sequence[Entry], opened: Sequence[Entry]) -> None:
    """Raise if no image of a class can be read, in a split that the source declares or at all."""

    def part(entry: Entry) -> tuple[Split, Label]:
        return entry.split or Split.TRAIN, entry.label  # entries without a split start in train

    pairs = list(zip(listed, opened, strict=True))
    readable_parts = {part(before) for before, after in pairs if after.set_aside is None}
    for before, after in pairs:
        if part(before) not in readable_parts:
            where = f" in the {before.split} split" if before.split else ""
            raise DatasetError(
                f"{source}: no image of the class {before.label.name} is left{where}; for example "
                f"{after.path}: {after.set_aside}. Replace the images that cannot be used"
            )


def warn_of_few_images(manifest: Manifest) -> str | None:
    """Return a warning of classes with fewer than `FEW_IMAGES` images in a split; None if none has.

    Examples
    --------
    >>> entries = [Entry(f"{i}.png", Label.NORMAL, split=Split.TEST) for i in range(40)]
    >>> entries.append(Entry("ill.png", Label.PNEUMONIA, split=Split.TEST))
    >>> print(warn_of_few_images(Manifest(Path(), tuple(entries), SplitBy.PATIENT, seed=0)))
    Few images: 0 NORMAL in train, ..., 1 PNEUMONIA in test. With fewer than 30 of a class ...
    """
    few = [
        f"{n:,} {label.name} in {split}"
        for split, classes in manifest.counts().items()
        for label, n in classes.items()
        if n < FEW_IMAGES
    ]
    if not few:
        return None
    return (
        f"Few images: {', '.join(few)}. With fewer than {FEW_IMAGES} of a class no metric is "
        f"precise: even if all {FEW_IMAGES} are right, the 95 % interval begins at 0.89."
    )


def _report(manifest: Manifest) -> None:
    for warning in (warn_of_unknown_patients(manifest), warn_of_few_images(manifest)):
        if warning is not None:
            messages.print(warning, style="yellow")
    if near := sum(entry.near_duplicate_of is not None for entry in manifest.in_use):
        messages.print(
            f"Near duplicates: {near:,} images repeat others, compressed or scaled again; they "
            "stay together in one split (column 'near_duplicate_of' of the manifest)"
        )
    entries = manifest.set_aside
    if not entries:
        return
    messages.print(f"Images set aside: {len(entries)}", style="yellow")
    for entry in entries[:10]:
        messages.print(f"  {entry.path}: {entry.set_aside}")
    if len(entries) > 10:
        messages.print("  ... the manifest lists all of them (column 'set_aside')")
