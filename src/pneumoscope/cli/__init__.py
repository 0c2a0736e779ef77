"""The command line: one thin command per verb a person would say."""

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated

import typer

import pneumoscope
from pneumoscope.cli import cache, clinic, data, evaluation, models, reading, training
from pneumoscope.support.errors import PneumoscopeError, RunInterruptedError
from pneumoscope.support.terminal import messages, results

app = typer.Typer(
    name="pneumoscope",
    help="Learns to see pneumonia on chest radiographs, and reports honestly how well it does.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Learns to see pneumonia on chest radiographs, and reports honestly how well it does."""


@app.command()
def version() -> None:
    """Print the version."""
    results.print(pneumoscope.__version__)


app.add_typer(reading.app)
app.add_typer(training.app)
app.add_typer(evaluation.app)
app.add_typer(clinic.app)
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")
app.add_typer(cache.app, name="cache")


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
    if isinstance(sys.stdout, TextIOWrapper):  # names of files may be in another encoding
        sys.stdout.reconfigure(errors="surrogateescape")
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
    **dict.fromkeys(("jinja2", "matplotlib", "pyarrow", "scipy"), "evaluate"),
    **dict.fromkeys(("sklearn", "weasyprint"), "evaluate"),
    **dict.fromkeys(("h5py", "kagglehub", "onnxscript", "optuna", "platformdirs"), "train"),
    **dict.fromkeys(("requests", "safetensors", "torch"), "train"),
    **dict.fromkeys(("huggingface_hub", "transformers"), "train"),
    **dict.fromkeys(
        ("alembic", "argon2", "dicomanonymizer", "fastapi", "fhir", "limits"), "clinic"
    ),
    **dict.fromkeys(
        ("prometheus_client", "psycopg", "python_multipart", "sqlalchemy", "uvicorn"), "clinic"
    ),
}
"""The extra that brings a package."""
