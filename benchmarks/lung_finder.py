"""Overlap of the lung finder's masks with drawn ones, lungs found elsewhere, and its time.

Nothing is chosen with the test split's masks: they are measured.
"""

import io
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.model_selection import GroupKFold

from benchmarks.lung_masks_data import draw_masks, write_mask_tables
from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.dataset import Split
from pneumoscope.evaluation.statistics.bootstrap import DRAWS, estimate_from_resamples, resample
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.export.lung_finder import DEFAULT_MIN_CONFIDENCE, export_lung_finder
from pneumoscope.lungs import LungField, LungFinder, load_lung_finder
from pneumoscope.lungs.drawing import draw_lungs
from pneumoscope.lungs.overlap import box_iou, dice
from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader.listing import list_files
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import UnreadableRadiographError
from pneumoscope.support.files import write_bytes
from pneumoscope.support.parallel import map_parallel
from pneumoscope.training.lung_finder.masks import LungMasks, load_masks, read_mask_table
from pneumoscope.training.lung_finder.train import train_lung_unet

DATA = CHECKOUT.parent / "shared" / "data"
ELSEWHERE = {
    "adults, NIH (nih_external)": "nih_external/images",
    "adults, NIH (nih_mixed)": "nih_mixed/images",
    "children at original size": "chest_xray_original_size",
    "chest, DICOM working group 4": "dicom/wg04/RG1_J2KI.dcm",
    "hip, DICOM working group 4": "dicom/wg04/RG2_RLE.dcm",
    "extremity, DICOM working group 4": "dicom/wg04/RG3_JPLY.dcm",
}
"""Radiographs without masks, by name and path."""

N_WORST, N_COLUMNS, TILE_PIXELS = 60, 10, 224
_TIMING_CALLS, _TIMING_ROUNDS = 50, 7

NOTE = """\
Dice: of the mask of both lungs; its mean with a 95 % interval by patient, and its 5th percentile
over images. Box IoU: of the box around both lungs. Found: share of images on which both lungs are
found with confidence, Wilson's interval. The adults' rows are of lung finders that were trained
without the patient."""


@dataclass(frozen=True)
class MeasuredImage:
    """Lung field of an image, and its overlap with the drawn mask."""

    file: Path
    patient: str
    field: LungField
    dice: float
    iou: float


def measure(finder: LungFinder, masks: LungMasks) -> list[MeasuredImage]:
    """Measure the overlap of each image's lung field with its drawn mask."""

    def measured(row: int) -> MeasuredImage:
        drawn = LungField(masks.lungs[row], confidence=1, min_confidence=0)
        image = masks.images[row]
        field = finder.find(masks.pixels[row].astype(np.float32) / np.float32(255))
        overlap = dice(field.mask, drawn.mask), box_iou(field.box, drawn.box)
        return MeasuredImage(image.image, image.patient, field, *overlap)

    return map_parallel(measured, range(len(masks)), "Finding lungs")


def overlap_row(name: str, images: Sequence[MeasuredImage]) -> dict[str, Cell]:
    """Return the row of a group of images."""
    found = sum(image.field.found for image in images)
    overlaps = np.array([image.dice for image in images])
    return {
        "images": name,
        "n": len(images),
        "Dice": str(_mean_by_patient(overlaps, [image.patient for image in images])),
        "Dice, 5 %": f"{np.quantile(overlaps, 0.05):.3f}",
        "Dice, lowest": f"{overlaps.min():.3f}",
        "box IoU": f"{np.mean([image.iou for image in images]):.3f}",
        "found": str(proportion(found, len(images))),
    }


def _mean_by_patient(values: NDArray[np.float64], patients: Sequence[str]) -> Estimate:
    _, patient = np.unique(patients, return_inverse=True)

    def mean(times: NDArray[np.int32]) -> NDArray[np.float64]:
        weights = times[patient]
        return np.asarray(values @ weights / weights.sum(), np.float64)

    return estimate_from_resamples(resample(mean, patient, DRAWS, seed=0))


def children(finder: LungFinder, table: Path) -> Iterator[tuple[str, list[MeasuredImage]]]:
    """Yield the images of each class of validation and test."""
    images = read_mask_table(table)
    for split in (Split.VALIDATION, Split.TEST):
        for label in ("NORMAL", "PNEUMONIA"):
            chosen = [
                image
                for image in images
                if image.split is split and image.image.parent.name == label
            ]
            if chosen:
                masks = load_masks(chosen, f"Reading {split}, {label}")
                yield f"{split}, {label}", measure(finder, masks)


def adults_in_folds(tables: Sequence[Path], folds: int, epochs: int) -> list[MeasuredImage]:
    """Measure each adult with a lung finder that was trained without the patient."""
    learned, adults = (read_mask_table(table) for table in tables)
    learned = [image for image in learned if image.split is Split.TRAIN]
    measured = []
    groups = [image.patient for image in adults]
    for kept, left_out in GroupKFold(folds).split(adults, groups=groups):
        train = load_masks([*learned, *(adults[row] for row in kept)], "Reading images and masks")
        network = train_lung_unet(train, epochs, seed=0)
        finder = LungFinder(export_lung_finder(network, train.pixels, DEFAULT_MIN_CONFIDENCE, {}))
        measured += measure(finder, load_masks([adults[row] for row in left_out], "Reading adults"))
    return measured


def found_elsewhere(
    finder: LungFinder, folder: Path
) -> Iterator[tuple[dict[str, Cell], list[tuple[Path, LungField]]]]:
    """Yield the row and the fields of each group of radiographs without masks."""

    def find(path: Path) -> tuple[Path, LungField] | None:
        try:
            return path, finder.find(read_radiograph(path).pixels)
        except UnreadableRadiographError:
            return None

    for name, path in ELSEWHERE.items():
        files = [file for file in list_files([folder / path]) if file.is_file()]
        fields = [found for found in map_parallel(find, files, name) if found is not None]
        if fields:
            confidences = sorted(field.confidence for _, field in fields)
            yield (
                {
                    "images": name,
                    "n": len(fields),
                    "found": str(proportion(sum(f.found for _, f in fields), len(fields))),
                    "confidence, lowest": f"{confidences[0]:.3f}",
                    "confidence, 1 %": f"{np.quantile(confidences, 0.01):.3f}",
                    "confidence, median": f"{np.median(confidences):.3f}",
                },
                fields,
            )


def draw_sheet(fields: Iterable[tuple[Path, LungField]], out: Path) -> None:
    """Draw the images with their outlines as tiles of one picture."""
    tiles = [
        Image.open(io.BytesIO(draw_lungs(read_radiograph(path).pixels, field))).resize(
            (TILE_PIXELS, TILE_PIXELS)
        )
        for path, field in fields
    ]
    rows = -(-len(tiles) // N_COLUMNS)
    sheet = Image.new("RGB", (N_COLUMNS * TILE_PIXELS, rows * TILE_PIXELS))
    for number, tile in enumerate(tiles):
        row, column = divmod(number, N_COLUMNS)
        sheet.paste(tile, (column * TILE_PIXELS, row * TILE_PIXELS))
    content = io.BytesIO()
    sheet.save(content, "PNG")
    write_bytes(out, content.getvalue())


def milliseconds(function: Callable[[], object]) -> float:
    """Return the processor time of a call: the fastest of several rounds."""
    rounds = []
    for _ in range(_TIMING_ROUNDS):
        started = time.process_time()
        for _ in range(_TIMING_CALLS):
            function()
        rounds.append((time.process_time() - started) / _TIMING_CALLS)
    return 1000 * min(rounds)


def draw_sheets(
    measured: Sequence[MeasuredImage], elsewhere: Sequence[list[tuple[Path, LungField]]], out: Path
) -> None:
    """Draw the images of the lowest overlap, and of the lowest confidence elsewhere."""
    worst = sorted(measured, key=lambda image: image.dice)[:N_WORST]
    draw_sheet(((image.file, image.field) for image in worst), out / "worst_overlap.png")
    for number, fields in enumerate(elsewhere):
        doubtful = sorted(fields, key=lambda found: found[1].confidence)[:N_WORST]
        draw_sheet(doubtful, out / f"elsewhere_{number}.png")


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data (%(default)s)")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the worst images")
    parser.add_argument(
        "--adult-folds", type=int, default=0, help="train this many lung finders, to measure adults"
    )
    parser.add_argument("--epochs", type=int, default=12, help="epochs of each (%(default)s)")
    arguments = parser.parse_args()
    finder = load_lung_finder()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.smallest:
            arguments.data, arguments.adult_folds, arguments.epochs = Path(folder), 2, 1
            tables = draw_masks(Path(folder))
        else:
            tables = write_mask_tables(arguments.data, Path(folder))
        groups = dict(children(finder, tables[0]))
        rows = [overlap_row(name, images) for name, images in groups.items()]
        if arguments.adult_folds:
            adults = adults_in_folds(tables, arguments.adult_folds, arguments.epochs)
            rows.append(overlap_row(f"adults, {arguments.adult_folds} folds by patient", adults))
        elsewhere = list(found_elsewhere(finder, arguments.data))
        if arguments.pictures:
            measured = [image for images in groups.values() for image in images]
            draw_sheets(measured, [fields for _, fields in elsewhere], arguments.pictures)
    grey = np.full((224, 224), 0.5, np.float32)
    published = [
        Table("Overlap with drawn masks", rows, NOTE),
        Table("Time", [{"ms of one image, one core": milliseconds(lambda: finder.find(grey))}]),
    ]
    if elsewhere:
        published.append(Table("Lungs found elsewhere", [row for row, _ in elsewhere]))
    publish("lung_finder", published, arguments.out)


if __name__ == "__main__":
    main()
