"""Images that a bundle answers for: its patients, others, changed radiographs, other pictures."""

import argparse
import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.adults_data import ADULTS, Labels, read_adults
from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.dataset import Split, open_dataset
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.radiograph import Radiograph, radiograph_from_array, read_radiograph
from pneumoscope.reader import SHIPPED, Bundle, Reader, Reading, Status, find_bundle
from pneumoscope.reader.listing import list_files
from pneumoscope.reader.population import ADULT_AGE
from pneumoscope.support.errors import UnreadableRadiographError
from pneumoscope.support.terminal import track

Floats = NDArray[np.float32]
Change = Callable[[Floats, np.random.Generator], Floats]

DATA = CHECKOUT.parent / "shared" / "data"
OTHER_SOURCES = DATA / "lung_masks" / "adults" / "images"
PICTURES = {
    "pictures of the system": Path("/usr/share"),
    "pictures of scikit-image": Path(skimage.__file__).with_name("data"),
}
SUFFIXES = {".png", ".jpg", ".jpeg"}

MIN_PICTURE_SIDE = 96

NOTE = f"""\
Answered: read or flagged. Stopped: rejected, outside or flagged. Outside: by an age in the file, or
beyond a limit of refusal. Without tags, an image says nothing about its patient; with an age, it
has the age of its table. Pictures come from the system's packages (icons, backgrounds, manuals) and
from scikit-image's, those smaller than {MIN_PICTURE_SIDE} pixels left out. The gate was fitted on
training and validation images; its constants were chosen on validation images, changed ones among
them, and on adults of nih_mixed, on which the limits of refusal were fitted too. Lateral views are
missing: none is at hand, and a frontal projection does not contain one."""

ADULTS_NOTE = """\
The bundle for adults, on images without tags. Adults of the NIH whose report names pneumonia or no
finding were learned from, and the limits of refusal fitted on them; neither was done with those who
have other findings, nor with adults of other sources. Constants of the gate were chosen on adults
of nih_mixed, and the lung finder has learned from those of other sources."""


def rotated(turns: int) -> Change:
    """Return a change that rotates an image by quarter turns, counterclockwise."""
    return lambda pixels, _: np.ascontiguousarray(np.rot90(pixels, turns))


def inverted(pixels: Floats, _: np.random.Generator) -> Floats:
    """Invert black and white."""
    return 1 - pixels


def cropped(share: float) -> Change:
    """Return a change that crops an image at random to a share of each side."""

    def crop(pixels: Floats, rng: np.random.Generator) -> Floats:
        height, width = (int(share * side) for side in pixels.shape)
        top, left = (
            rng.integers(0, side - cropped_side + 1)
            for side, cropped_side in zip(pixels.shape, (height, width), strict=True)
        )
        part = Image.fromarray(pixels[top : top + height, left : left + width])
        return np.asarray(part.resize(pixels.shape[::-1], Image.Resampling.BILINEAR))

    return crop


def screenshot(pixels: Floats, rng: np.random.Generator) -> Floats:
    """Draw a screenshot of a desktop with the image in a small window."""
    desktop = np.full((480, 640), rng.choice([0.1, 0.9]), np.float32)
    small = np.asarray(Image.fromarray(pixels).resize((200, 200), Image.Resampling.BOX))
    top, left = rng.integers(20, 260), rng.integers(20, 420)
    desktop[top : top + 200, left : left + 200] = small
    desktop[:18] = 0.6
    return desktop


CHANGES: dict[str, Change] = {
    "inverted": inverted,
    "turned by 90 degrees": rotated(1),
    "turned by 180 degrees": rotated(2),
    "turned by 270 degrees": rotated(3),
    "cropped to a half of each side": cropped(0.5),
    "cropped to 0.7 of each side": cropped(0.7),
    "small in a screenshot": screenshot,
}


def noise(rng: np.random.Generator) -> Floats:
    """Draw uniform noise."""
    return rng.random((224, 224), np.float32)


def cloud(rng: np.random.Generator) -> Floats:
    """Draw noise with the spectrum of natural pictures."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(224), np.fft.fftfreq(224)))
    frequency[0, 0] = 1
    field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(224, 224))) / frequency**1.5).real
    pixels: Floats = ((field - field.min()) / np.ptp(field)).astype(np.float32)
    return pixels


def page(rng: np.random.Generator) -> Floats:
    """Draw a printed page of random words."""
    paper = Image.new("L", (600, 800), 255)
    draw = ImageDraw.Draw(paper)
    letters = np.array([*"abcdefghijklmnopqrstuvwxyz    "])
    for y in range(30, 770, 18):
        draw.text((30, y), "".join(rng.choice(letters, 80)), fill=0)
    return np.asarray(paper, np.float32) / np.float32(255)


DRAWINGS = {"noise": noise, "clouds": cloud, "printed pages": page}


def report(bundle: Bundle, data: Path, few: bool) -> Table:
    """Read all groups of images, and return the table of their rejection rates."""
    reader = Reader(bundle)
    rng = np.random.default_rng(0)
    manifest = open_dataset(data)
    paths = [manifest.root / entry.path for entry in manifest.of(Split.TEST)][: 8 if few else None]
    radiographs = list(_readable(paths))
    groups: dict[str, Iterable[Radiograph]] = {"test radiographs": radiographs}
    groups |= _other_radiographs(few)
    for name, change in CHANGES.items():
        groups[f"test radiographs, {name}"] = _changed(radiographs, change, rng)
    for name, draw in DRAWINGS.items():
        groups[name] = [radiograph_from_array(draw(rng), name) for _ in range(5 if few else 100)]
    for name, root in PICTURES.items():
        pictures = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
        groups[name] = _large(_readable(pictures[:: 50 if few else 1]))
    rows = [
        _row(name, reader, images) for name, images in track(groups.items(), "Reading", len(groups))
    ]
    return Table(f"Answers of {bundle.identity}", rows, NOTE)


def adults_report(data: Path, few: bool) -> Table:
    """Return the table of what the adults' bundle answers, of images of children and of adults."""
    bundle = Bundle.open(find_bundle("adults"))
    reader = Reader(bundle)
    manifest = open_dataset(data)
    groups = {
        f"children, {split}": [manifest.root / entry.path for entry in manifest.of(split)]
        for split in (Split.VALIDATION, Split.TEST)
    }
    if all((DATA / folder).exists() for folder in ADULTS):
        groups |= _adults_by_training()
    if OTHER_SOURCES.exists():
        groups["adults of other sources"] = list(list_files([OTHER_SOURCES]))
    rows = [
        _row(name, reader, _readable(paths[: 8 if few else None])) for name, paths in groups.items()
    ]
    return Table(f"Answers of {bundle.identity}", rows, ADULTS_NOTE)


def _adults_by_training() -> dict[str, list[Path]]:
    """Return the images of NIH adults, by whether the adults' bundle has learned from them."""
    ages = {
        f"{folder}/images/{name}": age
        for folder in ADULTS
        for name, age in read_ages(DATA / folder / "labels.csv").items()
    }
    adults = [adult for adult in read_adults(DATA) if ages[adult.file] >= ADULT_AGE]
    return {
        name: [
            DATA / adult.file
            for adult in adults
            if adult.has_other_findings(Labels.MINED) is has_others
        ]
        for name, has_others in {"adults, training": False, "adults, other findings": True}.items()
    }


def _other_radiographs(few: bool) -> Iterator[tuple[str, Iterable[Radiograph]]]:
    """Yield groups of radiographs besides the dataset's, those whose folder is there."""
    n = 8 if few else None
    folders = {
        "children at original size": DATA / "chest_xray_original_size",
        "adults of other sources": OTHER_SOURCES,
        "adult, DICOM working group 4": DATA / "dicom" / "wg04" / "RG1_J2KI.dcm",
        "hip and extremity, DICOM working group 4": DATA / "dicom" / "wg04",
        "RSNA challenge, DICOM": DATA / "dicom" / "rsna_pneumonia_challenge.dcm",
    }
    for name, path in folders.items():
        files = [file for file in list_files([path]) if file.is_file()]
        if path.name == "wg04":
            files = [file for file in files if not file.name.startswith("RG1")]
        if files:
            yield name, _readable(files[:n])
    for folder in ("nih_external", "nih_mixed"):
        if not (DATA / folder).exists():
            continue
        ages = read_ages(DATA / folder / "labels.csv")
        for name, is_adult in (("adults", True), ("children", False)):
            files = [
                DATA / folder / "images" / file
                for file, age in ages.items()
                if (age >= ADULT_AGE) is is_adult
            ][:n]
            yield f"{name} of {folder}, without tags", _readable(files)
            yield f"{name} of {folder}, with their age", _with_age(files, ages)


def read_ages(table: Path) -> dict[str, float]:
    """Return the age in years of each file of a table of labels."""
    with table.open(newline="", encoding="utf-8") as file:
        return {row["file"]: float(row["age"]) for row in csv.DictReader(file)}


def _with_age(files: Iterable[Path], ages: Mapping[str, float]) -> Iterator[Radiograph]:
    for file in files:
        for radiograph in _readable([file]):
            yield replace(radiograph, age=ages[file.name])


def _changed(
    radiographs: Iterable[Radiograph], change: Change, rng: np.random.Generator
) -> Iterator[Radiograph]:
    for radiograph in radiographs:
        yield radiograph_from_array(change(radiograph.pixels, rng), "a changed radiograph")


def _readable(paths: Iterable[Path]) -> Iterator[Radiograph]:
    for path in paths:
        try:
            yield read_radiograph(path)
        except UnreadableRadiographError:
            continue


def _large(images: Iterable[Radiograph]) -> Iterator[Radiograph]:
    return (image for image in images if min(image.height, image.width) >= MIN_PICTURE_SIDE)


def _row(name: str, reader: Reader, images: Iterable[Radiograph]) -> dict[str, Cell]:
    readings = list(reader.read_many(images))
    codes = Counter(_first_code(reading) for reading in readings if reading.quality)
    n = len(readings)
    statuses = Counter(reading.status for reading in readings)

    def percent(*counted: Status) -> float | None:
        return 100 * sum(statuses[status] for status in counted) / n if n else None

    answered = statuses[Status.READ] + statuses[Status.FLAGGED]
    return {
        "images": name,
        "n": n,
        "rejected %": percent(Status.REJECTED),
        "outside %": percent(Status.OUTSIDE),
        "stopped %": percent(Status.REJECTED, Status.OUTSIDE, Status.FLAGGED),
        "answered %": percent(Status.READ, Status.FLAGGED),
        "answered": str(proportion(answered, n)),
        "first reasons": ", ".join(f"{code} {count}" for code, count in codes.most_common(4)),
    }


def _first_code(reading: Reading) -> str:
    """Return the code of the first finding that decides the status."""
    decisive = (finding for finding in reading.quality if finding.message in reading.reasons)
    return next(decisive, reading.quality[0]).code


def main() -> None:
    """Run from the command line."""
    parser: argparse.ArgumentParser = option_parser(__doc__)
    parser.add_argument(
        "data",
        type=Path,
        nargs="?",
        default=DATA / "chest_xray",
        help="dataset of radiographs (default: %(default)s)",
    )
    parser.add_argument(
        "--bundle", type=Path, default=SHIPPED, help="bundle to evaluate (default: the shipped one)"
    )
    arguments = parser.parse_args()
    if arguments.smallest and not arguments.data.exists():
        folder = arguments.out / "quality_gate" / "phantoms"
        arguments.data = generate_phantoms(folder, count=80, size=128)
    few = arguments.smallest
    tables = [
        report(Bundle.open(arguments.bundle), arguments.data, few),
        adults_report(arguments.data, few),
    ]
    publish("quality_gate", tables, arguments.out)


if __name__ == "__main__":
    main()
