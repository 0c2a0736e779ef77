"""``pneumoscope read``: read radiographs with a bundle."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli import options
from pneumoscope.cli.row_writer import Format, open_row_writer
from pneumoscope.support.errors import PneumoscopeError
from pneumoscope.support.terminal import messages, progress_bar, results

if TYPE_CHECKING:
    from pneumoscope.reader.table import ReadingRow


def read(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE_OR_FOLDER",
            help="Radiographs to read (JPEG, PNG, TIFF or DICOM); folders are searched "
            "recursively.",
        ),
    ],
    at: options.OperatingPointOption = "screening",
    form: Annotated[Format, typer.Option("--format", help="Format of the rows.")] = Format.table,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File to write the rows to; must not exist unless --resume is given.",
            show_default="standard output",
        ),
    ] = None,
    heatmaps: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder to write a heat map (PNG) of each radiograph to."),
    ] = None,
    bundle: options.BundleOption = "default",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue --out (jsonl or csv): skip the files that it has rows of."
        ),
    ] = False,
) -> None:
    """Read radiographs: probability of pneumonia, finding and reasons, one row per file.

    The exit code is 0 if every file was read (flagged ones included), and 1 if one was rejected or
    failed.

    Examples:

        pneumoscope read chest.jpeg
        pneumoscope read chest.dcm --bundle adults
        pneumoscope read incoming --format csv --out readings.csv --heatmaps heatmaps
        pneumoscope read archive --format jsonl --out readings.jsonl --resume
    """
    from pneumoscope.reader import load
    from pneumoscope.reader.batch import read_files
    from pneumoscope.reader.listing import list_files

    reader = load(bundle)
    if at not in reader.bundle.record.operating_points:
        known = ", ".join(reader.bundle.record.operating_points)
        raise PneumoscopeError(f"--at {at}: the bundle has no such operating point; choose {known}")
    if notice := reader.bundle.record.notice:
        messages.print(notice, style="yellow")
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        common = {"bundle": reader.bundle.identity, "operating_point": at}
        writer = stack.enter_context(open_row_writer(form, out, resume, common))

        def remaining_files() -> Iterator[Path]:
            return (file for file in list_files(paths) if str(file) not in writer.files_before)

        rows: Iterator[ReadingRow] = read_files(reader, remaining_files(), at, heatmaps)
        if not writer.is_at_terminal:
            bar = stack.enter_context(progress_bar())
            total = sum(1 for _ in remaining_files())
            rows = iter(bar.track(rows, total=total, description="Reading"))
        for row in rows:
            writer.write(row)
            counts[row.status] += 1
    summary = ", ".join(f"{n} {status}" for status, n in counts.items()) or "no files to read"
    before = f"; {len(writer.files_before)} were read before" if writer.files_before else ""
    messages.print(f"{summary}{before}")
    if writer.path is not None:
        results.print(f"Readings: {writer.path}", soft_wrap=True)
    if counts.keys() - {"read", "flagged"}:
        raise typer.Exit(1)
