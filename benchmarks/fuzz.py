"""Fuzzing of the decoders and the reader: each mutated file gives a reading or a reason, in time.

Files are mutated (bytes flipped, parts cut out, doubled, spliced from another, truncated), decoded
at full size and read, in worker processes of limited memory. A violation is a file that takes too
long, crashes, raises anything but a PneumoscopeError, or is decoded but not read; it is kept.
"""

import argparse
import io
import multiprocessing
import resource
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.data import get_testdata_files

from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.radiograph import decode_radiograph
from pneumoscope.reader import Reader, Status, load
from pneumoscope.support.errors import PneumoscopeError
from pneumoscope.support.files import write_bytes
from pneumoscope.support.terminal import track

DATA = CHECKOUT.parent / "shared" / "data"
N_MUTATIONS, N_SMALLEST_MUTATIONS = 20_000, 200
MAX_SECONDS = 5.0
MAX_MEMORY_BYTES = 1_000_000_000
"""Memory that a worker may allocate beyond its memory after its imports."""

REFUSED = "refused"
ACCEPTABLE = {REFUSED, Status.READ, Status.FLAGGED, Status.OUTSIDE, Status.REJECTED}
"""Outcomes that are no violation."""

_MAX_FILE_BYTES = 300_000
"""Largest file of the corpus; larger ones would only make the run longer."""


@dataclass(frozen=True)
class Violation:
    """A mutated file with an unacceptable outcome."""

    kind: str
    content: bytes


def corpus(seed: int) -> list[bytes]:
    """Return real files, and drawn images of every other format."""
    rng = np.random.default_rng(seed)
    paths = [Path(path) for path in get_testdata_files("*.dcm")]
    paths += sorted((DATA / "dicom").glob("*.dcm"))
    for folder in ("chest_xray/train/NORMAL", "chest_xray_original_size/PNEUMONIA"):
        files = sorted((DATA / folder).glob("*.jpeg"))
        paths += [files[i] for i in rng.permutation(len(files))[:20]]
    contents = [path.read_bytes() for path in paths if path.stat().st_size <= _MAX_FILE_BYTES]
    return contents + list(_drawn(rng))


def _drawn(rng: np.random.Generator) -> Iterator[bytes]:
    grey = rng.integers(0, 256, (90, 120), np.uint8)
    for pixels in (grey, grey.astype(np.uint16) * 200, np.repeat(grey[..., None], 3, 2)):
        formats = ["PNG", "TIFF"] if pixels.dtype == np.uint16 else ["PNG", "TIFF", "JPEG"]
        for format_name in formats:
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, format_name)
            yield file.getvalue()


def mutate(contents: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Return one of the files with one to four mutations, most of them near its beginning."""
    content = bytearray(contents[int(rng.integers(len(contents)))])
    for _ in range(rng.integers(1, 5)):
        size = len(content)
        if size < 8:
            break
        place = int(size * rng.random() ** rng.integers(1, 6))
        match rng.integers(6):
            case 0:
                content[place] ^= 1 << rng.integers(8)
            case 1:
                content[place : place + 4] = rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f"])
            case 2:
                del content[place : place + int(rng.integers(1, 64))]
            case 3:
                content[place:place] = content[place : place + int(rng.integers(1, 512))]
            case 4:
                other = contents[int(rng.integers(len(contents)))]
                start = int(rng.integers(len(other)))
                content[place : place + 256] = other[start : start + 256]
            case _:
                del content[int(rng.integers(size)) :]
    return bytes(content)


def read_all(contents: Sequence[bytes]) -> tuple[Counter[str], list[Violation]]:
    """Read each file in a worker process, which is replaced when it has to be stopped."""
    outcomes: Counter[str] = Counter()
    violations = []
    worker: tuple[BaseProcess, Connection] | None = None
    for content in track(contents, "Reading", len(contents)):
        worker = worker or _start()
        process, pipe = worker
        outcome = _read_in_worker(process, pipe, content)
        outcomes[outcome] += 1
        if outcome not in ACCEPTABLE:
            violations.append(Violation(outcome, content))
        if not process.is_alive() or outcome == "too slow":
            process.kill()
            process.join()
            worker = None
    if worker is not None:
        worker[0].kill()
        worker[0].join()
    return outcomes, violations


def _read_in_worker(process: BaseProcess, pipe: Connection, content: bytes) -> str:
    pipe.send_bytes(content)
    deadline = time.monotonic() + MAX_SECONDS
    while time.monotonic() < deadline:
        try:
            if pipe.poll(0.1):
                return str(pipe.recv())
        except EOFError:
            pass
        if not process.is_alive():
            return f"crashed ({process.exitcode})"
    return "too slow"


def _start() -> tuple[BaseProcess, Connection]:
    pipe, worker_pipe = multiprocessing.Pipe()
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_work, args=(worker_pipe,), daemon=True)
    process.start()
    worker_pipe.close()
    return process, pipe


def _work(pipe: Connection) -> None:
    warnings.simplefilter("ignore")
    reader = load(threads=1)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MAX_MEMORY_BYTES, size + MAX_MEMORY_BYTES))
    while True:
        pipe.send(_outcome(reader, pipe.recv_bytes()))


def _outcome(reader: Reader, content: bytes) -> str:
    try:
        reading = reader.read(content)
        radiograph = decode_radiograph(content, "mutated")
    except PneumoscopeError:
        return REFUSED
    except BaseException as error:
        return f"raised {type(error).__name__}"
    if not (radiograph.pixels.min() >= 0 and radiograph.pixels.max() <= 1):
        return "out of range"
    if reading.status is Status.FAILED:
        return "decoded but not read"
    return str(reading.status)


def main() -> None:
    """Run from the command line; the exit code is 1 if there are violations."""
    parser: argparse.ArgumentParser = option_parser(__doc__)
    parser.add_argument(
        "--mutations",
        type=int,
        default=N_MUTATIONS,
        help="number of mutated files (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="random seed of the mutations (default: %(default)s)"
    )
    arguments = parser.parse_args()
    count = N_SMALLEST_MUTATIONS if arguments.smallest else arguments.mutations
    rng = np.random.default_rng(arguments.seed)
    contents = corpus(arguments.seed)
    outcomes, violations = read_all([mutate(contents, rng) for _ in range(count)])
    for number, violation in enumerate(violations):
        path = arguments.out / "fuzz" / f"{number:03}-{violation.kind}.bin"
        write_bytes(path, violation.content)
    rows: list[dict[str, Cell]] = [
        {"outcome": outcome, "files": n} for outcome, n in outcomes.most_common()
    ]
    note = f"Seed {arguments.seed}; {len(contents)} files mutated; {len(violations)} violations."
    publish("fuzz", [Table(f"{count} mutations", rows, note)], arguments.out)
    raise SystemExit(bool(violations))


if __name__ == "__main__":
    main()
