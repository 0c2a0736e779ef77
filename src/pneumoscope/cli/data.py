"""Commands on datasets: manifests, summaries, downloads, phantoms."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli.options import (
    ImagesOption,
    SourceArgument,
    SplitByChoice,
    SplitSeedOption,
    StrictOption,
    open_source,
)
from pneumoscope.support.terminal import results

app = typer.Typer(help="Datasets: manifests, summaries, downloads, phantoms.", no_args_is_help=True)


class Publisher(StrEnum):
    """Who offers the dataset."""

    mendeley = "mendeley"
    kaggle = "kaggle"
    medmnist = "medmnist"


@app.command("manifest")
def manifest(
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", metavar="M.parquet", help="The file to write.")],
    images: ImagesOption = None,
    split_by: SplitByChoice = None,
    seed: SplitSeedOption = 0,
    strict: StrictOption = False,
) -> None:
    """Write the Manifest of a source: one row per image, with patient, split and hashes.

    Examples:

      pneumoscope data manifest chest_xray --out manifest.parquet

      pneumoscope data manifest labels.csv --images radiographs --out manifest.parquet
    """
    from pneumoscope.cli.tables import counts_table

    manifest = open_source(source, images, split_by, seed, strict)
    manifest.write(out)
    results.print(counts_table(manifest))
    results.print(f"Set aside: {len(manifest.set_aside)}")
    results.print(f"Manifest: {out}", soft_wrap=True)


@app.command("summary")
def summary(
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Gets the page and figures.")],
    images: ImagesOption = None,
    split_by: SplitByChoice = None,
    seed: SplitSeedOption = 0,
    strict: StrictOption = False,
) -> None:
    """Look at a dataset: pictures, counts, patients, duplicates, intensities; one HTML page.

    Example:

      pneumoscope data summary chest_xray --out summary
    """
    from pneumoscope.dataset.summary.page import summarise

    page = summarise(open_source(source, images, split_by, seed, strict), out, seed)
    results.print(f"Summary: {page}", soft_wrap=True)


@app.command("fetch")
def fetch(
    publisher: Annotated[Publisher, typer.Argument(help="Where to download from.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Gets the dataset.")] = Path(
        "data"
    ),
) -> None:
    """Download a dataset: 5,856 radiographs of children, or PneumoniaMNIST.

    Examples:

      pneumoscope data fetch mendeley --out data

      pneumoscope data fetch medmnist --out data
    """
    from pneumoscope.dataset import fetch

    match publisher:
        case Publisher.mendeley:
            dataset = fetch.fetch_mendeley(out)
        case Publisher.kaggle:
            dataset = fetch.fetch_kaggle(out)
        case Publisher.medmnist:
            dataset = fetch.fetch_medmnist(out)
    results.print(f"Dataset: {dataset}", soft_wrap=True)


@app.command("phantoms")
def phantoms(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Gets the images; new.")],
    count: Annotated[int, typer.Option(help="Images in all.")] = 600,
    size: Annotated[int, typer.Option(help="Side in pixels.")] = 224,
    seed: Annotated[int, typer.Option(help="Same seed, same images.")] = 0,
) -> None:
    """Draw synthetic chest radiographs, for trying things out; they show no patient.

    Example:

      pneumoscope data phantoms --out phantoms --count 600
    """
    from pneumoscope.dataset.phantoms.generate import generate_phantoms

    results.print(f"Phantoms: {generate_phantoms(out, count, size, seed)}", soft_wrap=True)
