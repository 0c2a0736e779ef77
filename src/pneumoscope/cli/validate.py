"""``pneumoscope validate``: validate a bundle on a hospital's own radiographs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli import options
from pneumoscope.support.terminal import messages, results

if TYPE_CHECKING:
    from pneumoscope.validation.local_readings import LocalReadings


def validate(
    labels: options.LabelsOption,
    images: options.LabelledImagesOption,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder to write the report to; must not exist."),
    ],
    bundle: options.BundleOption = "default",
    at: options.OperatingPointOption = "screening",
    negatives: options.NegativeOption = None,
    second_reader: options.SecondReaderOption = None,
    min_auc: Annotated[
        float,
        typer.Option(min=0, max=1, help="Lowest acceptable AUC (lower bound of its interval)."),
    ] = 0.90,
    min_sensitivity: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Lowest acceptable sensitivity (lower bound of its interval)."
        ),
    ] = 0.95,
    min_specificity: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Lowest acceptable specificity (lower bound of its interval)."
        ),
    ] = 0.80,
    prevalences: options.PrevalenceOption = None,
    draws: options.DrawsOption = 2000,
    quick: options.QuickOption = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print validation.json instead of the table.")
    ] = False,
) -> None:
    r"""Validate a bundle on your own labelled radiographs, with a verdict by a stated rule.

    --out receives report.html, report.pdf, validation.json and predictions.csv. The verdict is
    fit, fit after recalibration, not fit, or undecided; the exit code is 0 for each of them.

    Examples:

        pneumoscope validate --labels labels.csv --images radiographs --out validation
        pneumoscope validate --labels labels.csv --images radiographs --out validation-adults \
            --bundle adults --negative OTHER --json
        pneumoscope validate --labels labels.csv --images radiographs --out validation \
            --second-reader second_reader.csv
        pneumoscope validate --labels ward.parquet --images ward --out validation --bundle bundle
    """
    from pneumoscope.cli.tables import evaluations_table
    from pneumoscope.evaluation.acceptance import Requirements
    from pneumoscope.evaluation.report.second_reader_view import summarise_second_reader
    from pneumoscope.evaluation.second_reader import SecondReader
    from pneumoscope.reader import open_reader
    from pneumoscope.support.files import require_empty
    from pneumoscope.validation.labels import read_labels
    from pneumoscope.validation.local_validation import validate_locally
    from pneumoscope.validation.report.validation_json import validation_json
    from pneumoscope.validation.report.write import write_validation

    require_empty(out)
    requirements = Requirements(min_auc, min_sensitivity, min_specificity)
    prevalence_values = options.prevalences_from_options(prevalences)
    reader = open_reader(bundle)
    validation = validate_locally(
        reader,
        read_labels(labels, reader.bundle, negatives or ()),
        images,
        at,
        requirements,
        second_reader=(
            None if second_reader is None else SecondReader.read(second_reader, negatives or ())
        ),
        prevalences=prevalence_values,
        draws=draws,
        with_stress_tests=not quick,
    )
    with messages.status("Writing the report"):
        write_validation(validation, out)
    if as_json:
        results.print(validation_json(validation), end="", soft_wrap=True)
        return
    results.print(evaluations_table([validation.evaluation]))
    if validation.evaluation.second_reader is not None:
        results.print(summarise_second_reader(validation.evaluation.second_reader))
    print_unread(validation.local)
    acceptance = validation.acceptance
    results.print(f"Verdict: {acceptance.outcome}", style="bold")
    for reason in acceptance.reasons:
        results.print(f"  {reason}", soft_wrap=True)
    if acceptance.sample_size:
        results.print(f"  about {acceptance.sample_size:,} radiographs in all would settle it")
    results.print(f"Report: {out / 'report.html'}", soft_wrap=True)


def print_unread(local: "LocalReadings") -> None:
    """Warn of radiographs that were not read, and of files without a label."""
    if local.unread:
        first = local.unread[0]
        messages.print(
            f"{len(local.unread):,} radiographs were not read ({len(local.outside):,} because the "
            f"bundle may not answer for them); the first: {first.file}: {'; '.join(first.reasons)}",
            style="yellow",
        )
    if local.unlabelled:
        messages.print(
            f"{len(local.unlabelled):,} files have no label and were ignored; the first: "
            f"{local.unlabelled[0]}",
            style="yellow",
        )
