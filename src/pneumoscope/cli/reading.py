"""The commands that read radiographs, and show what with."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli.reading_output import Format, Output, open_output
from pneumoscope.support.errors import PneumoscopeError
from pneumoscope.support.terminal import messages, progress_bar, results

if TYPE_CHECKING:
    from pneumoscope.reader.table import Row

app = typer.Typer()


@app.command()
def read(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="FILE_OR_FOLDER...", help="JPEG, PNG, TIFF or DICOM; recursive."),
    ],
    at: Annotated[
        str,
        typer.Option("--at", metavar="screening|balanced|confirm", help="The operating point."),
    ] = "screening",
    form: Annotated[Format, typer.Option("--format", help="Of the rows.")] = Format.table,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Gets the rows; new.")
    ] = None,
    heatmaps: Annotated[
        Path | None,
        typer.Option("--heatmaps", metavar="DIR", help="Gets a PNG for each that is read."),
    ] = None,
    bundle: Annotated[
        str,
        typer.Option("--bundle", metavar="B", help="To read with: a folder, default or adults."),
    ] = "default",
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Skip the files that --out (jsonl or csv) has rows of."),
    ] = False,
) -> None:
    """Read radiographs: probability of pneumonia, finding and reasons, one row for each file.

    The exit code is 0 if every file was read or flagged, else 1.

    Examples:

      pneumoscope read chest.jpeg

      pneumoscope read ward --format csv --out readings.csv --heatmaps pictures

      pneumoscope read archive --format jsonl --out readings.jsonl --resume

      pneumoscope read chest.dcm --bundle adults
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
    counts: dict[str, int] = {}
    with ExitStack() as stack:
        like = {"bundle": reader.bundle.identity, "operating_point": at}
        output = stack.enter_context(open_output(form, out, resume, like))

        def wanted() -> Iterator[Path]:
            return (file for file in list_files(paths) if str(file) not in output.before)

        rows: Iterator[Row] = read_files(reader, wanted(), at, heatmaps)
        if not output.at_terminal:
            bar = stack.enter_context(progress_bar())
            rows = iter(bar.track(rows, total=sum(1 for _ in wanted()), description="Reading"))
        for row in rows:
            output.write(row)
            counts[row.status] = counts.get(row.status, 0) + 1
    _summarise(counts, output)
    if counts.keys() - {"read", "flagged"}:
        raise typer.Exit(1)


@app.command()
def bundles(
    folders: Annotated[
        list[str] | None,
        typer.Argument(metavar="[BUNDLE...]", help="Those that come with it if none is given."),
    ] = None,
) -> None:
    """Show bundles side by side: what they learned from, operating points, figures.

    Examples:

      pneumoscope bundles

      pneumoscope bundles old new
    """
    from pneumoscope.cli.tables import bundles_table
    from pneumoscope.reader import Bundle, find_bundle, shipped_bundles

    named = folders or shipped_bundles()
    results.print(bundles_table([Bundle.open(find_bundle(one)) for one in named]))


def _summarise(counts: dict[str, int], output: Output) -> None:
    said = ", ".join(f"{n} {status}" for status, n in counts.items()) or "no files to read"
    before = f"; {len(output.before)} had been read before" if output.before else ""
    messages.print(f"{said}{before}")
    if output.path is not None:
        results.print(f"Readings: {output.path}", soft_wrap=True)
