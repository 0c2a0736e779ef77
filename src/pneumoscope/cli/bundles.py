"""``pneumoscope bundles``: bundles side by side, and on the Hugging Face hub."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pneumoscope.cli import options
from pneumoscope.support.terminal import messages, results


class _DefaultCommandGroup(TyperGroup):
    """Group of commands whose default is ``compare``: ``bundles A B``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args[:1] != ["--help"] and (not args or args[0] not in self.commands):
            args = ["compare", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_DefaultCommandGroup,
    help="Compare bundles (the default), measure one on its test split, push one to the Hugging "
    "Face hub, or pull one from it.",
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


@app.command("measure")
def measure(
    bundle: Annotated[
        str, typer.Argument(metavar="BUNDLE", help="Bundle to measure: a folder, or its name.")
    ],
    data: Annotated[
        Path,
        typer.Option(metavar="SOURCE", help="Dataset that the bundle was trained on."),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder to write the copy to; must not exist."),
    ],
    images: options.ImagesOption = None,
) -> None:
    """Measure a bundle on its test split, and write a copy that states the metrics.

    Only such a bundle says what a finding means at a prevalence. The reading of the test split is
    recorded in the bundle's folder. Network, calibration and thresholds stay as they are.

    Examples:

        pneumoscope bundles measure bundle --data chest_xray --out measured
        pneumoscope bundles measure bundle --data manifest.csv --images chest_xray --out measured
    """
    from pneumoscope.cli.tables import bundles_table
    from pneumoscope.export.measure import state_test_metrics
    from pneumoscope.reader import open_reader
    from pneumoscope.support.errors import BundleError
    from pneumoscope.support.files import require_empty
    from pneumoscope.workflows.evaluate import read_test_split

    require_empty(out)
    reader = open_reader(bundle)
    manifest = options.open_source(data, images)
    learned = reader.bundle.record.training_data.fingerprint
    if manifest.fingerprint != learned:
        raise BundleError(
            f"{data}: its fingerprint is {manifest.fingerprint[:12]}, and {reader.bundle.identity} "
            f"was trained on {learned[:12]}: it may have learned from these images. Pass the "
            "dataset that it was trained on, or use 'pneumoscope validate' for images of your own"
        )
    model = read_test_split(reader, manifest)
    if model.readings is not None:
        messages.print(str(model.readings.recorded), style="yellow")
    source = f"the data {manifest.fingerprint[:12]}"
    measured = state_test_metrics(reader.bundle, model.subject.predictions, out, source)
    results.print(bundles_table([measured]))
    results.print(f"Bundle: {out}, {measured.identity}", soft_wrap=True)


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
