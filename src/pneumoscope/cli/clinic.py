"""Commands on a clinic's data: labels, exports, purging, references and the audit trail."""

import getpass
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli import options
from pneumoscope.support.errors import ClinicError
from pneumoscope.support.terminal import results

if TYPE_CHECKING:
    from pneumoscope.clinic.storage.database import Database

audit = typer.Typer(
    no_args_is_help=True, help="Check the audit trail, which records who did what, and when."
)

_DATE_FORMATS = ["%Y-%m-%d"]


def labels(
    data: options.ClinicDataOption,
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="CSV file to write; must not exist."),
    ],
    database: options.DatabaseOption = None,
) -> None:
    """Write clinicians' judgements as a table of labels, for training and validation.

    Files are named as in DIR/files; patients have random numbers. Images on which clinicians
    disagree or are unsure have no label and are left out.

    Examples:

        pneumoscope labels --data clinic --out labels.csv
        pneumoscope data manifest labels.csv --images clinic/files --out manifest.parquet
        pneumoscope validate --labels labels.csv --images clinic/files --out validation
    """
    from pneumoscope.clinic.worklist.judgements import agreed_labels
    from pneumoscope.support.files import require_empty, write_text

    require_empty(out)
    with _open_database(data, database) as opened, opened.reading() as session:
        rows = [
            f"{label.sha256[:2]}/{label.sha256},{label.label},{label.patient}"
            for label in agreed_labels(session)
        ]
    write_text(out, "\n".join(["file,label,patient", *rows]) + "\n")
    results.print(f"{len(rows):,} labels: {out}", soft_wrap=True)


def export_studies(
    data: options.ClinicDataOption,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER|FILE.zip",
            help="Folder or ZIP file to write the export to; must not exist.",
        ),
    ],
    database: options.DatabaseOption = None,
    status: Annotated[
        str | None,
        typer.Option(
            metavar="STATUS",
            help="Status of the studies to export: 'awaiting review' or 'reviewed'.",
            show_default="all",
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=_DATE_FORMATS, help="First day of arrival, in local time."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=_DATE_FORMATS, help="Day after the last day of arrival."),
    ] = None,
    judged: Annotated[
        bool, typer.Option("--judged", help="Export only studies with a clinician's judgement.")
    ] = False,
    shift_dates: Annotated[
        bool,
        typer.Option(
            "--shift-dates",
            help="Keep DICOM dates, shifted by a random number of days per patient, instead of "
            "removing them.",
        ),
    ] = False,
    linked: Annotated[
        bool,
        typer.Option(
            "--linked", help="Use the same pseudonyms in all exports made with this option."
        ),
    ] = False,
    burned_in: Annotated[
        bool,
        typer.Option("--burned-in", help="Include images that may have text burned in."),
    ] = False,
) -> None:
    """Export de-identified studies: DICOM by PS3.15, other images as PNG without metadata.

    images.csv has one row per image, with the reason where an image is refused; labels.csv has the
    judgements. Text burned into the pixels is not removed: look at every image before it leaves
    the hospital.

    Examples:

        pneumoscope export-studies --data clinic --out export --judged
        pneumoscope export-studies --data clinic --out 2026.zip --since 2026-01-01 --shift-dates
        pneumoscope validate --labels export/labels.csv --images export --out validation
    """
    from pneumoscope.clinic.privacy.export import ExportOptions, folder_writer, zip_writer
    from pneumoscope.clinic.privacy.export import export_studies as export
    from pneumoscope.clinic.storage.file_store import FileStore
    from pneumoscope.clinic.storage.study_status import StudyStatus
    from pneumoscope.support.files import atomic_folder, atomic_write, require_empty

    if status is not None and status not in set(StudyStatus):
        raise ClinicError(f"--status must be one of {', '.join(StudyStatus)}, not '{status}'")
    require_empty(out)
    export_options = ExportOptions(
        StudyStatus(status) if status else None,
        None if since is None else since.astimezone(),
        None if until is None else until.astimezone(),
        judged=judged,
        shift_dates=shift_dates,
        linked=linked,
        burned_in=burned_in,
    )
    with _open_database(data, database) as opened, ExitStack() as stack:
        if out.suffix.lower() == ".zip":
            archive, write = zip_writer(stack.enter_context(atomic_write(out)))
            stack.enter_context(archive)
        else:
            write = folder_writer(stack.enter_context(atomic_folder(out)))
        done = export(opened, FileStore(data / "files"), export_options, _actor(), write)
    results.print(
        f"{done.images:,} images of {done.studies:,} studies: {out}; {done.refused:,} images were "
        "refused (images.csv has the reasons)",
        soft_wrap=True,
    )


def purge(
    data: options.ClinicDataOption,
    database: options.DatabaseOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be purged, and change nothing.")
    ] = False,
) -> None:
    """Purge studies and files that are past their retention period; the server does so daily.

    Until an administrator sets a retention period (page "Administration", or PUT /v1/retention),
    everything is kept. Readings, judgements and the audit trail always stay.

    Examples:

        pneumoscope purge --data clinic --dry-run
        pneumoscope purge --data clinic
    """
    from pneumoscope.clinic.privacy.purge import purge_expired
    from pneumoscope.clinic.storage.file_store import FileStore

    with _open_database(data, database) as opened:
        now = datetime.now(UTC)
        done = purge_expired(opened, FileStore(data / "files"), _actor(), now, dry_run=dry_run)
    results.print(
        f"{'Would be purged' if dry_run else 'Purged'}: {done.studies:,} studies with all patient "
        f"data, and the image files of {done.pixels:,} more studies",
        soft_wrap=True,
    )


def reference(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="Dataset that the bundle was trained on: folder or manifest."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder to write the reference to: 'references' in the clinic's data folder.",
        ),
    ],
    bundle: options.BundleOption = "default",
    images: options.ImagesOption = None,
) -> None:
    """Describe the patients that a bundle was validated on, as a reference for drift monitoring.

    One validation image of each patient is read. The bundles that come with the package have their
    reference already.

    Example:

        pneumoscope reference radiographs --bundle bundles/local --out clinic/references
    """
    from pneumoscope.clinic.monitoring.reference import make_reference
    from pneumoscope.dataset import open_dataset
    from pneumoscope.reader import open_reader

    made = make_reference(open_reader(bundle), open_dataset(source, images))
    results.print(f"{made.patients:,} patients: {made.write(out)}", soft_wrap=True)


@audit.command("verify")
def verify(data: options.ClinicDataOption, database: options.DatabaseOption = None) -> None:
    """Verify that no entry of the audit trail was changed, removed or added afterwards.

    The exit code is 1 if one was. Keep a copy of the seal elsewhere: whoever controls the database
    can rewrite the whole trail, but not with the same seal.

    Example:

        pneumoscope audit verify --data clinic
    """
    from pneumoscope.clinic.audit import verify_trail

    with _open_database(data, database) as opened, opened.reading() as session:
        trail = verify_trail(session)
    if trail.broken_entry is not None:
        results.print(f"Broken at entry {trail.broken_entry}: {trail.reason}", soft_wrap=True)
        raise typer.Exit(1)
    results.print(f"{trail.entries:,} entries, unbroken. Seal: {trail.seal}", soft_wrap=True)


@contextmanager
def _open_database(data: Path, url: str | None) -> "Iterator[Database]":
    from pneumoscope.clinic.settings import Settings
    from pneumoscope.clinic.storage.database import Database

    if url is None and not (data / "clinic.db").exists():
        raise ClinicError(
            f"{data}: not the data folder of a clinic; pass the --data (and --database) that "
            "'pneumoscope serve' was started with"
        )
    database = Database(Settings(data, url).database_url)
    try:
        yield database
    finally:
        database.close()


def _actor() -> str:
    """Name the person at the terminal for the audit trail."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # in a container that has no such user
        name = f"user {os.getuid()}"
    return f"{name} at the command line"
