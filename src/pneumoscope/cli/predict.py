"""``pneumoscope predict``: probabilities of a Run for any images, as a table."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli import options
from pneumoscope.support.errors import RunError
from pneumoscope.support.terminal import results


def predict(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Directory of the finished Run to predict with.")
    ],
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGES...",
            help="Images to predict: files, folders (searched recursively), tables (CSV or Parquet "
            "with the column file, and optionally label, patient and others) or manifests.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Table to write, as CSV or (.parquet) Parquet; must not exist."
        ),
    ],
    images: options.ImagesOption = None,
    negatives: options.NegativeOption = None,
) -> None:
    """Predict images with a Run, before any export: a table of probabilities.

    Unlike 'read', it has no quality gate, calibration, finding or heat map. If labels are known,
    'evaluate' takes the table. Rows without a probability say why, and the
    exit code is then 1.

    Images of the Run's own test split are recognised, and the reading is recorded in the Run.

    Examples:

        pneumoscope predict runs/compact radiographs --out predictions.csv
        pneumoscope predict runs/compact labels.csv --images radiographs --out predictions.parquet
        pneumoscope predict runs/compact manifest.parquet --out predictions.csv
    """
    from pneumoscope import training
    from pneumoscope.support.files import require_empty
    from pneumoscope.workflows.evaluate import is_bundle
    from pneumoscope.workflows.predict import ImageList, predict_images, write_predictions

    if is_bundle(str(run)):
        raise RunError(
            f"{run}: is a bundle; read images with 'pneumoscope read --format csv --bundle "
            "BUNDLE', or labelled ones with 'pneumoscope validate', which writes predictions.csv"
        )
    require_empty(out)
    opened = training.Run.open(run)
    rows = predict_images(opened, ImageList.of(sources, images, negatives or ()))
    write_predictions(rows, out)
    unread = [row for row in rows if row.probability is None]
    results.print(
        f"Predictions: {out}, {len(rows) - len(unread):,} of {len(rows):,} images", soft_wrap=True
    )
    if unread:
        raise typer.Exit(1)
