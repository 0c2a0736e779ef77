"""Command line: one command per verb, each in the module of its name."""

import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import Annotated

import typer

import pneumoscope
from pneumoscope.cli import (
    bundles,
    cache,
    clinic,
    data,
    evaluate,
    experiment,
    export,
    inspect,
    lungs,
    models,
    predict,
    read,
    recalibrate,
    runs,
    serve,
    train,
    tune,
    validate,
)
from pneumoscope.support.errors import PneumoscopeError, RunInterruptedError
from pneumoscope.support.terminal import messages, results

app = typer.Typer(
    name="pneumoscope",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; for bug reports.")
    ] = False,
) -> None:
    """Detect pneumonia on chest radiographs: read, train, evaluate, and run a clinic server.

    Not a medical device: no regulator has cleared it, and nobody should be treated by its readings.
    """


_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Read radiographs": (read.read, inspect.inspect),
    "Train networks": (experiment.experiment, train.train, tune.tune, export.export),
    "Evaluate readings": (
        evaluate.evaluate,
        predict.predict,
        validate.validate,
        recalibrate.recalibrate,
    ),
    "Run a clinic server": (
        serve.serve,
        clinic.labels,
        clinic.export_studies,
        clinic.purge,
        clinic.reference,
    ),
}
for panel, commands in _PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(bundles.app, name="bundles", rich_help_panel="Read radiographs")
app.add_typer(lungs.app, name="lungs", rich_help_panel="Read radiographs")
app.add_typer(models.app, name="models", rich_help_panel="Train networks")
app.add_typer(runs.app, name="runs", rich_help_panel="Train networks")
app.add_typer(clinic.audit, name="audit", rich_help_panel="Run a clinic server")
app.add_typer(data.app, name="data", rich_help_panel="Prepare data")
app.add_typer(cache.app, name="cache", rich_help_panel="Prepare data")


@app.command(rich_help_panel="Other")
def version() -> None:
    """Print the version of the package.

    Example:

        pneumoscope version
    """
    results.print(pneumoscope.__version__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error is a message and an exit code, never a traceback.

    Parameters
    ----------
    arguments
        Command line without the program's name; None for the process's own.

    Raises
    ------
    SystemExit
        Always, with exit code 0 on success, 1 after an error, 2 for a usage error and 130 if
        interrupted.
    """
    if isinstance(sys.stdout, TextIOWrapper):  # file names may be in any encoding
        sys.stdout.reconfigure(errors="surrogateescape")
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words  # accepted in any position
    try:
        app([word for word in words if word != "--debug"], prog_name="pneumoscope")
    except Exception as error:
        if debug:
            raise
        messages.print("Error:", style="bold red", end=" ")
        messages.print(_explain(error))
        raise SystemExit(130 if isinstance(error, RunInterruptedError) else 1) from error


def _explain(error: Exception) -> str:
    """Return the message of an error, and what to do."""
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
        "This is a defect of pneumoscope. Run the command again with --debug and report the output."
    )


_PACKAGES_OF = {
    "evaluate": "jinja2 matplotlib pyarrow scipy sklearn weasyprint",
    "train": "h5py huggingface_hub kagglehub onnxscript optuna platformdirs requests safetensors "
    "torch transformers",
    "clinic": "alembic argon2 dicomanonymizer fastapi fhir limits prometheus_client psycopg "
    "python_multipart sqlalchemy uvicorn",
    "tensorboard": "tensorboard",
    "mlflow": "mlflow",
    "wandb": "wandb",
}
_EXTRA_OF = {
    package: extra for extra, packages in _PACKAGES_OF.items() for package in packages.split()
}
"""Optional dependency group (extra) that installs each package."""
