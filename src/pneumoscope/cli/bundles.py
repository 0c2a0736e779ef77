"""``pneumoscope bundles``: bundles side by side."""

from typing import Annotated

import typer

from pneumoscope.support.terminal import results


def bundles(
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

    Examples:

        pneumoscope bundles
        pneumoscope bundles old-bundle new-bundle
    """
    from pneumoscope.cli.tables import bundles_table
    from pneumoscope.reader import Bundle, find_bundle, shipped_bundles

    opened = [Bundle.open(find_bundle(name)) for name in names or shipped_bundles()]
    results.print(bundles_table(opened))
