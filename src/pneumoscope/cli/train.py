"""``pneumoscope train``: train one model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli import options
from pneumoscope.support.terminal import messages, results

if TYPE_CHECKING:
    from pneumoscope.dataset import Manifest
    from pneumoscope.training import Recipe


def train(
    source: options.SourceArgument,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Model to train; 'pneumoscope models' lists them. Or a function of another "
            "package that builds a network, as MODULE:FUNCTION.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Folder of Runs; the new Run is its folder DIR/NAME, see --name."
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Name of the Run's folder in --out, so that several Runs of a model can lie in "
            "it.",
            show_default="the model's name",
        ),
    ] = None,
    weights: options.WeightsOption = None,
    images: options.ImagesOption = None,
    split_by: options.SplitByChoice = None,
    seed: options.SeedOption = None,
    recipe: options.RecipeOption = None,
    settings: options.SettingsOption = None,
    patient_from: options.PatientFromOption = None,
    negatives: options.NegativeOption = None,
    test: Annotated[
        bool,
        typer.Option(
            "--test",
            help="Evaluate on the test split too. Each reading of it is recorded, since a test "
            "split that is read again and again is no test any more.",
        ),
    ] = False,
    strict: options.StrictOption = False,
    device: options.DeviceOption = None,
    log: options.LogOption = None,
    resume: options.ResumeOption = False,
    dry_run: options.DryRunOption = False,
) -> None:
    """Train one model into a Run directory, and evaluate it on the validation split.

    The Run keeps the recipe, the manifest, the weights, the history and every reading of the test
    split, which is read with --test alone.

    Examples:

        pneumoscope train manifest.parquet --model model_4 --out runs
        pneumoscope train chest_xray --model model_2 --out runs --set augmentation.flip=true
        pneumoscope train manifest.parquet --model model_4 --out runs --resume --test
        pneumoscope train manifest.parquet --model model_4 --out runs --resume --set epochs=20
        pneumoscope train manifest.parquet --model model_4 --out runs --name slow --set epochs=40
        pneumoscope train manifest.parquet --model compact --out runs --log tensorboard
        pneumoscope train manifest.parquet --model my_package.my_module:build --out runs
    """
    from pneumoscope import training
    from pneumoscope.cli.tables import metrics_table
    from pneumoscope.dataset import Split
    from pneumoscope.dataset.reading_log import describe_host_readings
    from pneumoscope.training.loggers import open_loggers

    folder = out / options.check_run_name(name or model)
    settled = options.recipe_from_options(model, recipe, weights, seed, settings)
    loggers = open_loggers(log or ())
    manifest = options.open_source(
        source, images, split_by, settled.seed, strict, patient_from, negatives
    )
    if dry_run:
        print_cost(manifest, [settled])
        return
    store = training.ExampleStore(manifest, options.open_cache())
    run = training.train(store, settled, folder, resume=resume, loggers=loggers)
    results.print(metrics_table(run, Split.VALIDATION))
    if test:
        training.evaluate_once(run, store)
        results.print(metrics_table(run, Split.TEST))
        results.print(describe_host_readings(manifest.fingerprint))
    results.print(f"Run: {run.folder}", soft_wrap=True)


def print_cost(manifest: "Manifest", recipes: "Sequence[Recipe]") -> None:
    """Print the estimated time and memory of trainings."""
    from pneumoscope.cli.tables import estimates_table
    from pneumoscope.dataset import Split
    from pneumoscope.training.cost_estimate import estimate_cost

    train_count, validation_count = (
        len(manifest.of(split)) for split in (Split.TRAIN, Split.VALIDATION)
    )
    with messages.status("Timing a few training steps of each model"):
        estimates = [estimate_cost(recipe, train_count, validation_count) for recipe in recipes]
    results.print(estimates_table(estimates))
