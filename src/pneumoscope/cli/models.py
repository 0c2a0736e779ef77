"""``pneumoscope models``: the networks that can be trained."""

from typing import Annotated

import typer

from pneumoscope.support.terminal import results

app = typer.Typer()


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List the models that can be trained, with their numbers of parameters.

    Those that other installed packages offer come last. 'models show NAME' prints the layers of
    one.

    Examples:

        pneumoscope models
        pneumoscope models show model_3
    """
    if context.invoked_subcommand is not None:
        return
    from pneumoscope.cli.tables import models_table

    results.print(models_table())


@app.command("show")
def show_layers(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Model to show, such as model_3.")],
) -> None:
    """Print the layers of a model, with output shapes and numbers of parameters.

    Shapes are those for images of the model's own size.

    Example:

        pneumoscope models show model_3
    """
    from pneumoscope.cli.tables import layers_table

    results.print(layers_table(name))
