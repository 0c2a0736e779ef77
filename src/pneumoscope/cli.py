"""The command line: one thin command per verb a person would say."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import pneumoscope
from pneumoscope.errors import PneumoscopeError, RunInterruptedError
from pneumoscope.terminal import messages, results

if TYPE_CHECKING:
    from pneumoscope.cache import ArrayCache
    from pneumoscope.dataset import Manifest
    from pneumoscope.training import Recipe

app = typer.Typer(
    name="pneumoscope",
    help="Learns to see pneumonia on chest radiographs, and reports honestly how well it does.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(
    help="Datasets: manifests, summaries, downloads, phantoms.", no_args_is_help=True
)
models_app = typer.Typer()
cache_app = typer.Typer(
    help="Prepared pixels and features of VGG16 that are kept on disk.", no_args_is_help=True
)
app.add_typer(data_app, name="data")
app.add_typer(models_app, name="models")
app.add_typer(cache_app, name="cache")


class SplitByOption(StrEnum):
    """What stays on one side when validation is split off."""

    patient = "patient"
    image = "image"


class Publisher(StrEnum):
    """Who offers the dataset."""

    mendeley = "mendeley"
    kaggle = "kaggle"
    medmnist = "medmnist"


SourceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        help="A folder (split/CLASS/* or CLASS/*), a table (CSV or Parquet with the columns file "
        "and label), or a manifest.",
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        "--images", metavar="DIR", help="What the paths of a table or manifest are relative to."
    ),
]
SplitByChoice = Annotated[
    SplitByOption | None,
    typer.Option(
        "--split-by",
        help="What stays on one side when validation is split off: patient (default), or image as "
        "the notebook did it, which leaks.",
    ),
]
SplitSeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of the split.")]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed",
        min=0,
        help="Of the split, initial weights and order of images; 0, or the recipe's, if not given.",
    ),
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Stop at the first image that cannot be read.")
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of the recipe, such as epochs=5 or augmentation.rotation=10; repeatable.",
    ),
]
RecipeOption = Annotated[
    Path | None,
    typer.Option("--recipe", metavar="YAML", help="A file with settings; --set goes before it."),
]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="imagenet|none|PATH",
        help="Of VGG16: imagenet (the default; downloaded once), none (random), or a file of Keras "
        "or torchvision.",
    ),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on from the last finished epoch of an earlier call.")
]
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Say how long it will take and how much memory, and stop."),
]


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Learns to see pneumonia on chest radiographs, and reports honestly how well it does."""


@app.command()
def version() -> None:
    """Print the version."""
    results.print(pneumoscope.__version__)


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
    from pneumoscope.cli_tables import comparison_table
    from pneumoscope.experiment import run_experiment
    from pneumoscope.models import MODELS

    recipes = [
        _recipe(model, None, weights, seed, settings) for model in dict.fromkeys(models or MODELS)
    ]
    manifest = _open(source, images, split_by, recipes[0].seed, strict)
    if dry_run:
        _estimate(manifest, recipes)
        return
    result = run_experiment(manifest, recipes, out, _cache(), min_recall=min_recall, resume=resume)
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
    manifest = _open(source, images, split_by, settled.seed, strict)
    if dry_run:
        _estimate(manifest, [settled])
        return
    store = training.ExampleStore(manifest, _cache())
    run = training.train(store, settled, out / model, resume=resume)
    training.evaluate_once(run, store)
    results.print(f"Run: {run.folder}", soft_wrap=True)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A Run directory.")],
    images: ImagesOption = None,
) -> None:
    """Judge a finished Run on its test split; each reading is noted in the Run.

    Example:

      pneumoscope evaluate runs/model_4
    """
    from pneumoscope import training
    from pneumoscope.cli_tables import metrics_table

    opened = training.Run.open(run)
    training.evaluate_run(opened, training.ExampleStore(opened.manifest(images), _cache()))
    results.print(metrics_table(opened))


@data_app.command("manifest")
def data_manifest(
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
    from pneumoscope.cli_tables import counts_table

    manifest = _open(source, images, split_by, seed, strict)
    manifest.write(out)
    results.print(counts_table(manifest))
    results.print(f"Set aside: {len(manifest.set_aside)}")
    results.print(f"Manifest: {out}", soft_wrap=True)


@data_app.command("summary")
def data_summary(
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
    from pneumoscope.dataset.summary import summarise

    page = summarise(_open(source, images, split_by, seed, strict), out, seed)
    results.print(f"Summary: {page}", soft_wrap=True)


@data_app.command("fetch")
def data_fetch(
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


@data_app.command("phantoms")
def data_phantoms(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Gets the images; new.")],
    count: Annotated[int, typer.Option(help="Images in all.")] = 600,
    size: Annotated[int, typer.Option(help="Side in pixels.")] = 224,
    seed: Annotated[int, typer.Option(help="Same seed, same images.")] = 0,
) -> None:
    """Draw synthetic chest radiographs, for trying things out; they show no patient.

    Example:

      pneumoscope data phantoms --out phantoms --count 600
    """
    from pneumoscope.dataset.phantoms import generate_phantoms

    results.print(f"Phantoms: {generate_phantoms(out, count, size, seed)}", soft_wrap=True)


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List every model with its parameters; 'models show NAME' prints its layers.

    Examples:

      pneumoscope models

      pneumoscope models show model_3
    """
    if context.invoked_subcommand is not None:
        return
    from pneumoscope.cli_tables import models_table

    results.print(models_table())


@models_app.command("show")
def models_show(
    name: Annotated[str, typer.Argument(help="Such as model_3.")],
) -> None:
    """Print the layers of a model as a table, at the notebook's image size."""
    from pneumoscope.cli_tables import layers_table

    results.print(layers_table(name))


@cache_app.command("list")
def cache_list() -> None:
    """List what is kept, with its size and when it was last used.

    Example:

      pneumoscope cache list
    """
    from rich.filesize import decimal

    from pneumoscope.cli_tables import cache_table

    cache = _cache()
    results.print(cache_table(cache))
    total = decimal(sum(entry.bytes for entry in cache.entries()))
    limit = decimal(int(cache.limit))
    results.print(f"{total} of at most {limit} in {cache.folder}", soft_wrap=True)


@cache_app.command("clear")
def cache_clear() -> None:
    """Remove all that is kept; it is made anew when it is needed.

    Downloaded weights stay.

    Example:

      pneumoscope cache clear
    """
    from rich.filesize import decimal

    cache = _cache()
    removed = cache.clear()
    freed = decimal(sum(entry.bytes for entry in removed))
    results.print(f"Removed: {len(removed)}, {freed} freed in {cache.folder}", soft_wrap=True)
    if left := len(cache.entries()):
        results.print(f"Left: {left}, in use by another process or not yours to remove")


def _open(
    source: Path, images: Path | None, split_by: SplitByOption | None, seed: int, strict: bool
) -> "Manifest":
    from pneumoscope.dataset import open_dataset
    from pneumoscope.dataset.manifest import SplitBy

    wanted = None if split_by is None else SplitBy(split_by.value)
    return open_dataset(source, images, wanted, seed, strict)


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
    from pneumoscope.cli_tables import estimates_table
    from pneumoscope.dataset import Split
    from pneumoscope.training.estimate import estimate

    train, validation = (len(manifest.of(split)) for split in (Split.TRAIN, Split.VALIDATION))
    with messages.status("Timing a few steps of each model"):
        estimates = [estimate(recipe, train, validation) for recipe in recipes]
    results.print(estimates_table(estimates))


def _cache() -> "ArrayCache":
    from platformdirs import user_cache_path

    from pneumoscope.cache import ArrayCache

    return ArrayCache(user_cache_path("pneumoscope") / "arrays")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error is a message and an exit code, never a traceback.

    Parameters
    ----------
    arguments
        Instead of the process's own.

    Raises
    ------
    SystemExit
        Always: 0 if all is well, 1 after an error, 2 for a wrong call, 130 if interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words  # wherever it stands
    try:
        app([word for word in words if word != "--debug"], prog_name="pneumoscope")
    except Exception as error:
        if debug:
            raise
        messages.print("Error:", style="bold red", end=" ")
        messages.print(_explain(error))
        raise SystemExit(130 if isinstance(error, RunInterruptedError) else 1) from error


def _explain(error: Exception) -> str:
    if isinstance(error, PneumoscopeError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRA_OF:
        extra = _EXTRA_OF[error.name]
        return (
            f"this command needs {error.name}, which is not installed; run: "
            f'pip install "pneumoscope[{extra}]"'
        )
    return (
        f"unexpected: {type(error).__name__}: {error}\n"
        "This is a defect of pneumoscope. Run again with --debug and report it."
    )


_EXTRA_OF = {
    **dict.fromkeys(("jinja2", "matplotlib", "pyarrow"), "evaluate"),
    **dict.fromkeys(("h5py", "kagglehub", "platformdirs", "pydantic"), "train"),
    **dict.fromkeys(("requests", "safetensors", "torch", "yaml"), "train"),
}
"""The extra that brings a package."""


if __name__ == "__main__":
    main()
