"""Seconds and memory for each image, from a few hundred images to 100,000."""

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
SMALLEST = (64, 128)
PHANTOMS = 390
"""Drawn once; larger datasets repeat them under other names."""

_POLL_SECONDS = 0.01
_VALIDATION_EVERY = 5

NOTE = """\
Each line is a process of its own. Memory is the highest anonymous memory (RssAnon in
/proc/PID/status, looked at every 10 ms): what the system cannot take back. Pages of the
memory-mapped cache are not in it: they are dropped as soon as something else needs the room, and
VmHWM, which counts them, would only say how much of the file was read. Every stage but the first
reads the manifest before its clock starts, and has it in memory."""

GROWTH_NOTE = """\
Seconds an image, times: at the most images over at the fewest; 1 is flat."""


@dataclass(frozen=True)
class Measured:
    """One stage at one number of images; memory in bytes."""

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


def measure(sizes: Sequence[int], phantoms: int, folder: Path) -> list[Measured]:
    """Run every stage at every size, on phantoms and further names of them.

    Parameters
    ----------
    sizes
        Numbers of images.
    phantoms
        How many different ones there are.
    folder
        Takes images and caches, 30 kB for each image of all sizes together.
    """
    drawn = open_dataset(generate_phantoms(folder / "phantoms", phantoms))
    names = folder / "names"
    names.mkdir()
    for number in range(max(sizes)):
        os.link(drawn.root / drawn.entries[number % phantoms].path, names / f"{number}.png")
    for size in sizes:
        repeat(drawn, size, names).write(folder / f"{size}.parquet")
    tasks = [(size, stage) for size in sizes for stage in STAGES]
    return [
        run_stage(stage, size, folder / f"{size}.parquet", folder / "cache")
        for size, stage in track(tasks, "Stages", len(tasks))
    ]


def repeat(drawn: Manifest, size: int, names: Path) -> Manifest:
    """Return a manifest of ``size`` images, every fifth for validation."""
    entries = tuple(
        replace(
            drawn.entries[number % len(drawn.entries)],
            path=f"{number}.png",
            patient=str(number),
            split=Split.TRAIN if number % _VALIDATION_EVERY else Split.VALIDATION,
        )
        for number in range(size)
    )
    return replace(drawn, root=names, entries=entries)


def run_stage(stage: str, size: int, manifest: Path, cache: Path) -> Measured:
    """Run a stage in a fresh process and watch its memory."""
    command: list[str | Path]
    command = [sys.executable, "-m", "benchmarks.scaling_stage", stage, manifest, cache]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=said) as process,
    ):
        memory = 0
        while process.poll() is None:
            memory = max(memory, process_memory(process.pid) or 0)
            time.sleep(_POLL_SECONDS)
        if process.returncode or process.stdout is None:
            said.seek(0)
            raise RuntimeError(f"{stage} of {size} images failed:\n{said.read()}")
        return Measured(stage, size, float(process.stdout.read()), memory)


def growth(measured: Sequence[Measured]) -> list[dict[str, Cell]]:
    """Say how much memory each further image takes, between the fewest and the most of a stage."""
    rows: list[dict[str, Cell]] = []
    for stage in STAGES:
        sizes = sorted((m for m in measured if m.stage == stage), key=lambda m: m.images)
        least, most = sizes[0], sizes[-1]
        rows.append(
            {
                "stage": stage,
                "from": least.images,
                "to": most.images,
                "bytes an image": (most.memory - least.memory) / (most.images - least.images),
                "seconds an image, times": (most.seconds / most.images)
                / (least.seconds / least.images),
            }
        )
    return rows


def main() -> None:
    """Run from the command line."""
    given = option_parser(__doc__).parse_args()
    sizes, phantoms = (SMALLEST, min(SMALLEST)) if given.smallest else (SIZES, PHANTOMS)
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.out) as folder:
        measured = measure(sizes, phantoms, Path(folder))
    tables = [
        Table("Stages", [done.row() for done in measured], NOTE),
        Table("Growth", growth(measured), GROWTH_NOTE),
    ]
    publish("scaling", tables, given.out)


if __name__ == "__main__":
    main()
