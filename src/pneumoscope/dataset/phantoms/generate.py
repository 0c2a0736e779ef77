"""Phantoms: synthetic chest radiographs of no patient, for demonstrations and tests."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL.PngImagePlugin import PngInfo

from pneumoscope.dataset.manifest import Label, Split
from pneumoscope.dataset.phantoms.drawing import Anatomy, draw_phantom
from pneumoscope.radiograph.picture import SYNTHETIC_KEY
from pneumoscope.support.errors import DatasetError
from pneumoscope.support.files import atomic_folder
from pneumoscope.support.terminal import track

MIN_COUNT = 30
"""Smallest number of images that leaves each class enough patients to draw validation from."""

MIN_SIZE = 64
"""Smallest side in pixels at which the word SYNTHETIC is legible."""

_NORMAL_SHARE = 1 / 3
_TEST_SHARE = 1 / 5
_BACTERIA_SHARE = 0.6
_MAX_IMAGES_PER_PATIENT = 3
_README = """\
SYNTHETIC chest radiographs: {count} pictures of {size} x {size} pixels, drawn from random numbers
(seed {seed}). They show no patient, and no result obtained with them applies to patients. Each
picture carries the PNG text key "{key}" and the word SYNTHETIC in its lower left corner.
"""


@dataclass(frozen=True, slots=True)
class _Patient:
    number: int
    split: Split
    label: Label
    images: int


def generate_phantoms(destination: Path, count: int = 600, size: int = 224, seed: int = 0) -> Path:
    """Write synthetic radiographs in the layout and with the file names of the Kermany dataset.

    A third of the images is NORMAL, a fifth is the test split, and a patient has one to three
    images of the same anatomy; the splits share no patient number. Opacities range from obvious to
    hardly visible. The same arguments give the same bytes.

    Parameters
    ----------
    destination
        Folder for ``{train,test}/{NORMAL,PNEUMONIA}`` and a README.txt; it must not exist or be
        empty, appears when everything is written, and is returned.
    count
        Number of images, at least `MIN_COUNT`.
    size
        Side of the square images in pixels, at least `MIN_SIZE`.
    seed
        Random seed, zero or more.

    Raises
    ------
    DatasetError
        If ``destination`` is not empty, or a number is too small.
    StorageError
        If a file cannot be written.

    Examples
    --------
    >>> folder = generate_phantoms(getfixture("tmp_path") / "phantoms", count=30, size=64)
    >>> len(list(folder.glob("train/*/*.png"))), len(list(folder.glob("test/*/*.png")))
    (24, 6)
    """
    _check(destination, count, size, seed)
    with atomic_folder(destination) as folder:
        for split in (Split.TRAIN, Split.TEST):
            for label in Label:
                (folder / split / label.name).mkdir(parents=True)
        patients = list(_patients(count, seed))
        paths = (path for patient in patients for path in _write(folder, patient, size, seed))
        for _ in track(paths, "Drawing phantoms", count):
            pass
        readme = _README.format(count=count, size=size, seed=seed, key=SYNTHETIC_KEY)
        (folder / "README.txt").write_text(readme, encoding="utf-8")
    return destination


def _check(destination: Path, count: int, size: int, seed: int) -> None:
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise DatasetError(
            f"{destination}: is not an empty folder; phantoms are written to a new or empty "
            "folder, so choose another"
        )
    for option, value, minimum in (("--count", count, MIN_COUNT), ("--size", size, MIN_SIZE)):
        if value < minimum:
            raise DatasetError(f"{option} must be at least {minimum}, not {value}")
    if seed < 0:
        raise DatasetError(f"--seed must be 0 or more, not {seed}")


def _patients(count: int, seed: int) -> Iterator[_Patient]:
    """Yield patients until each split and class has its number of images."""
    rng = np.random.default_rng(seed)
    test = round(count * _TEST_SHARE)
    number = 0
    for split, images in ((Split.TRAIN, count - test), (Split.TEST, test)):
        normal = round(images * _NORMAL_SHARE)
        for label, remaining in ((Label.NORMAL, normal), (Label.PNEUMONIA, images - normal)):
            while remaining:
                number += 1
                drawn = min(remaining, int(rng.integers(1, _MAX_IMAGES_PER_PATIENT + 1)))
                yield _Patient(number, split, label, drawn)
                remaining -= drawn


def _write(folder: Path, patient: _Patient, size: int, seed: int) -> Iterator[Path]:
    """Draw and write the images of a patient, and yield their paths."""
    rng = np.random.default_rng((seed, patient.number))
    anatomy = Anatomy.draw(rng)
    subtype = None
    if patient.label is Label.PNEUMONIA:
        subtype = "bacteria" if rng.random() < _BACTERIA_SHARE else "virus"
    text = PngInfo()
    text.add_text(SYNTHETIC_KEY, "generated from random numbers; shows no patient")
    for image in range(1, patient.images + 1):
        name = (
            f"person{patient.number}_{subtype}_{image}.png"
            if subtype
            else f"IM-{patient.number:04}-{image:04}.png"
        )
        path = folder / patient.split / patient.label.name / name
        picture = draw_phantom(anatomy, patient.label, subtype, size, rng)
        picture.save(path, pnginfo=text, compress_level=1)
        yield path
