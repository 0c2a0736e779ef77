"""``pneumoscope bundles``: bundles side by side, and on the Hugging Face hub."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pneumoscope.support.terminal import results


class _DefaultCommandGroup(TyperGroup):
    """Group of commands whose default is ``compare``: ``bundles A B``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args[:1] != ["--help"] and (not args or args[0] not in self.commands):
            args = ["compare", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_DefaultCommandGroup,
    help="Compare bundles (the default), push them to the Hugging Face hub, or pull them from it.",
)


@app.command("compare")
def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="BUNDLE",
            help="Bundles to compare: folders, 'default' or 'adults'.",
            show_default="the bundles that come with the package",
        ),
    ] = None,
) -> None:
    """Compare bundles side by side: training data, operating points, performance.

    Each metric has its 95 % interval, resampled by patient, or by image if any patient is unknown.
    The word 'compare' may be left out.

    Examples:

        pneumoscope bundles
        pneumoscope bundles old-bundle new-bundle
    """
    from pneumoscope.cli.tables import bundles_table
    from pneumoscope.reader import Bundle, find_bundle, shipped_bundles

    opened = [Bundle.open(find_bundle(name)) for name in names or shipped_bundles()]
    results.print(bundles_table(opened))


@app.command("push")
def push(
    bundle: Annotated[
        str, typer.Argument(metavar="BUNDLE", help="Bundle to push: a folder, or its name.")
    ],
    repository: Annotated[
        str, typer.Argument(metavar="USER/NAME", help="Repository of the hub to push it to.")
    ],
) -> None:
    """Push a bundle to a repository of the Hugging Face hub, with its model card as README.md.

    A new repository is private; make it public on its page. The token is that of 'hf auth login',
    or HF_TOKEN in the environment.

    Example:

        pneumoscope bundles push bundle our-hospital/pneumonia-children
    """
    from pneumoscope.export.hub import push_bundle
    from pneumoscope.reader import Bundle, find_bundle

    opened = Bundle.open(find_bundle(bundle))
    address = push_bundle(opened, repository)
    results.print(f"Pushed: {opened.identity}, {address}", soft_wrap=True)


@app.command("pull")
def pull(
    name: Annotated[
        str,
        typer.Argument(
            metavar="USER/NAME[@REVISION]",
            help="Repository of the hub, and a branch, tag or commit of it.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder to write the bundle to; must not exist."),
    ],
) -> None:
    """Pull a bundle from a repository of the Hugging Face hub, and check every byte of it.

    Compare the printed identity with the one that the owner states.

    Examples:

        pneumoscope bundles pull our-hospital/pneumonia-children --out bundle
        pneumoscope bundles pull our-hospital/pneumonia-children@v1 --out bundle
    """
    from pneumoscope.export.hub import pull_bundle

    bundle = pull_bundle(name, out)
    results.print(f"Bundle: {out}, {bundle.identity}", soft_wrap=True)
