"""Heat maps beside radiologists' boxes: the pointing game, and overlap, against chance.

On the adults of NIH ChestX-ray14 whose opacities radiologists of the RSNA challenge drew.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.acquisition import with_interval
from benchmarks.adults_data import Adult, read_adults
from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.lungs import Box, Framing, LungField, load_lung_finder
from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader import Reader, open_reader, shipped_bundles
from pneumoscope.reader.overlay import SCALE, has_highlights
from pneumoscope.support.terminal import track

DATA = CHECKOUT.parent / "shared" / "data"
SMALLEST_STRIDE = 20
"""One in this many images with boxes is read in the smallest run."""

SIDE = 256
"""Places along each side of the grid on which heat maps and boxes are compared."""

AS_SHOWN, CONFINED = "as shown", "confined to the lungs"

NOTE = f"""\
Images of the RSNA class Lung Opacity in which both lungs were found; boxes by radiologists.
Hottest point in a box: the pointing game, without tolerance (Zhang et al., Top-down Neural
Attention by Excitation Backprop, IJCV 2018); on {SIDE} x {SIDE} places, the heat map enlarged as it
is drawn. Chance: share of the lungs' area that the boxes cover. Above chance: the difference, in
pairs. Other patients: the hottest points of the other images, in this image's boxes; what the
same place in every patient would reach. Heat in boxes: share of all that speaks for pneumonia.
Highlighted: images with anything to highlight; of them the mean share of the highlighted area that
is in boxes. Confined: heat outside of the lungs is left out. Networks run without the quality
gate. Intervals by bootstrap over patients.
The bundle adults has learned from those of these images whose report names pneumonia or no finding;
no bundle has learned from the boxes."""


@dataclass(frozen=True)
class BoxedImage:
    """An image with radiologists' boxes, shape (SIDE, SIDE), and the lungs that were found."""

    adult: Adult
    pixels: NDArray[np.float32]
    boxes: NDArray[np.bool_]
    lungs: NDArray[np.bool_]

    @property
    def chance(self) -> float:
        """Share of the lungs' area that the boxes cover."""
        return float(self.boxes[self.lungs].mean())


@dataclass(frozen=True)
class Pointing:
    """Place of the hottest point of a heat map, and the overlap of its heat with boxes.

    Parameters
    ----------
    hottest
        Row and column of the hottest point.
    heat_in_boxes
        Share of the positive heat that is in the boxes; 0 if there is none.
    highlighted_in_boxes
        Share of the highlighted area that is in the boxes; None if nothing is highlighted.
    """

    hottest: tuple[int, int]
    heat_in_boxes: float
    highlighted_in_boxes: float | None


def draw_boxes(boxes: Sequence[Box]) -> NDArray[np.bool_]:
    """Return the places whose centres are in any of the boxes, shape (SIDE, SIDE)."""
    centres = (np.arange(SIDE) + 0.5) / SIDE
    mask = np.zeros((SIDE, SIDE), np.bool_)
    for box in boxes:
        rows = (box.top <= centres) & (centres < box.bottom)
        columns = (box.left <= centres) & (centres < box.right)
        mask |= rows[:, np.newaxis] & columns
    return mask


def point(
    heatmap: NDArray[np.float32],
    boxes: NDArray[np.bool_],
    lungs: NDArray[np.bool_] | None = None,
) -> Pointing:
    """Return where a heat map points, and how much of it is in the boxes.

    Parameters
    ----------
    heatmap
        Log-odds that each place of the whole radiograph adds, float32, shape (rows, columns).
    boxes
        Places in radiologists' boxes, shape (SIDE, SIDE).
    lungs
        Places that the heat is confined to, shape (SIDE, SIDE); None for all.
    """
    enlarged = Image.fromarray(heatmap).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    heat = np.asarray(enlarged)
    if lungs is not None:
        heat = np.where(lungs, heat, -np.inf)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    positive = heat.clip(min=0)
    total = float(positive.sum())
    highlighted = heat * heatmap.size >= SCALE[0]
    return Pointing(
        hottest=(int(row), int(column)),
        heat_in_boxes=float(positive[boxes].sum()) / total if total else 0.0,
        highlighted_in_boxes=float(boxes[highlighted].mean())
        if has_highlights(heatmap) and highlighted.any()
        else None,
    )


def read_boxed_images(adults: Sequence[Adult], data: Path) -> Iterator[BoxedImage]:
    """Yield the images with boxes in which both lungs are found."""
    finder = load_lung_finder()
    for adult in adults:
        pixels = read_radiograph(data / adult.file).pixels
        field = finder.find(pixels)
        if field.found:
            lungs = field.mask_at(SIDE, SIDE)
            yield BoxedImage(adult, pixels, draw_boxes(adult.reading.boxes), lungs)


def read_heatmap(reader: Reader, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the heat map of a radiograph, without the quality gate."""
    field: LungField | None = reader.preparation.find_lungs(pixels)
    square = reader.preparation.square(pixels, field)
    return reader.heatmap(reader.run(square[np.newaxis]).heatmaps[0], field, square)


def pointing_row(
    name: str, shown: str, images: Sequence[BoxedImage], pointings: Sequence[Pointing]
) -> dict[str, Cell]:
    """Return the row of a bundle's heat maps."""
    patients = [image.adult.patient for image in images]
    masks = np.stack([image.boxes for image in images])
    rows, columns = np.array([pointing.hottest for pointing in pointings]).T
    # By image whose boxes they are, and image whose hottest point it is.
    hits = masks[:, rows, columns]
    own = np.diag(hits).astype(np.float64)
    others = (hits.sum(1) - own) / (len(images) - 1)
    chance = np.array([image.chance for image in images])
    in_boxes = np.array([pointing.heat_in_boxes for pointing in pointings])
    highlighted = [
        (image.adult.patient, pointing.highlighted_in_boxes)
        for image, pointing in zip(images, pointings, strict=True)
        if pointing.highlighted_in_boxes is not None
    ]
    return {
        "bundle": name,
        "heat map": shown,
        "images": len(images),
        "hottest point in a box": with_interval(patients, _mean_of(own)),
        "chance": with_interval(patients, _mean_of(chance)),
        "above chance": with_interval(patients, _mean_of(own - chance)),
        "other patients": with_interval(patients, _mean_of(others)),
        "heat in boxes": with_interval(patients, _mean_of(in_boxes)),
        "highlighted": len(highlighted),
        "highlighted area in boxes": with_interval(
            [patient for patient, _ in highlighted],
            _mean_of(np.array([share for _, share in highlighted])),
        )
        if highlighted
        else None,
    }


def _mean_of(values: NDArray[np.float64]) -> Callable[[NDArray[np.intp]], float]:
    return lambda rows: float(values[rows].mean())


def _bundle_rows(bundle: str, images: Sequence[BoxedImage]) -> Iterator[dict[str, Cell]]:
    reader = open_reader(bundle)
    name = reader.bundle.identity
    heatmaps = [read_heatmap(reader, image.pixels) for image in track(images, bundle, len(images))]
    shown = [point(heat, image.boxes) for heat, image in zip(heatmaps, images, strict=True)]
    yield pointing_row(name, AS_SHOWN, images, shown)
    if reader.preparation.framing is Framing.WHOLE:
        confined = [
            point(heat, image.boxes, image.lungs)
            for heat, image in zip(heatmaps, images, strict=True)
        ]
        yield pointing_row(name, CONFINED, images, confined)


def _tables(arguments: argparse.Namespace) -> Iterator[Table]:
    boxed = [adult for adult in read_adults(arguments.data) if adult.reading.boxes]
    if arguments.smallest:
        boxed = boxed[::SMALLEST_STRIDE]
    images = list(read_boxed_images(boxed, arguments.data))
    title = f"Heat maps, {len(images)} of {len(boxed)} images with boxes"
    rows = [row for bundle in arguments.bundles for row in _bundle_rows(bundle, images)]
    yield Table(title, rows, NOTE)


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "--data", type=Path, default=DATA, help="folder of the datasets (default: %(default)s)"
    )
    parser.add_argument(
        "--bundle",
        action="append",
        dest="bundles",
        help="name of a shipped bundle, or folder (default: the shipped ones); repeatable",
    )
    arguments = parser.parse_args()
    arguments.bundles = arguments.bundles or shipped_bundles()
    publish("pointing_game", _tables(arguments), arguments.out)


if __name__ == "__main__":
    main()
