"""``pneumoscope runs``: list, compare and remove Runs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pneumoscope.support.terminal import messages, results

app = typer.Typer(help="Manage Runs: list, compare and remove them.", no_args_is_help=True)


@app.command("list")
def list_folder(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to search, with its subfolders.")
    ],
    form: Annotated[
        Literal["table", "json", "csv"], typer.Option("--format", help="Format of the rows.")
    ] = "table",
) -> None:
    """List the Runs in a folder: model, data, epochs, validation AUC, test readings, size.

    A Run that cannot be read is listed with the reason, and the exit code is then 1.

    Examples:

        pneumoscope runs list runs
        pneumoscope runs list runs --format csv
    """
    from pneumoscope.cli import run_tables
    from pneumoscope.training.runs.listing import list_runs

    runs = list_runs(folder)
    match form:
        case "json":
            results.print(run_tables.runs_json(runs), soft_wrap=True)
        case "csv":
            results.print(run_tables.runs_csv(runs), end="", soft_wrap=True)
        case "table":
            results.print(run_tables.runs_table(runs) if runs else f"No Runs in {folder}")
    for run in runs:
        if run.problem is not None:
            messages.print(run.problem, style="yellow")
    if any(run.problem is not None for run in runs):
        raise typer.Exit(1)


@app.command("compare")
def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run directories to compare.")
    ],
    form: Annotated[
        Literal["table", "json"], typer.Option("--format", help="Format of the output.")
    ] = "table",
) -> None:
    """Compare Runs: the settings that differ, and their results on validation images.

    Differences are paired, and stated for Runs that have the same validation images. The test split
    is not read; 'pneumoscope evaluate RUN RUN --out DIR' compares on it.

    Example:

        pneumoscope runs compare runs/seed0/compact runs/seed1/compact
    """
    from pneumoscope.cli import run_tables
    from pneumoscope.training.runs.comparison import compare_runs

    comparison = compare_runs(runs)
    if form == "json":
        results.print(run_tables.comparison_json(comparison), soft_wrap=True)
        return
    for table in run_tables.run_comparison_tables(comparison):
        results.print(table)


@app.command("rm")
def remove(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory to remove.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove it without asking.")] = False,
) -> None:
    """Remove a Run, after stating what would be lost and asking.

    Files in its folder that are not the Run's own stay, and links are not followed.

    Examples:

        pneumoscope runs rm runs/model_1
        pneumoscope runs rm runs/model_1 --yes
    """
    from rich.filesize import decimal

    from pneumoscope.training.runs.removal import RunRemoval

    removal = RunRemoval.plan(run)
    size = decimal(removal.size)
    messages.print(f"{run}: {len(removal.files)} files, {size}. With it is lost:")
    for loss in removal.losses:
        messages.print(f"- {loss}")
    if removal.others:
        others = ", ".join(str(path.relative_to(run)) for path in removal.others)
        messages.print(
            f"Not of the Run, and stays: {others}. Remove it before a new Run takes this name"
        )
    if not yes:
        typer.confirm("Remove it?", abort=True, err=True)
    removal.carry_out()
    results.print(f"Removed: {run}, {size} freed", soft_wrap=True)
