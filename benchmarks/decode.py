"""Decoding speed: megapixels per second from the bytes of an image to its 150-pixel square."""

import argparse
import io
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.models.model_spec import IMAGE_SIZE
from pneumoscope.radiograph import prepare_pixels
from pneumoscope.radiograph.decode import decode_radiograph
from pneumoscope.radiograph.preprocess import OVERSAMPLING
from pneumoscope.support.host import usable_cores
from pneumoscope.support.terminal import track

Decoder = Callable[[bytes], NDArray[np.uint8]]

ROUNDS = 7
SUFFIXES = {".jpeg", ".jpg", ".png"}
FOLDER = CHECKOUT.parent / "shared" / "data" / "chest_xray_original_size"


def plain_pillow(content: bytes) -> NDArray[np.uint8]:
    """Decode with Pillow, the same way as Keras' ``load_img``."""
    with Image.open(io.BytesIO(content)) as image:
        square = image.convert("L").resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.NEAREST)
    return np.asarray(square)


def ours_in_full(content: bytes) -> NDArray[np.uint8]:
    """Decode at full size, as for a manifest."""
    return prepare_pixels(decode_radiograph(content, "image").pixels, IMAGE_SIZE)


def ours_reduced(content: bytes) -> NDArray[np.uint8]:
    """Decode a large JPEG at a reduced scale, as for training."""
    radiograph = decode_radiograph(content, "image", OVERSAMPLING * IMAGE_SIZE)
    return prepare_pixels(radiograph.pixels, IMAGE_SIZE)


DECODERS: dict[str, Decoder] = {
    "plain Pillow": plain_pillow,
    "ours, in full": ours_in_full,
    "ours, reduced scale": ours_reduced,
}


def compare(contents: Sequence[bytes], rounds: int) -> Table:
    """Time every decoder on one thread and on all cores, in alternation.

    Parameters
    ----------
    contents
        Contents of the image files.
    rounds
        Number of timings of each; a ratio is the median of the ratios within rounds.
    """
    megapixels = sum(map(_pixels, contents)) / 1e6
    pools = {threads: ThreadPoolExecutor(threads) for threads in sorted({1, usable_cores()})}
    variants = [(name, threads) for threads in pools for name in DECODERS]
    seconds: dict[tuple[str, int], list[float]] = {variant: [] for variant in variants}
    for name, threads in track(variants * rounds, "Decoding", len(variants) * rounds):
        started = time.perf_counter()
        list(pools[threads].map(DECODERS[name], contents))
        seconds[name, threads].append(time.perf_counter() - started)
    baseline = seconds["plain Pillow", 1]
    rows: list[dict[str, Cell]] = [
        {
            "decoder": name,
            "threads": threads,
            "megapixels/s": median(megapixels / duration for duration in seconds[name, threads]),
            "times plain Pillow": median(
                plain / ours for plain, ours in zip(baseline, seconds[name, threads], strict=True)
            ),
            "mean absolute error": _error(DECODERS[name], contents),
        }
        for name, threads in variants
    ]
    return Table(
        f"{len(contents)} images, {megapixels:.1f} megapixels, {rounds} rounds",
        rows,
        "Files are in memory before the clock starts. Ours also hashes the file. Error: of the "
        "squares against plain Pillow's, in grey levels of 0 to 255.",
    )


def _pixels(content: bytes) -> int:
    with Image.open(io.BytesIO(content)) as image:
        return image.width * image.height


def _error(decoder: Decoder, contents: Sequence[bytes]) -> float:
    errors = [
        np.abs(decoder(content).astype(float) - plain_pillow(content)).mean()
        for content in contents
    ]
    return float(np.mean(errors))


def _read_all(parser: argparse.ArgumentParser, folder: Path) -> list[bytes]:
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
    if not paths:
        parser.error(f"{folder}: no JPEG or PNG files; name another folder")
    return [path.read_bytes() for path in paths]


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=FOLDER,
        help="folder of JPEG or PNG files (default: %(default)s)",
    )
    arguments = parser.parse_args()
    contents = _read_all(parser, arguments.folder)
    publish("decode", [compare(contents, 1 if arguments.smallest else ROUNDS)], arguments.out)


if __name__ == "__main__":
    main()
