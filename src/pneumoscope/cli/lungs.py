"""``pneumoscope lungs``: pictures of the lungs that are found, and training of the lung finder."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.support.terminal import messages, results

app = typer.Typer(
    help="Find the lungs: draw what is found, train the lung finder.", no_args_is_help=True
)


@app.command("draw")
def draw(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Radiographs, or folders of them.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder to write a picture of each radiograph to.")
    ],
) -> None:
    """Draw the outlines of the lungs that are found, and the box that a network gets.

    A red box means that the lungs were not found with confidence; bundles that read lungs then give
    no answer.

    Examples:

        pneumoscope lungs draw chest.jpeg --out pictures
        pneumoscope lungs draw incoming --out pictures
    """
    from pneumoscope.lungs import load_lung_finder
    from pneumoscope.lungs.drawing import draw_lungs
    from pneumoscope.radiograph import read_radiograph
    from pneumoscope.reader.batch import picture_name
    from pneumoscope.reader.listing import list_files
    from pneumoscope.support.errors import UnreadableRadiographError
    from pneumoscope.support.files import write_bytes

    finder = load_lung_finder()
    for path in list_files(paths):
        try:
            pixels = read_radiograph(path).pixels
        except UnreadableRadiographError as error:
            messages.print(str(error))
            continue
        field = finder.find(pixels)
        picture = out / picture_name(path)
        write_bytes(picture, draw_lungs(pixels, field))
        outcome = "lungs found" if field.found else "lungs not found"
        results.print(
            f"{path}: {outcome}, confidence {field.confidence:.2f}: {picture}", soft_wrap=True
        )


@app.command("train")
def train(
    tables: Annotated[
        list[Path],
        typer.Argument(
            metavar="TABLE",
            help="Tables (CSV, Parquet) with columns file and mask, and optionally patient, split.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE.onnx", help="Lung finder to write; must not exist.")
    ],
    epochs: Annotated[int, typer.Option(min=1, help="Number of passes over the images.")] = 12,
    seed: Annotated[int, typer.Option(help="Random seed of weights, order and changes.")] = 0,
) -> None:
    """Train a lung finder on radiographs with masks: white lungs on black, of the same size.

    It learns from the images of the split train, and from those without a split. Images of the
    split validation measure it, those of test are not read.

    Example:

        pneumoscope lungs train masks.csv --out lung_finder.onnx
    """
    from pneumoscope.export.lung_finder import train_lung_finder

    overlap = train_lung_finder(tables, out, epochs, seed)
    if overlap is not None:
        results.print(f"Dice on validation: {overlap:.3f}")
    results.print(f"Lung finder: {out}", soft_wrap=True)
