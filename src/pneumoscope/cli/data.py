"""``pneumoscope data``: manifests, summaries, downloads and phantoms."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from pneumoscope.cli import options
from pneumoscope.support.errors import DatasetError
from pneumoscope.support.terminal import messages, results

app = typer.Typer(
    help="Prepare datasets: manifests, summaries, downloads, phantoms.", no_args_is_help=True
)

PublishedTableName: TypeAlias = Literal["nih", "rsna", "chexpert", "padchest", "vindr", "mimic"]


@app.command("manifest")
def manifest(
    source: options.SourceArgument,
    out: Annotated[Path, typer.Option(metavar="FILE.parquet", help="Manifest file to write.")],
    images: options.ImagesOption = None,
    table: Annotated[
        PublishedTableName | None,
        typer.Option(
            "--table",
            help="Public dataset whose table SOURCE is, as published: its columns and labels are "
            "known, and its images are found by name below --images.",
        ),
    ] = None,
    file_column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Column of a table that names the image.", show_default="file"
        ),
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Column of the label.", show_default="label"),
    ] = None,
    patient_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Column of the patient.", show_default="patient"),
    ] = None,
    split_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Column of the split.", show_default="split"),
    ] = None,
    label_map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=CLASS",
            help="Class that a label of a table stands for: NORMAL, PNEUMONIA, or skip, which "
            "leaves its images out; repeatable.",
        ),
    ] = None,
    split_by: options.SplitByChoice = None,
    seed: options.SplitSeedOption = 0,
    patient_from: options.PatientFromOption = None,
    negatives: options.NegativeOption = None,
    strict: options.StrictOption = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a manifest of other data or splits.")
    ] = False,
) -> None:
    """Write the manifest of a dataset: one row per image, with patient, split and hashes.

    Unreadable images are set aside, each with its reason. Other commands take the manifest as
    SOURCE.

    Examples:

        pneumoscope data manifest chest_xray --out manifest.parquet
        pneumoscope data manifest labels.csv --images radiographs --out manifest.parquet
        pneumoscope data manifest a.csv --file-column Bild --label-map ill=PNEUMONIA --out a.parquet
        pneumoscope data manifest nih.csv --table nih --images images --out nih.parquet
    """
    from pneumoscope.cli.tables import counts_table
    from pneumoscope.dataset.manifest import require_manifest_path
    from pneumoscope.dataset.tables.form import TableForm, parse_label_map
    from pneumoscope.dataset.tables.own import TableColumns
    from pneumoscope.dataset.tables.published import find_published_table

    require_manifest_path(out)
    columns = TableColumns(
        file=file_column, label=label_column, patient=patient_column, split=split_column
    )
    published = None if table is None else find_published_table(table)
    form = TableForm(columns, published, parse_label_map(label_map or ()))
    manifest = options.open_source(
        source, images, split_by, seed, strict, patient_from, negatives, form
    )
    if not overwrite:
        manifest.require_not_replacing_another(out)
    manifest.write(out)
    results.print(counts_table(manifest))
    results.print(f"Set aside: {len(manifest.set_aside)}")
    results.print(f"Manifest: {out}", soft_wrap=True)


@app.command("summary")
def summary(
    source: options.SourceArgument,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write the page to.")],
    images: options.ImagesOption = None,
    split_by: options.SplitByChoice = None,
    seed: options.SplitSeedOption = 0,
    patient_from: options.PatientFromOption = None,
    negatives: options.NegativeOption = None,
    strict: options.StrictOption = False,
) -> None:
    """Summarise a dataset as one HTML page: images, counts, patients, duplicates, intensities.

    The page also shows a random sample of images of each class.

    Example:

        pneumoscope data summary chest_xray --out summary
    """
    from pneumoscope.dataset.summary.page import write_summary

    page = write_summary(
        options.open_source(source, images, split_by, seed, strict, patient_from, negatives),
        out,
        seed,
    )
    results.print(f"Summary: {page}", soft_wrap=True)


def _require_public_dataset(name: str) -> str:
    from pneumoscope.dataset.downloads.catalogue import find_dataset

    try:
        return find_dataset(name).name
    except DatasetError as error:
        raise typer.BadParameter(str(error)) from error


@app.command("fetch")
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="Public dataset: mendeley, kaggle or medmnist.",
            callback=_require_public_dataset,
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder to download the dataset into.")
    ] = Path("data"),
) -> None:
    """Download a public dataset, verify its checksum, and count its images.

    mendeley and kaggle offer the notebook's 5,856 radiographs of children, medmnist offers
    PneumoniaMNIST, the same radiographs at 224 x 224 pixels.

    Examples:

        pneumoscope data fetch mendeley --out data
        pneumoscope data fetch medmnist --out data
    """
    from pneumoscope.dataset.downloads.catalogue import find_dataset

    dataset = find_dataset(name)
    messages.print(f"{dataset.citation} ({dataset.licence})")
    results.print(f"Dataset: {dataset.fetch(out)}", soft_wrap=True)


@app.command("phantoms")
def phantoms(
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder to write the images to; must not exist."),
    ],
    count: Annotated[int, typer.Option(help="Total number of images.")] = 600,
    size: Annotated[int, typer.Option(help="Height and width of each image.")] = 224,
    seed: Annotated[int, typer.Option(help="Random seed of the images.")] = 0,
) -> None:
    """Draw synthetic chest radiographs (phantoms), to try things out; they show no patient.

    Whatever is trained or measured on them says nothing about real radiographs, and every report
    says so.

    Example:

        pneumoscope data phantoms --out phantoms --count 600
    """
    from pneumoscope.dataset.phantoms.generate import generate_phantoms

    results.print(f"Phantoms: {generate_phantoms(out, count, size, seed)}", soft_wrap=True)
