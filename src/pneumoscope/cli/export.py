"""``pneumoscope export``: export Runs as a bundle or as a network."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pneumoscope.cli import options
from pneumoscope.support.errors import RunError
from pneumoscope.support.terminal import results


def export(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN", help="Directories of finished Runs; several become an ensemble."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder to write the bundle to; must not exist."),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the bundle, which every reading carries.",
            show_default="the name of --out",
        ),
    ] = None,
    notice: Annotated[
        str | None,
        typer.Option(help="Warning to users, shown whenever the bundle reads."),
    ] = None,
    population: Annotated[
        str,
        typer.Option(help="Patients whose radiographs it was trained on, for the model card."),
    ] = "not stated",
    patients: Annotated[
        str,
        typer.Option(help="Name of the patients that it answers for, such as children or adults."),
    ] = "all patients",
    ages: Annotated[
        str | None,
        typer.Option(
            metavar="MIN-MAX",
            help="Ages that it answers for, in completed years, such as 1-5 or 18-.",
            show_default="all ages",
        ),
    ] = None,
    views: Annotated[
        list[str] | None,
        typer.Option(
            "--view",
            metavar="AP|PA|...",
            help="View Position (DICOM) that it answers for; repeatable.",
            show_default="AP and PA",
        ),
    ] = None,
    outsiders: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="Radiograph, or folder of radiographs, of patients whom it must refuse, such as "
            "adults for a children's bundle; repeatable.",
        ),
    ] = None,
    outsiders_population: Annotated[
        str | None,
        typer.Option(
            help="Patients of --outsiders, for the model card.",
            show_default="the names of --outsiders",
        ),
    ] = None,
    images: options.ImagesOption = None,
    limits: Annotated[
        list[str] | None,
        typer.Option(
            "--limit", help="Known limitation of the bundle, for the model card; repeatable."
        ),
    ] = None,
    form: Annotated[
        Literal["bundle", "pytorch", "monai"],
        typer.Option(
            "--format",
            help="Format of the export: a bundle, which reads radiographs, or the network of one "
            "Run for PyTorch or MONAI.",
        ),
    ] = "bundle",
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Quantise the network to 8-bit integers; refused unless it is faster on this "
            "host and as good on validation.",
        ),
    ] = False,
    fit_on: Annotated[
        Path | None,
        typer.Option(
            metavar="PREDICTIONS.csv",
            help="Cross-validated predictions to fit the calibration and operating points on.",
            show_default="the validation split",
        ),
    ] = None,
) -> None:
    r"""Export a finished Run, or several as an ensemble, as a bundle that reads radiographs.

    Calibration, operating points, quality gate and limits of refusal are fitted on validation
    images, none on test images.

    Examples:

        pneumoscope export runs/compact --out bundle
        pneumoscope export runs/compact --out bundle --patients children --ages 1-5 \
            --outsiders adults --outsiders-population "adults of our hospital"
        pneumoscope export seed0/compact seed1/compact --out ensemble
        pneumoscope export runs/compact --out fast --int8
        pneumoscope export runs/compact --out network --format pytorch
    """
    from pneumoscope import training
    from pneumoscope.evaluation.predictions import Predictions
    from pneumoscope.export.bundle import export_bundle
    from pneumoscope.export.pytorch import export_monai, export_pytorch

    opened = [training.Run.open(run) for run in runs]
    if form != "bundle":
        if len(opened) > 1:
            raise RunError(f"--format {form} takes one Run; export each Run on its own")
        if int8 or fit_on is not None or outsiders or ages is not None or views:
            raise RunError(
                "--int8, --fit-on, --outsiders, --ages and --view are for bundles; --format "
                f"{form} exports the weights as they are and fits nothing. Leave them out"
            )
        (export_pytorch if form == "pytorch" else export_monai)(opened[0], out)
        results.print(f"Network: {out}", soft_wrap=True)
        return
    bundle = export_bundle(
        opened,
        out,
        options.open_cache(),
        name or out.name,
        notice,
        population,
        images,
        limits or (),
        patients=options.population_from_options(patients, ages, views),
        outsiders=outsiders or (),
        outsiders_population=outsiders_population,
        int8=int8,
        fit_on=None if fit_on is None else Predictions.read(fit_on),
    )
    results.print(f"Bundle: {out}, {bundle.identity}", soft_wrap=True)
