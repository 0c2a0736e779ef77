"""``pneumoscope inspect``: what a file states, how it is decoded, and whether it may be read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from pneumoscope.cli import options
from pneumoscope.support.errors import StorageError
from pneumoscope.support.terminal import printable, results

if TYPE_CHECKING:
    from pneumoscope.reader.inspection import Inspection

_NAME_WIDTH = len("photometric interpretation")


def inspect(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Radiographs to inspect (JPEG, PNG, TIFF or DICOM)."
        ),
    ],
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="File to write the decoded picture to (PNG); must not exist. For a single FILE.",
        ),
    ] = None,
    patient: Annotated[
        bool, typer.Option("--patient", help="Print the patient's name and identifier too.")
    ] = False,
    form: Annotated[
        Literal["text", "json"], typer.Option("--format", help="Format of the output.")
    ] = "text",
    bundle: options.AutomaticBundleOption = "auto",
) -> None:
    """Inspect files: what they state, how they are decoded, and whether they may be read.

    The patient's name and identifier are printed only with --patient. The exit code is 1 if a file
    cannot be decoded.

    Examples:

        pneumoscope inspect chest.dcm
        pneumoscope inspect chest.dcm --picture chest.png
        pneumoscope inspect first.dcm second.dcm --format json
    """
    from pneumoscope.reader import load
    from pneumoscope.reader.inspection import inspect_file, write_picture

    if picture is not None and (len(files) > 1 or picture.exists()):
        raise StorageError(
            f"--picture {picture}: takes the picture of one FILE, and must not exist; choose "
            "another name, and pass one FILE"
        )
    reader = load(bundle)
    inspections = [inspect_file(file, reader, patient) for file in files]
    if form == "json":
        objects = ",\n ".join(inspection.to_json() for inspection in inspections)
        results.print(f"[{objects}]", soft_wrap=True)
    else:
        for inspection in inspections:
            _print_lines(inspection)
    if picture is not None and inspections[0].radiograph is not None:
        write_picture(picture, inspections[0].radiograph)
    if any(inspection.radiograph is None for inspection in inspections):
        raise typer.Exit(1)


def _print_lines(inspection: "Inspection") -> None:
    results.print(Text(printable(inspection.file), style="bold"), soft_wrap=True)
    for name, value in inspection.lines():
        line = Text(f"  {name:<{_NAME_WIDTH}}  ", style="dim")
        results.print(line.append(printable(value), "default"), soft_wrap=True)
