"""Seconds and peak memory of judging many predictions, with every bootstrap interval."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.programs import run_measured
from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.evaluation.statistics.bootstrap import DRAWS
from pneumoscope.support.terminal import track

IMAGES = (1_000, 10_000, 100_000)
SMALLEST = (50, 200)
SMALLEST_DRAWS = 20

NOTE = """\
AUC, average precision, partial AUC and three operating points with all their intervals, resampled
by patient (one to three images each). Each line is a process of its own: judging alone, the process
from its start to its end with the making of the table, and its largest resident memory (ru_maxrss).
Required for 100,000 images and 2,000 draws: 30 s on two cores, and 1,000 MB."""


def measure(images: int, draws: int) -> dict[str, Cell]:
    """Judge a table in a fresh process.

    Parameters
    ----------
    images
        Rows of the table.
    draws
        Bootstrap draws.
    """
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "said"
        command = [sys.executable, "-m", "benchmarks.judging_stage", images, draws]
        usage = run_measured(command, log, Path(scratch), {})
        # Progress goes there too; the seconds are the last line.
        judging = float(log.read_text().splitlines()[-1])
    return {
        "images": images,
        "draws": draws,
        "seconds": judging,
        "seconds of the process": usage.seconds,
        "peak memory MB": usage.peak_mb,
    }


def table(sizes: Sequence[int], draws: int) -> Table:
    """Measure every size."""
    return Table("Judging", [measure(n, draws) for n in track(sizes, "Tables", len(sizes))], NOTE)


def main() -> None:
    """Run from the command line."""
    given = option_parser(__doc__).parse_args()
    sizes, draws = (SMALLEST, SMALLEST_DRAWS) if given.smallest else (IMAGES, DRAWS)
    publish("judging", [table(sizes, draws)], given.out)


if __name__ == "__main__":
    main()
