"""Duration and peak memory of the evaluation of many predictions, with bootstrap intervals.

The documentation is held to the results in benchmarks/results/judging.json, written when this
benchmark was called `judging`.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.programs import run_measured
from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.evaluation.statistics.bootstrap import DRAWS
from pneumoscope.support.terminal import track

N_IMAGES, N_SMALLEST_IMAGES = (1_000, 10_000, 100_000), (50, 200)
N_SMALLEST_RESAMPLES = 20

NOTE = """\
AUC, average precision, partial AUC and three operating points with all their intervals, resampled
by patient (one to three images each). Each line is a process of its own: seconds of the evaluation,
seconds of the whole process with the making of the table, and peak resident memory (ru_maxrss).
Required for 100,000 images and 2,000 bootstrap draws: 30 s on two cores, and 1,000 MB."""


def measure(images: int, draws: int) -> dict[str, Cell]:
    """Evaluate a table in a fresh process.

    Parameters
    ----------
    images
        Number of rows of the table.
    draws
        Number of bootstrap draws.
    """
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "log"
        command = [sys.executable, "-m", "benchmarks.evaluating_stage", images, draws]
        usage = run_measured(command, log, Path(scratch), {})
        # Progress messages go to the log too; the seconds are its last line.
        seconds = float(log.read_text().splitlines()[-1])
    return {
        "images": images,
        "draws": draws,
        "seconds": seconds,
        "seconds of the process": usage.seconds,
        "peak memory MB": usage.peak_mb,
    }


def table(sizes: Sequence[int], draws: int) -> Table:
    """Return the table of all sizes."""
    rows = [measure(images, draws) for images in track(sizes, "Tables", len(sizes))]
    return Table("Evaluation", rows, NOTE)


def main() -> None:
    """Run from the command line."""
    arguments = option_parser(__doc__).parse_args()
    sizes: Sequence[int] = N_SMALLEST_IMAGES if arguments.smallest else N_IMAGES
    draws = N_SMALLEST_RESAMPLES if arguments.smallest else DRAWS
    publish("evaluating", [table(sizes, draws)], arguments.out)


if __name__ == "__main__":
    main()
