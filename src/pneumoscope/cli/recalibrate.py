"""``pneumoscope recalibrate``: fit a bundle's calibration to a hospital's own radiographs."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli import options
from pneumoscope.cli.validate import print_unread
from pneumoscope.support.errors import PredictionsError
from pneumoscope.support.terminal import messages, results


def recalibrate(
    labels: options.LabelsOption,
    images: options.LabelledImagesOption,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder to write the new bundle to; must not exist."),
    ],
    bundle: options.BundleOption = "default",
    population: Annotated[
        str,
        typer.Option(help="Patients whose radiographs these are, for the new model card."),
    ] = "not stated",
    negatives: options.NegativeOption = None,
    share: Annotated[
        float,
        typer.Option(
            help="Share of the patients to fit on, between 0 and 1; the others are the test."
        ),
    ] = 0.5,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Random seed of the draw of patients to fit on."),
    ] = 0,
) -> None:
    r"""Fit calibration and operating points to your own radiographs, as a new bundle.

    The network itself is unchanged, and so is its AUC. The new bundle's history records the
    recalibration; the old bundle is left as it is.

    Examples:

        pneumoscope recalibrate --labels labels.csv --images radiographs --out local-bundle
        pneumoscope recalibrate --labels labels.csv --images radiographs --out local-bundle \
            --bundle adults --share 0.7 --population "adults of our emergency department"
    """
    from pneumoscope.cli.tables import recalibration_table
    from pneumoscope.export.recalibrate import recalibrate as recalibrate_bundle
    from pneumoscope.reader import open_reader
    from pneumoscope.support.files import require_empty
    from pneumoscope.validation.labels import read_labels
    from pneumoscope.validation.local_readings import read_labelled

    require_empty(out)
    if not 0 < share < 1:
        raise PredictionsError(f"--share must be between 0 and 1, such as 0.5, not {share:g}")
    reader = open_reader(bundle)
    local = read_labelled(reader, read_labels(labels, reader.bundle, negatives or ()), images)
    print_unread(local)
    made = recalibrate_bundle(reader.bundle, local.predictions, out, population, share, seed)
    results.print(recalibration_table(reader.bundle, made))
    if warning := made.sensitivity_warning(reader.bundle):
        messages.print(warning, style="yellow")
    results.print(f"Bundle: {out}, {made.bundle.identity}", soft_wrap=True)
