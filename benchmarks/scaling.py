"""Scaling of duration and memory with the number of images, up to 100,000."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from benchmarks.scaling_stage import STAGES
from pneumoscope.dataset import Manifest, Split, open_dataset
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.support.host import process_memory
from pneumoscope.support.terminal import track

SIZES = tuple(100_000 // 4**step for step in range(4, -1, -1))
SMALLEST_SIZES = (32,)
N_PHANTOMS, N_SMALLEST_PHANTOMS = 390, 30
"""Number of images that are drawn; larger datasets repeat them under other names."""

PHANTOM_SIDE, SMALLEST_PHANTOM_SIDE = 224, 64

_POLL_SECONDS = 0.01
_VALIDATION_STRIDE = 5

NOTE = """\
Each line is a process of its own. Memory: peak anonymous memory (RssAnon in /proc/PID/status, read
every 10 ms), which the system cannot reclaim. Pages of the memory-mapped cache are not included:
the system drops them whenever it needs memory, and VmHWM, which counts them, would only tell how
much of the file was read. Every stage but the first reads the manifest before its clock starts, and
has it in memory."""

GROWTH_NOTE = """\
Seconds an image, times: ratio of the largest to the smallest dataset; 1 is linear scaling."""


@dataclass(frozen=True)
class Measurement:
    """Duration and peak memory in bytes of one stage at one number of images."""

    stage: str
    images: int
    seconds: float
    memory: int

    def row(self) -> dict[str, Cell]:
        """Return the table's row."""
        return {
            "stage": self.stage,
            "images": self.images,
            "seconds": self.seconds,
            "ms an image": self.seconds / self.images * 1e3,
            "peak memory MB": self.memory / 1e6,
        }


def measure(
    sizes: Sequence[int], n_phantoms: int, phantom_side: int, folder: Path
) -> list[Measurement]:
    """Run every stage at every size, on phantoms that are repeated under other names.

    Parameters
    ----------
    sizes
        Numbers of images.
    n_phantoms
        Number of different phantoms.
    phantom_side
        Side of the phantoms in pixels.
    folder
        Folder for images and caches, 30 kB for each image of all sizes together.
    """
    drawn = open_dataset(generate_phantoms(folder / "phantoms", n_phantoms, phantom_side))
    names = folder / "names"
    names.mkdir()
    for number in range(max(sizes)):
        os.link(drawn.root / drawn.entries[number % n_phantoms].path, names / f"{number}.png")
    for size in sizes:
        repeat(drawn, size, names).write(folder / f"{size}.parquet")
    tasks = [(size, stage) for size in sizes for stage in STAGES]
    return [
        run_stage(stage, size, folder / f"{size}.parquet", folder / "cache")
        for size, stage in track(tasks, "Stages", len(tasks))
    ]


def repeat(drawn: Manifest, size: int, names: Path) -> Manifest:
    """Return a manifest of a number of images, every fifth for validation."""
    entries = tuple(
        replace(
            drawn.entries[number % len(drawn.entries)],
            path=f"{number}.png",
            patient=str(number),
            split=Split.TRAIN if number % _VALIDATION_STRIDE else Split.VALIDATION,
        )
        for number in range(size)
    )
    return replace(drawn, root=names, entries=entries)


def run_stage(stage: str, size: int, manifest: Path, cache: Path) -> Measurement:
    """Run a stage in a fresh process, and return its duration and peak memory."""
    command: list[str | Path]
    command = [sys.executable, "-m", "benchmarks.scaling_stage", stage, manifest, cache]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        memory = 0
        while process.poll() is None:
            memory = max(memory, process_memory(process.pid) or 0)
            time.sleep(_POLL_SECONDS)
        if process.returncode or process.stdout is None:
            errors.seek(0)
            raise RuntimeError(f"{stage} of {size} images failed:\n{errors.read()}")
        return Measurement(stage, size, float(process.stdout.read()), memory)


def growth(measurements: Sequence[Measurement]) -> list[dict[str, Cell]]:
    """Return the growth of memory and duration from a stage's smallest to its largest dataset."""
    rows: list[dict[str, Cell]] = []
    for stage in STAGES:
        of_stage = [measured for measured in measurements if measured.stage == stage]
        of_stage.sort(key=lambda measured: measured.images)
        small, large = of_stage[0], of_stage[-1]
        rows.append(
            {
                "stage": stage,
                "from": small.images,
                "to": large.images,
                "bytes an image": (large.memory - small.memory) / (large.images - small.images),
                "seconds an image, times": (large.seconds / large.images)
                / (small.seconds / small.images),
            }
        )
    return rows


def main() -> None:
    """Run from the command line."""
    arguments = option_parser(__doc__).parse_args()
    sizes, n_phantoms, phantom_side = SIZES, N_PHANTOMS, PHANTOM_SIDE
    if arguments.smallest:
        sizes = SMALLEST_SIZES
        n_phantoms, phantom_side = N_SMALLEST_PHANTOMS, SMALLEST_PHANTOM_SIDE
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.out) as folder:
        measurements = measure(sizes, n_phantoms, phantom_side, Path(folder))
    tables = [Table("Stages", [measured.row() for measured in measurements], NOTE)]
    if len(sizes) > 1:
        tables.append(Table("Growth", growth(measurements), GROWTH_NOTE))
    publish("scaling", tables, arguments.out)


if __name__ == "__main__":
    main()
