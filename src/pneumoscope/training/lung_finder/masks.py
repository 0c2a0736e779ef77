"""Table of lung masks: radiographs, a mask for each, patients and splits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from scipy import ndimage

from pneumoscope.dataset import Split
from pneumoscope.dataset.names import parse_split
from pneumoscope.models.lung_unet import SIDE
from pneumoscope.radiograph import Resampling, prepare_pixels, read_radiograph
from pneumoscope.support.errors import DatasetError
from pneumoscope.support.parallel import map_parallel
from pneumoscope.support.tables import read_table

_MIN_AREA_RATIO = 0.1
"""Smallest area of a lung, as a share of the other's; smaller areas are specks of drawing."""


@dataclass(frozen=True)
class MaskedImage:
    """A radiograph of a table of masks, whose files have not been opened.

    Parameters
    ----------
    table
        Table that names it.
    image, mask
        Radiograph, and the picture of its mask: white lungs on black.
    split
        Split of the image; None where the table states none.
    patient
        Patient; the image's path where the table names none.
    place
        Table and row, for errors.
    """

    table: Path
    image: Path
    mask: Path
    split: Split | None
    patient: str
    place: str


@dataclass(frozen=True, eq=False)
class LungMasks:
    """Radiographs with masks of both lungs, resized to the network's square.

    Parameters
    ----------
    images
        The table's rows.
    pixels
        Prepared pixels, uint8, shape (n, size, size).
    lungs
        Masks of the lung on the image's left and of that on its right, shape (n, 2, size, size).
    """

    images: tuple[MaskedImage, ...]
    pixels: NDArray[np.uint8]
    lungs: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.images)


def read_mask_table(path: Path) -> list[MaskedImage]:
    r"""Read a table with the columns ``file`` and ``mask``, and optionally ``patient``, ``split``.

    Paths are relative to the table's folder.

    Raises
    ------
    DatasetError
        If a file is missing or a split is unknown.
    TableError
        If the file is not a table, or names a file twice.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("a.png", "mask.png"):
    ...     Image.new("L", (4, 4)).save(folder / name)
    >>> _ = (folder / "masks.csv").write_text("file,mask,split\na.png,mask.png,train\n")
    >>> [(row.image.name, row.split.value) for row in read_mask_table(folder / "masks.csv")]
    [('a.png', 'train')]
    """
    images = []
    for row in read_table(path, ("file", "mask")):
        place = f"{path}, {row.place}"
        image, mask = (path.parent / row.cells[column] for column in ("file", "mask"))
        for column, file in (("file", image), ("mask", mask)):
            if not file.is_file():
                raise DatasetError(
                    f"{place}: there is no file {file}; correct the column '{column}', whose paths "
                    "are relative to the table, or remove the row"
                )
        split = parse_split(place, row.cells.get("split", ""))
        patient = row.cells.get("patient") or str(image)
        images.append(MaskedImage(path, image, mask, split, patient, place))
    return images


def load_masks(images: Sequence[MaskedImage], description: str) -> LungMasks:
    """Decode radiographs and masks, with a progress bar.

    Raises
    ------
    DatasetError
        If a mask is no picture, is empty, has another size than its radiograph, or does not show
        two lungs.
    UnreadableRadiographError
        If a radiograph cannot be decoded.
    """
    pairs = map_parallel(_load_pair, images, description)
    return LungMasks(
        tuple(images),
        np.stack([pixels for pixels, _ in pairs]),
        np.stack([lungs for _, lungs in pairs]),
    )


def _load_pair(row: MaskedImage) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    radiograph = read_radiograph(row.image)
    mask = _read_mask(row)
    height, width = mask.shape
    if (height, width) != radiograph.pixels.shape:
        raise DatasetError(
            f"{row.place}: the mask {row.mask} has {width} x {height} pixels, and its radiograph "
            f"{radiograph.width} x {radiograph.height}; draw the mask on the radiograph itself, at "
            "its size"
        )
    pixels = prepare_pixels(radiograph.pixels, SIDE, Resampling.BILINEAR)
    try:
        lungs = separate_lungs(mask)
    except DatasetError as error:
        raise DatasetError(f"{row.place}: {row.mask}: {error}") from error
    resized = [prepare_pixels(lung.astype(np.float32), SIDE, Resampling.BILINEAR) for lung in lungs]
    return pixels, np.stack(resized) >= 128


def _read_mask(row: MaskedImage) -> NDArray[np.bool_]:
    try:
        with Image.open(row.mask) as picture:
            return np.asarray(picture.convert("L")) >= 128
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DatasetError(
            f"{row.place}: the mask {row.mask} is no picture ({error}); name a PNG with white "
            "lungs on black, or remove the row"
        ) from error


def separate_lungs(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Separate a mask of both lungs into that on the image's left and that on its right.

    Parameters
    ----------
    mask
        Mask of both lungs, shape (height, width).

    Returns
    -------
    NDArray[np.bool_]
        Shape (2, height, width): the two largest areas by the column of their centre.

    Raises
    ------
    DatasetError
        If the mask is empty or does not have two areas of the size of lungs.

    Examples
    --------
    >>> separate_lungs(np.array([[True, False, False, True]])).astype(int).tolist()
    [[[1, 0, 0, 0]], [[0, 0, 0, 1]]]
    """
    labels, count = ndimage.label(mask)
    if count == 0:
        raise DatasetError("the mask is empty; draw both lungs in white, or remove the row")
    areas = np.bincount(labels.ravel())[1:]
    largest = 1 + np.argsort(areas)[::-1][:2]
    if count == 1 or areas[largest[1] - 1] < _MIN_AREA_RATIO * areas[largest[0] - 1]:
        raise DatasetError(
            "the mask shows one area, and two lungs are needed; draw them apart, or remove the row"
        )
    centres = ndimage.center_of_mass(mask, labels, largest)
    ordered = [label for _, label in sorted(zip([x for _, x in centres], largest, strict=True))]
    return np.stack([labels == label for label in ordered])
