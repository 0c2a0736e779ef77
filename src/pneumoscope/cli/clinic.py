"""The commands of a clinic's server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.errors import ClinicError
from pneumoscope.terminal import results

if TYPE_CHECKING:
    from pneumoscope.clinic.database import Database

app = typer.Typer()
audit = typer.Typer(help="The trail of who did what.", no_args_is_help=True)
app.add_typer(audit, name="audit")

_Data = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Holds everything; made at the first start.")
]
_Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="postgresql+psycopg://USER@HOST/NAME; a file of SQLite in --data if not given.",
    ),
]


@app.command()
def serve(
    data: _Data,
    database: _Database = None,
    host: Annotated[str, typer.Option("--host", help="To listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535)] = 8000,
    bundle: Annotated[
        str,
        typer.Option("--bundle", metavar="B", help="To read with: a folder, default or adults."),
    ] = "default",
    at: Annotated[
        str,
        typer.Option("--at", metavar="screening|balanced|confirm", help="The operating point."),
    ] = "screening",
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Processes that read; one for each core."),
    ] = None,
) -> None:
    """Serve the clinic's API: radiographs in, readings out, with accounts and an audit trail.

    The first start prints a token, with which the first administrator is made. Browsers and
    programs elsewhere reach it through a proxy of yours that speaks HTTPS.

    Examples:

      pneumoscope serve --data clinic

      pneumoscope serve --data clinic --database postgresql+psycopg://clinic@db/clinic --workers 4
    """
    from pneumoscope.clinic.serve import serve as serve_clinic
    from pneumoscope.clinic.settings import Settings
    from pneumoscope.machine import usable_cores

    settings = Settings(data, database, bundle, at)
    serve_clinic(settings, host, port, workers or usable_cores())


@app.command()
def labels(
    data: _Data,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Gets the table; new.")],
    database: _Database = None,
) -> None:
    """Write what clinicians judged as a table of labels, to learn from and to validate on.

    Images are named as they lie in DIR/files; patients by numbers of no meaning. Where people
    contradict each other, or are not sure, there is no label.

    Examples:

      pneumoscope labels --data clinic --out labels.csv

      pneumoscope data manifest labels.csv --images clinic/files --out manifest.parquet

      pneumoscope validate --labels labels.csv --images clinic/files --out validation
    """
    from pneumoscope.clinic.judgements import labels as all_labels
    from pneumoscope.files import require_empty, write_text

    require_empty(out)
    with _opened(data, database) as opened, opened.reading() as session:
        rows = [
            f"{one.sha256[:2]}/{one.sha256},{one.label},{one.patient}"
            for one in all_labels(session)
        ]
    write_text(out, "\n".join(["file,label,patient", *rows]) + "\n")
    results.print(f"{len(rows):,} labels: {out}", soft_wrap=True)


@app.command()
def reference(
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="What the bundle learned from: folder or manifest."),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Gets the file: the clinic's DATA/references."),
    ],
    bundle: Annotated[
        str, typer.Option("--bundle", metavar="B", help="A folder, default or adults.")
    ] = "default",
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="DIR", help="What a table's paths are relative to."),
    ] = None,
) -> None:
    """Describe the patients a bundle was validated on, for a clinic to compare its own with.

    Reads one validation image of each. The bundles that come with the package have theirs.

    Examples:

      pneumoscope reference radiographs --bundle bundles/wards --out clinic/references
    """
    from pneumoscope.clinic.monitoring.reference import make_reference
    from pneumoscope.dataset import open_dataset
    from pneumoscope.reader import load

    made = make_reference(load(bundle), open_dataset(source, images))
    results.print(f"{made.patients:,} patients: {made.write(out)}", soft_wrap=True)


@contextmanager
def _opened(data: Path, database: str | None) -> "Iterator[Database]":
    from pneumoscope.clinic.database import Database
    from pneumoscope.clinic.settings import Settings

    if database is None and not (data / "clinic.db").exists():
        raise ClinicError(f"{data}: holds no clinic; name the --data that the server was given")
    opened = Database(Settings(data, database).database_url)
    try:
        yield opened
    finally:
        opened.close()


@audit.command("verify")
def verify(data: _Data, database: _Database = None) -> None:
    """Check that no entry of the trail was changed, taken out or put in; exit code 1 if one was.

    Write the seal down somewhere else: whoever can change the whole database can make a new trail,
    but not one with the same seal.

    Examples:

      pneumoscope audit verify --data clinic
    """
    from pneumoscope.clinic.audit import verify as verify_trail

    with _opened(data, database) as opened, opened.reading() as session:
        found = verify_trail(session)
    if found.broken is not None:
        results.print(f"Broken at entry {found.broken}: {found.why}", soft_wrap=True)
        raise typer.Exit(1)
    results.print(f"{found.entries:,} entries, unbroken. Seal: {found.seal}", soft_wrap=True)
