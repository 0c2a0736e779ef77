"""The commands of a clinic's server."""

import getpass
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.support.errors import ClinicError
from pneumoscope.support.terminal import results

if TYPE_CHECKING:
    from pneumoscope.clinic.storage.database import Database

_SSO = "The hospital's single sign-on (OpenID Connect)"

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
        envvar="PNEUMOSCOPE_DATABASE",
        help="postgresql+psycopg://USER@HOST/NAME; a file of SQLite in --data if not given. One "
        "with a password belongs into the environment: everybody can list command lines.",
    ),
]

_DAYS = ["%Y-%m-%d"]


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
    second_factor: Annotated[
        bool,
        typer.Option(
            "--second-factor",
            help="Administrators must have one, or come by the single sign-on.",
        ),
    ] = False,
    issuer: Annotated[
        str | None,
        typer.Option("--oidc-issuer", metavar="URL", help="Its address.", rich_help_panel=_SSO),
    ] = None,
    client: Annotated[
        str | None,
        typer.Option(
            "--oidc-client", metavar="ID", help="As what it knows this one.", rich_help_panel=_SSO
        ),
    ] = None,
    secret: Annotated[
        Path | None,
        typer.Option(
            "--oidc-secret-file",
            metavar="FILE",
            help="Has the client secret; if not given, the environment's PNEUMOSCOPE_OIDC_SECRET.",
            rich_help_panel=_SSO,
        ),
    ] = None,
    claim: Annotated[
        str,
        typer.Option("--oidc-claim", help="Of the ID token, tells roles.", rich_help_panel=_SSO),
    ] = "groups",
    roles: Annotated[
        list[str] | None,
        typer.Option(
            "--oidc-role",
            metavar="VALUE=ROLE",
            help="What the claim holds for a role; several times, the first that it holds counts.",
            rich_help_panel=_SSO,
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address", metavar="URL", help="Where browsers reach this.", rich_help_panel=_SSO
        ),
    ] = None,
) -> None:
    """Serve the clinic's API: radiographs in, readings out, with accounts and an audit trail.

    The first start prints a token, with which the first administrator is made. Browsers and
    programs elsewhere reach it through a proxy of yours that speaks HTTPS.

    Examples:

      pneumoscope serve --data clinic

      pneumoscope serve --data clinic --database postgresql+psycopg://clinic@db/clinic --workers 4

      pneumoscope serve --data clinic --address https://clinic.hospital.example
      --oidc-issuer https://login.hospital.example --oidc-client pneumoscope
      --oidc-secret-file /run/secrets/oidc --oidc-role radiologists=reviewer
    """
    from pneumoscope.clinic.serve import serve as serve_clinic
    from pneumoscope.clinic.settings import Settings, SignOn
    from pneumoscope.support.host import usable_cores

    sign_on = SignOn.given(issuer, client, secret, address, claim, roles or [])
    settings = Settings(data, database, bundle, at, sign_on=sign_on, second_factor=second_factor)
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
    from pneumoscope.clinic.worklist.judgements import labels as all_labels
    from pneumoscope.support.files import require_empty, write_text

    require_empty(out)
    with _opened(data, database) as opened, opened.reading() as session:
        rows = [
            f"{one.sha256[:2]}/{one.sha256},{one.label},{one.patient}"
            for one in all_labels(session)
        ]
    write_text(out, "\n".join(["file,label,patient", *rows]) + "\n")
    results.print(f"{len(rows):,} labels: {out}", soft_wrap=True)


@app.command("export-studies")
def export_studies(
    data: _Data,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER|FILE.zip", help="Gets the export; new.")
    ],
    database: _Database = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="new|read|reviewed", help="Of the studies.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=_DAYS, help="First day of arrival.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=_DAYS, help="The day after the last.")
    ] = None,
    judged: Annotated[bool, typer.Option("--judged", help="Only what somebody judged.")] = False,
    shift_dates: Annotated[
        bool, typer.Option("--shift-dates", help="Keep dates, moved by as many days per patient.")
    ] = False,
    linked: Annotated[
        bool, typer.Option("--linked", help="The same pseudonyms in all exports so made.")
    ] = False,
    burned_in: Annotated[
        bool, typer.Option("--burned-in", help="Also images on which there may be text.")
    ] = False,
) -> None:
    """Write studies without who they are of: DICOM de-identified by PS3.15, pictures as bare PNG.

    images.csv has a row for each image, with the reason where it must not leave; labels.csv is what
    was judged. Text that is burned into pixels is not removed: look at what is exported.

    Examples:

      pneumoscope export-studies --data clinic --out export --judged

      pneumoscope export-studies --data clinic --out 2026.zip --since 2026-01-01 --shift-dates

      pneumoscope validate --labels export/labels.csv --out validation
    """
    from pneumoscope.clinic.privacy.export import Wanted, into_folder, into_zip
    from pneumoscope.clinic.privacy.export import export_studies as export
    from pneumoscope.clinic.storage.file_store import FileStore
    from pneumoscope.clinic.storage.tables import StudyStatus
    from pneumoscope.support.files import atomic_folder, atomic_write, require_empty

    if status is not None and status not in set(StudyStatus):
        raise ClinicError(f"--status {status}: choose one of {', '.join(StudyStatus)}")
    require_empty(out)
    wanted = Wanted(
        StudyStatus(status) if status else None,
        None if since is None else since.astimezone(),
        None if until is None else until.astimezone(),
        judged=judged,
        shift_dates=shift_dates,
        linked=linked,
        burned_in=burned_in,
    )
    with _opened(data, database) as opened, ExitStack() as stack:
        if out.suffix.lower() == ".zip":
            archive, write = into_zip(stack.enter_context(atomic_write(out)))
            stack.enter_context(archive)
        else:
            write = into_folder(stack.enter_context(atomic_folder(out)))
        done = export(opened, FileStore(data / "files"), wanted, _who(), write)
    results.print(
        f"{done.images:,} images of {done.studies:,} studies: {out}; {done.refused:,} are refused, "
        "and images.csv says why",
        soft_wrap=True,
    )


@app.command()
def purge(
    data: _Data,
    database: _Database = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")
    ] = False,
) -> None:
    """Purge what has been kept as long as an administrator decided; the server does so every day.

    Until somebody decides (PUT /v1/retention), everything is kept for ever. Readings, judgements
    and the audit trail stay.

    Examples:

      pneumoscope purge --data clinic --dry-run
    """
    from pneumoscope.clinic.privacy.purge import purge_due
    from pneumoscope.clinic.storage.file_store import FileStore

    with _opened(data, database) as opened:
        now = datetime.now(UTC)
        done = purge_due(opened, FileStore(data / "files"), _who(), now, dry_run=dry_run)
    results.print(
        f"{'Would be purged' if dry_run else 'Purged'}: {done.studies:,} studies with all that "
        f"says whose they are, the files of {done.pixels:,} more",
        soft_wrap=True,
    )


def _who() -> str:
    """Name the person at the terminal for the audit trail."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # in a container that has no such user
        name = f"user {os.getuid()}"
    return f"{name} at the command line"


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
    from pneumoscope.clinic.settings import Settings
    from pneumoscope.clinic.storage.database import Database

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
