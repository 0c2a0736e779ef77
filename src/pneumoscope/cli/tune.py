"""``pneumoscope tune``: search for a better recipe."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pneumoscope.cli import options
from pneumoscope.support.errors import RecipeError
from pneumoscope.support.terminal import results


def tune(
    source: options.SourceArgument,
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder to write the trials, the page and the best recipe to; must not exist "
            "unless --resume is given.",
        ),
    ],
    budget: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Time after which no further trial begins: a number and s, m, h or d, such as "
            "45m or 2h.",
        ),
    ],
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Model to search among; repeatable. A name, or a function of another package as "
            "MODULE:FUNCTION.",
            show_default="compact",
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(min=2, max=20, help="Number of cross-validation folds."),
    ] = 3,
    held_out: Annotated[
        Literal["patients", "acquisition"],
        typer.Option(
            help="Part of the data that a fold is evaluated on: other patients, or images of an "
            "acquisition unlike the rest."
        ),
    ] = "patients",
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Largest number of trials in this call.",
            show_default="as many as --budget allows",
        ),
    ] = None,
    images: options.ImagesOption = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, help="Random seed of the split, the folds, the trainings and the sampler."
        ),
    ] = 0,
    settings: options.SettingsOption = None,
    patient_from: options.PatientFromOption = None,
    negatives: options.NegativeOption = None,
    strict: options.StrictOption = False,
    device: options.DeviceOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the search in --out.")] = False,
) -> None:
    """Search for a better recipe by cross-validation; the test split is not read.

    Folds are drawn from the train and validation splits. Settings given with --set are fixed.
    Trials that look worse than the median are stopped early.

    Examples:

        pneumoscope tune chest_xray --out search --budget 2h
        pneumoscope tune chest_xray --out search --budget 8h --set epochs=12 --set image_size=128
        pneumoscope tune chest_xray --out search --budget 2h --resume
        pneumoscope tune chest_xray --out acquisitions --budget 8h --held-out acquisition
    """
    from pneumoscope.training.search import PAGE_FILE, HeldOut, Search, SearchPlan, write_page

    seconds = _seconds(budget)
    plan = SearchPlan(
        tuple(dict.fromkeys(models or ["compact"])),
        tuple(settings or ()),
        folds,
        HeldOut(held_out),
        seed,
    )
    manifest = options.open_source(source, images, None, seed, strict, patient_from, negatives)
    search = Search(manifest, plan, out, options.open_cache(), resume=resume)
    try:
        search.run(seconds, trials)
    finally:
        write_page(search)
    results.print(f"Page: {out / PAGE_FILE}", soft_wrap=True)


def _seconds(text: str) -> float:
    """Parse a duration.

    Examples
    --------
    >>> _seconds("90m"), _seconds("2h"), _seconds("1.5h"), _seconds("30s")
    (5400.0, 7200.0, 5400.0, 30.0)
    """
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = text[:-1], text[-1:]
    try:
        seconds = float(number) * units[unit]
    except (KeyError, ValueError):
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise RecipeError(
            f"--budget must be a number and s, m, h or d, such as 45m or 2h, not '{text}'"
        )
    return seconds
