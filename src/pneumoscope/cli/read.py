"""``pneumoscope read``: read radiographs with a bundle."""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli import options
from pneumoscope.cli.row_writer import Format, open_row_writer
from pneumoscope.support.errors import PneumoscopeError
from pneumoscope.support.terminal import messages, progress_bar, results

if TYPE_CHECKING:
    from pneumoscope.reader import AnyReader
    from pneumoscope.report.post_test_probability import Prevalence


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
        typer.Option(
            metavar="DIR",
            help="Folder to write a picture of each radiograph that was read to (PNG: heat map, "
            "finding, warning).",
        ),
    ] = None,
    bundle: options.AutomaticBundleOption = "auto",
    abstain: options.AbstainOption = False,
    prevalence: options.SitePrevalenceOption = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue --out (jsonl or csv): skip the files that it has rows of."
        ),
    ] = False,
    show_probability_outside: Annotated[
        bool,
        typer.Option(
            "--show-probability-outside",
            help="Show the network's output for radiographs that it may not answer for, in a table "
            "or CSV too; it has no meaning for the patient.",
        ),
    ] = False,
) -> None:
    """Read radiographs: probability of pneumonia, finding and reasons, one row per file.

    The patient's age decides which bundle reads a radiograph; if it is unknown, as in a JPEG, the
    children's does. A patient or image that the bundle may not answer for is NOT READ.

    Only signs of pneumonia are looked for. What the findings mean depends on the prevalence among
    the patients, and is stated at the end.

    The exit code is 0 if every file was read (flagged ones included), and 1 if one was outside,
    rejected or failed. Files in folders that are not images, such as reports, are passed over.

    Examples:

        pneumoscope read chest.jpeg
        pneumoscope read adult.jpeg --bundle adults --prevalence 0.1
        pneumoscope read incoming --format csv --out readings.csv --heatmaps heatmaps
        pneumoscope read archive --format jsonl --out readings.jsonl --resume
    """
    from pneumoscope.reader import load
    from pneumoscope.reader.batch import read_files
    from pneumoscope.reader.listing import list_files
    from pneumoscope.reader.reading import OTHER_FINDINGS, Finding, describe_finding

    reader = load(bundle, abstain=abstain)
    range_of_prevalence = options.prevalence_from_option(prevalence)
    for opened in reader.bundles:
        if at not in (known := opened.record.operating_points):
            raise PneumoscopeError(
                f"--at {at}: the bundle has no such operating point; choose {', '.join(known)}"
            )
    notices = {bundle.identity: bundle.record.notice for bundle in reader.bundles}
    common = {"bundle": list(notices), "operating_point": [at]}
    counts: Counter[str] = Counter()
    findings: set[tuple[str, str]] = set()
    assumed = 0
    with ExitStack() as stack:
        writer = stack.enter_context(
            open_row_writer(form, out, resume, common, show_probability_outside)
        )

        def remaining_files() -> Iterator[Path]:
            return (file for file in list_files(paths) if str(file) not in writer.files_before)

        rows = read_files(reader, remaining_files(), at, heatmaps, named=set(paths))
        if not writer.is_at_terminal:
            bar = stack.enter_context(progress_bar())
            total = sum(1 for _ in remaining_files())
            rows = iter(bar.track(rows, total=total, description="Reading"))
        for row in rows:
            if row is None:
                counts["not images"] += 1
                continue
            if notice := notices.pop(row.bundle, None):
                messages.print(notice, style="yellow")
            writer.write(row)
            counts[row.status] += 1
            if row.finding is not None and row.status == "read":
                is_low = bool(row.low_confidence)
                findings.add(
                    (row.bundle, describe_finding(Finding(row.finding), low_confidence=is_low))
                )
            assumed += row.assumed_population is not None
    for line in _describe_findings(reader, findings, at, range_of_prevalence):
        messages.print(line)
    if counts["read"] or counts["flagged"]:
        messages.print(OTHER_FINDINGS)
    if assumed:
        messages.print(
            f"Patient's age unknown ({assumed} of {counts.total()} files): read with the "
            "children's network; for adults, pass --bundle adults"
        )
    summary = ", ".join(f"{n} {status}" for status, n in counts.items()) or "no files to read"
    before = f"; {len(writer.files_before)} were read before" if writer.files_before else ""
    messages.print(f"{summary}{before}")
    if writer.path is not None:
        results.print(f"Readings: {writer.path}", soft_wrap=True)
    if counts.keys() - {"read", "flagged", "not images"}:
        raise typer.Exit(1)


def _describe_findings(
    reader: "AnyReader",
    findings: Collection[tuple[str, str]],
    at: str,
    prevalence: "Prevalence",
) -> Iterator[str]:
    """Yield what each finding of each bundle, with its confidence, means at a prevalence."""
    from pneumoscope.reader.reading import CONFIDENCES, UNKNOWN_MEANING
    from pneumoscope.report.post_test_probability import post_test_probability

    for bundle in reader.bundles:
        ratios = bundle.record.operating_points[at].likelihood_ratios
        for finding in CONFIDENCES:
            if (bundle.identity, finding) in findings:
                ratio = ratios.get(finding)
                share = None if ratio is None else post_test_probability(ratio, prevalence)
                meaning = UNKNOWN_MEANING if share is None else f"{share}."
                yield f"{bundle.record.name}, {finding}: {meaning}"
