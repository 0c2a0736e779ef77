"""Commands that learn from a dataset and judge what was learned."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli.options import (
    DryRunOption,
    ImagesOption,
    RecipeOption,
    ResumeOption,
    SeedOption,
    SettingsOption,
    SourceArgument,
    SplitByChoice,
    StrictOption,
    WeightsOption,
    open_cache,
    open_source,
)
from pneumoscope.support.errors import RecipeError, RunError
from pneumoscope.support.terminal import messages, results

if TYPE_CHECKING:
    from pneumoscope.dataset import Manifest
    from pneumoscope.training import Recipe

app = typer.Typer()


class HeldOutOption(StrEnum):
    """What each fold of a search is judged on."""

    patients = "patients"
    machines = "machines"


class ExportFormat(StrEnum):
    """What a Run is exported for."""

    bundle = "bundle"
    pytorch = "pytorch"
    monai = "monai"


@app.command()
def experiment(
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Gets Runs and report.")],
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME", help="Train only this one; repeatable."),
    ] = None,
    weights: WeightsOption = None,
    min_recall: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Choose the highest precision among models of at least this recall."
        ),
    ] = 0.99,
    images: ImagesOption = None,
    split_by: SplitByChoice = None,
    seed: SeedOption = None,
    settings: SettingsOption = None,
    strict: StrictOption = False,
    resume: ResumeOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Train the notebook's seven models, compare them and choose one: the main job.

    Examples:

      pneumoscope experiment chest_xray --out experiment

      pneumoscope experiment labels.csv --images radiographs --out experiment --weights none

      pneumoscope experiment chest_xray --out quick --model model_1 --model model_4 --set epochs=2

      pneumoscope experiment chest_xray --out experiment --dry-run
    """
    from pneumoscope.cli.tables import comparison_table
    from pneumoscope.models import NOTEBOOK_MODELS
    from pneumoscope.workflows.experiment import run_experiment

    recipes = [
        _recipe(model, None, weights, seed, settings)
        for model in dict.fromkeys(models or NOTEBOOK_MODELS)
    ]
    manifest = open_source(source, images, split_by, recipes[0].seed, strict)
    if dry_run:
        _estimate(manifest, recipes)
        return
    result = run_experiment(
        manifest, recipes, out, open_cache(), min_recall=min_recall, resume=resume
    )
    results.print(comparison_table(result))
    results.print(f"Chosen: {result.choice.name}, by the rule: {result.choice.rule}")
    results.print(f"Report: {out / 'report.html'}", soft_wrap=True)


@app.command()
def train(
    source: SourceArgument,
    model: Annotated[str, typer.Option("--model", help="Its name; see 'pneumoscope models'.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Gets the folder DIR/MODEL.")],
    weights: WeightsOption = None,
    images: ImagesOption = None,
    split_by: SplitByChoice = None,
    seed: SeedOption = None,
    recipe: RecipeOption = None,
    settings: SettingsOption = None,
    strict: StrictOption = False,
    resume: ResumeOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Train one model into a Run directory, and judge it.

    Examples:

      pneumoscope train manifest.parquet --model model_4 --out runs

      pneumoscope train chest_xray --model model_2 --out runs --set augmentation.flip=true

      pneumoscope train manifest.parquet --model model_4 --out runs --resume
    """
    from pneumoscope import training

    settled = _recipe(model, recipe, weights, seed, settings)
    manifest = open_source(source, images, split_by, settled.seed, strict)
    if dry_run:
        _estimate(manifest, [settled])
        return
    store = training.ExampleStore(manifest, open_cache())
    run = training.train(store, settled, out / model, resume=resume)
    training.evaluate_once(run, store)
    results.print(f"Run: {run.folder}", soft_wrap=True)


@app.command()
def tune(
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Gets trials, page, recipe.")],
    budget: Annotated[str, typer.Option("--budget", metavar="TIME", help="Such as 45m or 2h.")],
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME", help="Search this one too; repeatable."),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, max=20, help="How many.")] = 3,
    held_out: Annotated[
        HeldOutOption,
        typer.Option(
            help="What a fold is judged on: other patients, or a machine unlike the rest."
        ),
    ] = HeldOutOption.patients,
    trials: Annotated[int | None, typer.Option(min=1, help="At most, in this call.")] = None,
    images: ImagesOption = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of the split, folds, trainings and sampler.")
    ] = 0,
    settings: SettingsOption = None,
    strict: StrictOption = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the search that --out holds.")
    ] = False,
) -> None:
    """Search for a better recipe on folds of train and validation; the test split is not read.

    What --set names is not searched. Trials that look worse than the median end early.

    Examples:

      pneumoscope tune chest_xray --out search --budget 2h

      pneumoscope tune chest_xray --out search --budget 8h --set epochs=12 --set image_size=128

      pneumoscope tune chest_xray --out search --budget 2h --resume

      pneumoscope tune chest_xray --out machines --budget 8h --held-out machines
    """
    from pneumoscope.training.search.page import PAGE, write_page
    from pneumoscope.training.search.plan import HeldOut, Plan
    from pneumoscope.training.search.search import Search

    seconds = _seconds(budget)
    plan = Plan(
        tuple(dict.fromkeys(models or ["compact"])),
        tuple(settings or ()),
        folds,
        HeldOut(held_out.value),
        seed,
    )
    manifest = open_source(source, images, None, seed, strict)
    search = Search(manifest, plan, out, open_cache(), resume=resume)
    try:
        search.run(seconds, trials)
    finally:
        write_page(search)
    results.print(f"Page: {out / PAGE}", soft_wrap=True)


def _seconds(text: str) -> float:
    """Read a duration.

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
        raise RecipeError(f"--budget {text}: write a number and s, m, h or d, such as 45m or 2h")
    return seconds


@app.command()
def export(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run directories; several: an ensemble.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="Gets the bundle; new.")],
    name: Annotated[
        str | None, typer.Option(help="As readings carry it; the name of --out if not given.")
    ] = None,
    notice: Annotated[
        str | None, typer.Option(help="What users must know before all else; shown when reading.")
    ] = None,
    population: Annotated[
        str, typer.Option(help="Whose radiographs it learned from; for the model card.")
    ] = "not stated",
    images: ImagesOption = None,
    limits: Annotated[
        list[str] | None,
        typer.Option("--limit", help="A limit of its own, for the model card; repeatable."),
    ] = None,
    form: Annotated[
        ExportFormat, typer.Option("--format", help="The last two are for one Run.")
    ] = ExportFormat.bundle,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Multiply 8-bit integers; refused unless faster here and as good on validation.",
        ),
    ] = False,
    fit_on: Annotated[
        Path | None,
        typer.Option(
            "--fit-on",
            metavar="PREDICTIONS.csv",
            help="Cross-validated predictions to fit calibration and operating points on, instead "
            "of the validation split.",
        ),
    ] = None,
) -> None:
    """Export a finished Run, or several as an ensemble, into a bundle that reads radiographs.

    Calibration, operating points and quality gate are fitted on validation images, none on test.

    Examples:

      pneumoscope export runs/compact --out bundle

      pneumoscope export seed0/compact seed1/compact --out ensemble

      pneumoscope export runs/compact --out fast --int8

      pneumoscope export runs/compact --out network --format pytorch
    """
    from pneumoscope import training
    from pneumoscope.evaluation.predictions import Predictions
    from pneumoscope.export.bundle import export_bundle
    from pneumoscope.export.pytorch import export_monai, export_pytorch

    opened = [training.Run.open(run) for run in runs]
    if form is not ExportFormat.bundle:
        if len(opened) > 1:
            raise RunError(f"--format {form} takes one Run; export them one by one")
        if int8 or fit_on is not None:
            raise RunError(
                f"--format {form} has the weights as they are, and nothing is fitted; --int8 "
                "and --fit-on are for bundles"
            )
        (export_pytorch if form is ExportFormat.pytorch else export_monai)(opened[0], out)
        results.print(f"Network: {out}", soft_wrap=True)
        return
    bundle = export_bundle(
        opened,
        out,
        open_cache(),
        name or out.name,
        notice,
        population,
        images,
        limits or (),
        int8=int8,
        fit_on=None if fit_on is None else Predictions.read(fit_on),
    )
    results.print(f"Bundle: {out}, {bundle.identity}", soft_wrap=True)


def _recipe(
    model: str,
    file: Path | None,
    weights: str | None,
    seed: int | None,
    settings: list[str] | None,
) -> "Recipe":
    from pneumoscope.training import make_recipe

    given = {"seed": seed, "weights": weights}
    return make_recipe(
        model,
        file,
        settings or (),
        **{name: value for name, value in given.items() if value is not None},
    )


def _estimate(manifest: "Manifest", recipes: "Sequence[Recipe]") -> None:
    from pneumoscope.cli.tables import estimates_table
    from pneumoscope.dataset import Split
    from pneumoscope.training.cost_estimate import estimate

    train, validation = (len(manifest.of(split)) for split in (Split.TRAIN, Split.VALIDATION))
    with messages.status("Timing a few steps of each model"):
        estimates = [estimate(recipe, train, validation) for recipe in recipes]
    results.print(estimates_table(estimates))
