"""The command line: one thin command per verb a person would say."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import pneumoscope
from pneumoscope.errors import PneumoscopeError
from pneumoscope.terminal import messages, results

if TYPE_CHECKING:
    from pneumoscope.dataset import Manifest
    from pneumoscope.evaluation.results import ExperimentResult
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
app.add_typer(data_app, name="data")
app.add_typer(models_app, name="models")


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
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, help="Of the split, initial weights and order of images.")
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
    seed: SeedOption = 0,
    settings: SettingsOption = None,
    strict: StrictOption = False,
    resume: ResumeOption = False,
) -> None:
    """Train the notebook's seven models, compare them and choose one: the main job.

    Examples
    --------
      pneumoscope experiment chest_xray --out experiment

      pneumoscope experiment labels.csv --images radiographs --out experiment --weights none

      pneumoscope experiment chest_xray --out quick --model model_1 --model model_4 --set epochs=2
    """
    from pneumoscope.experiment import run_experiment
    from pneumoscope.models import MODELS

    recipes = [
        _recipe(model, None, weights, seed, settings) for model in dict.fromkeys(models or MODELS)
    ]
    manifest = _open(source, images, split_by, seed, strict)
    result = run_experiment(manifest, recipes, out, _cache(), min_recall=min_recall, resume=resume)
    results.print(_comparison(result))
    verdict = "" if result.choice.qualified else " (no model reaches that recall)"
    results.print(f"Chosen: {result.choice.name}, by {result.choice.rule}{verdict}")
    results.print(f"Report: {out / 'report.html'}", soft_wrap=True)


@app.command()
def train(
    source: SourceArgument,
    model: Annotated[str, typer.Option("--model", help="Its name; see 'pneumoscope models'.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Gets the folder DIR/MODEL.")],
    weights: WeightsOption = None,
    images: ImagesOption = None,
    split_by: SplitByChoice = None,
    seed: SeedOption = 0,
    recipe: RecipeOption = None,
    settings: SettingsOption = None,
    strict: StrictOption = False,
    resume: ResumeOption = False,
) -> None:
    """Train one model into a Run directory, and judge it.

    Examples
    --------
      pneumoscope train manifest.parquet --model model_4 --out runs

      pneumoscope train chest_xray --model model_2 --out runs --set augmentation.flip=true

      pneumoscope train manifest.parquet --model model_4 --out runs --resume
    """
    from pneumoscope import training

    settled = _recipe(model, recipe, weights, seed, settings)
    store = training.ExampleStore(_open(source, images, split_by, seed, strict), _cache())
    run = training.train(store, settled, out / model, resume=resume)
    training.evaluate_run(run, store)
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

    opened = training.Run.open(run)
    metrics = training.evaluate_run(
        opened, training.ExampleStore(opened.manifest(images), _cache())
    )
    table = Table("metric (test)", "value", title=f"{opened.recipe.model}, n = {metrics.n}")
    for name, value in metrics.values().items():
        table.add_row(name, _figure(value))
    results.print(table)


@data_app.command("manifest")
def data_manifest(
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", metavar="M.parquet", help="The file to write.")],
    images: ImagesOption = None,
    split_by: SplitByChoice = None,
    seed: SeedOption = 0,
    strict: StrictOption = False,
) -> None:
    """Write the Manifest of a source: one row per image, with patient, split and hashes.

    Examples
    --------
      pneumoscope data manifest chest_xray --out manifest.parquet

      pneumoscope data manifest labels.csv --images radiographs --out manifest.parquet
    """
    manifest = _open(source, images, split_by, seed, strict)
    manifest.write(out)
    table = Table("split", "NORMAL", "PNEUMONIA", title=f"split by {manifest.split_by}")
    for split, counts in manifest.counts().items():
        table.add_row(split, *(f"{n:,}" for n in counts.values()))
    results.print(table)
    results.print(f"Set aside: {len(manifest.set_aside)}")
    results.print(f"Manifest: {out}", soft_wrap=True)


@data_app.command("summary")
def data_summary(
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Gets the page and figures.")],
    images: ImagesOption = None,
    split_by: SplitByChoice = None,
    seed: SeedOption = 0,
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
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Gets the dataset.")],
) -> None:
    """Download a dataset: 5,856 radiographs of children, or PneumoniaMNIST.

    Examples
    --------
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

    Examples
    --------
      pneumoscope models

      pneumoscope models show model_3
    """
    if context.invoked_subcommand is not None:
        return
    from pneumoscope.models import MODELS, count_parameters
    from pneumoscope.models.catalogue import describe_network

    table = Table("model", "what")
    for heading in ("parameters", "trainable", "not trainable"):
        table.add_column(heading, justify="right")
    for spec in MODELS.values():
        count = count_parameters(describe_network(spec))
        numbers = (count.total, count.trainable, count.non_trainable)
        table.add_row(spec.name, spec.description, *(f"{number:,}" for number in numbers))
    results.print(table)


@models_app.command("show")
def models_show(
    name: Annotated[str, typer.Argument(help="Such as model_3.")],
) -> None:
    """Print the layers of a model as a table, at the notebook's image size."""
    from pneumoscope.models import count_parameters, find_model
    from pneumoscope.models.catalogue import IMAGE_SIZE, describe_network
    from pneumoscope.models.layer_table import layer_table

    network = describe_network(find_model(name))
    table = Table("layer", "kind", title=name)
    table.add_column("output (channels × height × width)", justify="right")
    table.add_column("parameters", justify="right")
    for row in layer_table(network, IMAGE_SIZE):
        shape = " × ".join(str(side) for side in row.output_shape)
        table.add_row(row.name, row.kind, shape, f"{row.parameters:,}")
    results.print(table)
    count = count_parameters(network)
    results.print(f"Total parameters: {count.total:,}")
    results.print(f"Trainable: {count.trainable:,}")
    results.print(f"Not trainable: {count.non_trainable:,}")


def _open(
    source: Path, images: Path | None, split_by: SplitByOption | None, seed: int, strict: bool
) -> "Manifest":
    from pneumoscope.dataset import open_dataset
    from pneumoscope.dataset.manifest import SplitBy

    wanted = None if split_by is None else SplitBy(split_by.value)
    return open_dataset(source, images, wanted, seed, strict)


def _recipe(
    model: str, file: Path | None, weights: str | None, seed: int, settings: list[str] | None
) -> "Recipe":
    from pneumoscope.training import make_recipe

    given: dict[str, object] = {"seed": seed}
    if weights is not None:
        given["weights"] = weights
    return make_recipe(model, file, settings or (), **given)


def _cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("pneumoscope")


def _comparison(result: "ExperimentResult") -> Table:
    table = Table("model", title="Test split (chosen on validation)")
    for heading in ("epochs", "seconds", "accuracy", "precision", "recall", "AUC"):
        table.add_column(heading, justify="right")
    for model in result.models:
        figures = (model.test.accuracy, model.test.precision, model.test.recall, model.test.auc)
        table.add_row(
            model.name,
            str(model.epochs),
            f"{model.seconds:.0f}",
            *(_figure(value) for value in figures),
            style="bold" if model.name == result.choice.name else None,
        )
    return table


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


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
    except PneumoscopeError as error:
        if debug:
            raise
        messages.print("[bold red]Error:[/bold red]", end=" ")
        messages.print(str(error), markup=False)
        raise SystemExit(1) from error
    except ModuleNotFoundError as error:
        if debug or (error.name or "").startswith("pneumoscope"):
            raise
        messages.print(
            f"[bold red]Error:[/bold red] this command needs {error.name}, which is not installed; "
            'run: pip install "pneumoscope\\[train]"'
        )
        raise SystemExit(1) from error
    except Exception as error:
        if debug:
            raise
        messages.print("[bold red]Error:[/bold red] unexpected:", end=" ")
        messages.print(f"{type(error).__name__}: {error}", markup=False)
        messages.print("This is a defect of pneumoscope. Run again with --debug and report it.")
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
