"""Reading speed against Keras' ``model.predict`` and eager PyTorch, on the same files.

All three run the same architecture: the other two one network on the whole image; ours all of the
bundle's. Ours also hashes the file, finds the lungs where the bundle reads them, passes the quality
gate and makes the heat map.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.keras_environment import FOLDER, keras_python
from benchmarks.programs import Usage, run_measured
from benchmarks.report import CHECKOUT, Cell, Table, absolute_path, option_parser, publish
from pneumoscope.models.efficientnet_lite import STAGES
from pneumoscope.reader import SHIPPED, Bundle, Status, open_reader
from pneumoscope.reader.listing import list_files
from pneumoscope.support.host import usable_cores
from pneumoscope.support.terminal import track

DATA = CHECKOUT.parent / "shared" / "data"
SOURCES = (DATA / "chest_xray" / "test", DATA / "chest_xray_original_size")
ROUNDS = 5
N_SINGLE_FILES = 20
"""Number of files that are read one by one, from bytes in memory."""

N_REPEATS = 10
FOLDER_SIZES = (1_000, 10_000)

WARM_NOTE = """\
Single files: milliseconds from the bytes of a file to its probability, over all rounds. Folder:
files a second, from the disk, in batches. Times faster: than Keras, median of the ratios within
rounds. Ours on one thread decodes and computes on a single core; with pictures, it also draws the
heat map over the radiograph at the radiograph's size."""

COLD_NOTE = """\
Seconds from the shell to the end of the process, one file; median over the rounds."""

MEMORY_NOTE = """\
`pneumoscope read FOLDER --format jsonl --out FILE`; the folder's files are links to a few files
that the bundle answers for."""


@dataclass(frozen=True)
class Program:
    """A program that reads: its name, its command before the plan, its threads and its bundle."""

    name: str
    command: tuple[str, ...]
    threads: int
    bundle: Bundle


@dataclass(frozen=True)
class Measurement:
    """Durations that one process measured: of each single file, and of the folder."""

    single: Sequence[float]
    folder: float


def programs(python: Path, bundles: Sequence[Bundle]) -> list[Program]:
    """Return the programs to compare; the first is the baseline.

    Ours reads with each bundle; the others take network and image size from the first bundle.
    """
    stage = (sys.executable, "-m", "benchmarks.reading_stage")
    cores = usable_cores()
    keras = (str(python), str(CHECKOUT / "benchmarks" / "keras_reading.py"))
    compared = [
        Program("Keras", keras, cores, bundles[0]),
        Program("eager PyTorch", (*stage, "eager"), cores, bundles[0]),
    ]
    for bundle in bundles:
        name = f"ours, {bundle.record.name}"
        compared.append(Program(name, (*stage, "ours"), cores, bundle))
        compared.append(Program(f"{name}, one thread", (*stage, "ours"), 1, bundle))
        compared.append(Program(f"{name}, with pictures", (*stage, "pictured"), cores, bundle))
    return compared


def warm(source: Path, compared: Sequence[Program], rounds: int, repeats: int) -> Table:
    """Time every program on the files of a folder, in alternation."""
    files = [str(file) for file in list_files([source])]
    results: dict[str, list[Measurement]] = {program.name: [] for program in compared}
    runs = list(compared) * rounds
    for program in track(runs, f"Reading {source.name}", len(runs)):
        plan = _plan(files, program, repeats)
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / "measured.json"
            _run(program, plan | {"out": str(out)}, Path(scratch))
            results[program.name].append(Measurement(**json.loads(out.read_text())))
    rows = [_row(program, results, len(files), compared[0].name) for program in compared]
    return Table(f"Warm: {len(files)} files of {source.name}", rows, WARM_NOTE)


def cold(source: Path, compared: Sequence[Program], bundle: Bundle, rounds: int) -> Table:
    """Time processes that read one file, from the start to the end of the process."""
    file = str(next(iter(list_files([source]))))
    command = [sys.executable, "-m", "pneumoscope", "read", file, "--bundle", str(bundle.folder)]
    calls: dict[str, Callable[[Path], None]] = {
        program.name: _cold_call(program, _plan([file], program, 1) | {"cold": True})
        for program in compared[:2]
    }
    calls["pneumoscope read"] = lambda _: _check(command)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for name in track(list(calls) * rounds, "Starting", len(calls) * rounds):
        with tempfile.TemporaryDirectory() as scratch:
            started = time.perf_counter()
            calls[name](Path(scratch))
            seconds[name].append(time.perf_counter() - started)
    rows: list[dict[str, Cell]] = [
        {
            "program": name,
            "seconds": median(durations),
            "times faster": median(
                keras / ours for keras, ours in zip(seconds["Keras"], durations, strict=True)
            ),
        }
        for name, durations in seconds.items()
    ]
    return Table("Cold: one file from the shell", rows, COLD_NOTE)


def memory(source: Path, bundle: Bundle, counts: Sequence[int]) -> Table:
    """Measure the peak memory of reading folders of increasing size."""
    reader = open_reader(bundle.folder)
    answered = (file for file in list_files([source]) if reader.read(file).status is Status.READ)
    files = list(islice(answered, N_SINGLE_FILES))
    rows = []
    for count in track(counts, "Reading folders", len(counts)):
        with tempfile.TemporaryDirectory() as scratch:
            usage = _read_links(files, count, Path(scratch), bundle)
        rows.append(
            {
                "files": count,
                "seconds": usage.seconds,
                "files/s": count / usage.seconds,
                "peak memory MB": usage.peak_mb,
            }
        )
    return Table("Memory", rows, MEMORY_NOTE)


def _read_links(files: Sequence[Path], count: int, scratch: Path, bundle: Bundle) -> Usage:
    for number in range(count):
        folder = scratch / "files" / f"{number // 1000:03}"
        folder.mkdir(parents=True, exist_ok=True)
        file = files[number % len(files)]
        (folder / f"{number:06}{file.suffix}").symlink_to(file.resolve())
    out = scratch / "readings.jsonl"
    command = [sys.executable, "-m", "pneumoscope", "read", scratch / "files"]
    command += ["--bundle", bundle.folder, "--format", "jsonl", "--out", out]
    usage = run_measured(command, scratch / "log", scratch, {})
    assert sum(1 for _ in out.open()) == count
    return usage


def _plan(files: Sequence[str], program: Program, repeats: int) -> dict[str, object]:
    return {
        "model": program.bundle.record.members[0].model,
        "lite0_stages": STAGES,  # Keras' process cannot import them
        "size": program.bundle.record.input.size,
        "bundle": str(program.bundle.folder),
        "threads": program.threads,
        "single": files[:: max(1, len(files) // N_SINGLE_FILES)][:N_SINGLE_FILES],
        "folder": files,
        "repeats": repeats,
        "cold": False,
    }


def _cold_call(program: Program, plan: Mapping[str, object]) -> Callable[[Path], None]:
    return lambda scratch: _run(program, plan, scratch)


def _run(program: Program, plan: Mapping[str, object], scratch: Path) -> None:
    path = scratch / "plan.json"
    path.write_text(json.dumps(plan))
    _check([*program.command, str(path)])


def _check(command: Sequence[str]) -> None:
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{process.stderr}")


def _row(
    program: Program, results: Mapping[str, Sequence[Measurement]], n: int, baseline: str
) -> dict[str, Cell]:
    measurements = results[program.name]
    single = [1000 * seconds for measured in measurements for seconds in measured.single]
    pairs = list(zip(results[baseline], measurements, strict=True))
    return {
        "program": program.name,
        "median ms": float(np.median(single)),
        "99th percentile ms": float(np.quantile(single, 0.99)),
        "times faster": median(median(a.single) / median(b.single) for a, b in pairs),
        "folder, files/s": median(n / measured.folder for measured in measurements),
        "folder, times faster": median(a.folder / b.folder for a, b in pairs),
    }


def _tables(arguments: argparse.Namespace) -> Iterator[Table]:
    bundles = [Bundle.open(folder) for folder in arguments.bundles]
    compared = programs(keras_python(arguments.keras_env), bundles)
    rounds, repeats = (1, 1) if arguments.smallest else (ROUNDS, N_REPEATS)
    for source in arguments.sources:
        yield warm(source, compared, rounds, repeats)
    yield cold(arguments.sources[0], compared, bundles[0], rounds)
    sizes = (40,) if arguments.smallest else FOLDER_SIZES
    yield memory(arguments.sources[0], bundles[0], sizes)


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "sources", type=absolute_path, nargs="*", default=SOURCES, help="folders of images"
    )
    parser.add_argument(
        "--bundle",
        type=absolute_path,
        action="append",
        dest="bundles",
        help="bundle of compact or efficientnet_lite0 (default: the shipped one); repeatable",
    )
    parser.add_argument(
        "--keras-env",
        type=absolute_path,
        default=FOLDER,
        help="virtual environment of Keras, created if absent (default: %(default)s)",
    )
    arguments = parser.parse_args()
    arguments.bundles = arguments.bundles or [SHIPPED]
    publish("reading", _tables(arguments), arguments.out)


if __name__ == "__main__":
    main()
