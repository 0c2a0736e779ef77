"""Commands on the networks that can be trained."""

from typing import Annotated

import typer

from pneumoscope.support.terminal import results

app = typer.Typer()


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List every model with its parameters; 'models show NAME' prints its layers.

    Examples:

      pneumoscope models

      pneumoscope models show model_3
    """
    if context.invoked_subcommand is not None:
        return
    from pneumoscope.cli.tables import models_table

    results.print(models_table())


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Such as model_3.")],
) -> None:
    """Print the layers of a model as a table, for images of its size."""
    from pneumoscope.cli.tables import layers_table

    results.print(layers_table(name))
