"""What a reader stops: pictures that are no upright chest radiographs, and radiographs."""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.dataset import Split, open_dataset
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.radiograph import Radiograph, radiograph_from_array, read_radiograph
from pneumoscope.reader import SHIPPED, Bundle, Reader, Status
from pneumoscope.support.errors import UnreadableRadiographError
from pneumoscope.support.terminal import track

Floats = NDArray[np.float32]
Change = Callable[[Floats, np.random.Generator], Floats]

DATA = CHECKOUT.parent / "shared" / "data"
PICTURES = {
    "pictures of the system": Path("/usr/share"),
    "pictures of scikit-image": Path(skimage.__file__).with_name("data"),
}
SUFFIXES = {".png", ".jpg", ".jpeg"}

NOTE = """\
Stopped: rejected or flagged, never silently scored; by the gate, or after the network because its
features are unfamiliar (of what the gate passes). Pictures come from the system's packages
(icons, backgrounds, manuals) and from scikit-image's, those smaller than 96 pixels left out. The
gate was fitted on training and validation images; its constants were chosen on validation images,
changed ones among them, and on adults of nih_mixed."""


def rotated(turns: int) -> Change:
    """Return a change that turns an image by quarters, against the clock."""
    return lambda pixels, _: np.ascontiguousarray(np.rot90(pixels, turns))


def inverted(pixels: Floats, _: np.random.Generator) -> Floats:
    """Invert black and white."""
    return 1 - pixels


def cropped(share: float) -> Change:
    """Return a change that keeps a random part with so large a share of each side."""

    def crop(pixels: Floats, rng: np.random.Generator) -> Floats:
        height, width = (int(share * side) for side in pixels.shape)
        top, left = (
            rng.integers(0, whole - part + 1)
            for whole, part in zip(pixels.shape, (height, width), strict=True)
        )
        part = Image.fromarray(pixels[top : top + height, left : left + width])
        return np.asarray(part.resize(pixels.shape[::-1], Image.Resampling.BILINEAR))

    return crop


def screenshot(pixels: Floats, rng: np.random.Generator) -> Floats:
    """Put the image small into a window on a desktop."""
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
    """Draw grey values at random."""
    return rng.random((224, 224), np.float32)


def cloud(rng: np.random.Generator) -> Floats:
    """Draw noise with the spectrum of natural pictures."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(224), np.fft.fftfreq(224)))
    frequency[0, 0] = 1
    drawn = np.fft.ifft2(np.fft.fft2(rng.normal(size=(224, 224))) / frequency**1.5).real
    cloudy: Floats = ((drawn - drawn.min()) / np.ptp(drawn)).astype(np.float32)
    return cloudy


def page(rng: np.random.Generator) -> Floats:
    """Write random words on white paper."""
    paper = Image.new("L", (600, 800), 255)
    draw = ImageDraw.Draw(paper)
    letters = np.array([*"abcdefghijklmnopqrstuvwxyz    "])
    for y in range(30, 770, 18):
        draw.text((30, y), "".join(rng.choice(letters, 80)), fill=0)
    return np.asarray(paper, np.float32) / np.float32(255)


DRAWINGS = {"noise": noise, "clouds": cloud, "printed pages": page}


def report(bundle: Bundle, data: Path, few: bool) -> Table:
    """Read all kinds of pictures."""
    reader = Reader(bundle)
    rng = np.random.default_rng(0)
    manifest = open_dataset(data)
    tested = [manifest.root / entry.path for entry in manifest.of(Split.TEST)][: 8 if few else None]
    radiographs = list(_readable(tested))
    groups: dict[str, Iterable[Radiograph]] = {"test radiographs": radiographs}
    for name, folder in (("NIH adults", "nih_external"), ("other NIH adults", "nih_mixed")):
        files = sorted((DATA / folder / "images").glob("*"))[: 8 if few else None]
        if files:
            groups[name] = _readable(files)
    for name, change in CHANGES.items():
        groups[f"test radiographs, {name}"] = _changed(radiographs, change, rng)
    for name, draw in DRAWINGS.items():
        groups[name] = [radiograph_from_array(draw(rng), name) for _ in range(5 if few else 100)]
    for name, place in PICTURES.items():
        pictures = sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES)
        groups[name] = _large(_readable(pictures[:: 50 if few else 1]))
    rows = [
        _row(name, reader, images) for name, images in track(groups.items(), "Reading", len(groups))
    ]
    return Table(f"What {bundle.identity} stops", rows, NOTE)


def _changed(
    radiographs: Iterable[Radiograph], change: Change, rng: np.random.Generator
) -> Iterator[Radiograph]:
    for one in radiographs:
        yield radiograph_from_array(change(one.pixels, rng), "a changed radiograph")


def _readable(paths: Iterable[Path]) -> Iterator[Radiograph]:
    for path in paths:
        try:
            yield read_radiograph(path)
        except UnreadableRadiographError:
            continue


def _large(images: Iterable[Radiograph]) -> Iterator[Radiograph]:
    return (one for one in images if min(one.height, one.width) >= 96)


def _row(name: str, reader: Reader, images: Iterable[Radiograph]) -> dict[str, Cell]:
    readings = list(reader.read_many(images))
    codes = Counter(one.quality[0].code for one in readings if one.quality)
    n = len(readings)
    statuses = Counter(one.status for one in readings)
    return {
        "what": name,
        "n": n,
        "rejected %": 100 * statuses[Status.REJECTED] / n if n else None,
        "stopped %": 100 * (n - statuses[Status.READ]) / n if n else None,
        "first reasons": ", ".join(f"{code} {count}" for code, count in codes.most_common(4)),
    }


def main() -> None:
    """Run from the command line."""
    parser: argparse.ArgumentParser = option_parser(__doc__)
    parser.add_argument(
        "data", type=Path, nargs="?", default=DATA / "chest_xray", help="default: %(default)s"
    )
    parser.add_argument("--bundle", type=Path, default=SHIPPED, help="whose gate is shown")
    given = parser.parse_args()
    if given.smallest and not given.data.exists():
        given.data = generate_phantoms(given.out / "quality_gate" / "phantoms", count=80, size=128)
    table = report(Bundle.open(given.bundle), given.data, few=given.smallest)
    publish("quality_gate", [table], given.out)


if __name__ == "__main__":
    main()
