"""``pneumoscope experiment``: train several models, compare them and choose one."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli import options
from pneumoscope.cli.train import print_cost
from pneumoscope.support.terminal import messages, results


def experiment(
    source: options.SourceArgument,
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder to write the Runs and the report to; must not exist unless --resume is "
            "given.",
        ),
    ],
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Model to train; repeatable. A name, or a function of another package as "
            "MODULE:FUNCTION.",
            show_default="the notebook's seven models",
        ),
    ] = None,
    weights: options.WeightsOption = None,
    min_recall: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Lowest acceptable recall (sensitivity) on validation; the model of the highest "
            "precision among those that reach it is chosen.",
        ),
    ] = 0.99,
    images: options.ImagesOption = None,
    split_by: options.SplitByChoice = None,
    seed: options.SeedOption = None,
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Number of trainings of each model, with seeds that follow --seed; the report "
            "shows the spread of their metrics.",
        ),
    ] = 1,
    folds: Annotated[
        int,
        typer.Option(
            metavar="K",
            min=0,
            help="Number of folds of a cross-validation of each model beside the experiment, by "
            "patient; 0 for none.",
        ),
    ] = 0,
    settings: options.SettingsOption = None,
    patient_from: options.PatientFromOption = None,
    negatives: options.NegativeOption = None,
    strict: options.StrictOption = False,
    device: options.DeviceOption = None,
    log: options.LogOption = None,
    resume: options.ResumeOption = False,
    dry_run: options.DryRunOption = False,
) -> None:
    """Train the notebook's seven models, compare them and choose one.

    The choice is made on validation images; the test split only reports how good it was.

    Examples:

        pneumoscope experiment chest_xray --out experiment
        pneumoscope experiment labels.csv --images radiographs --out experiment --weights none
        pneumoscope experiment chest_xray --out quick --model model_1 --model model_4 --set epochs=2
        pneumoscope experiment chest_xray --out repeated --seeds 3 --folds 5
        pneumoscope experiment chest_xray --out experiment --dry-run
        pneumoscope experiment chest_xray --out experiment --log tensorboard --log mlflow
        pneumoscope experiment chest_xray --out experiment --resume --set epochs=20
    """
    from pneumoscope.cli.tables import choice_lines, choice_warnings, comparison_table
    from pneumoscope.models import NOTEBOOK_MODELS
    from pneumoscope.training.loggers import open_loggers
    from pneumoscope.workflows.experiment import run_experiment

    recipes = [
        options.recipe_from_options(model, None, weights, seed, settings)
        for model in dict.fromkeys(models or NOTEBOOK_MODELS)
    ]
    loggers = open_loggers(log or ())
    manifest = options.open_source(
        source, images, split_by, recipes[0].seed, strict, patient_from, negatives
    )
    if dry_run:
        print_cost(manifest, recipes)
        if seeds + folds > 1:
            results.print(f"Each model is trained {seeds + folds} times.")
        return
    result = run_experiment(
        manifest,
        recipes,
        out,
        options.open_cache(),
        min_recall=min_recall,
        resume=resume,
        seeds=seeds,
        folds=folds,
        loggers=loggers,
    )
    results.print(comparison_table(result))
    for choice, where in (
        (result.own_thresholds.choice, "at its own threshold"),
        (result.choice, f"at {result.threshold:g}"),
    ):
        for line in choice_warnings(choice, where):
            messages.print(line, style="red")
    for line in choice_lines(result):
        results.print(line)
    for repeats in result.repeats:
        results.print(repeats.describe_choices())
    results.print(f"Report: {out / 'report.html'}", soft_wrap=True)
