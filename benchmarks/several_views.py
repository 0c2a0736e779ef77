"""Test-time augmentation: AUC and loss by the mean logit over several views of a radiograph.

Evaluated on validation images alone.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage import DATA, require_own_split
from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.dataset import Split, open_dataset
from pneumoscope.evaluation.statistics.delong import compare_aucs, delong
from pneumoscope.evaluation.statistics.temperature_scaling import apply_temperature, fit_temperature
from pneumoscope.radiograph import prepare_pixels, read_radiograph
from pneumoscope.reader import SHIPPED, Bundle, Reader
from pneumoscope.support.terminal import track

NOTE = """\
Validation images, on which calibration and operating points were fitted but no weight. Loss: mean
cross-entropy at each row's best temperature. Difference: of the AUC from the first row's, with
DeLong's paired interval. Passes: passes of the network for each radiograph."""

_CROP_SHARE = 0.04
"""Share of each side that is cut away, or added by repeating the border."""


def views(pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return an image unchanged, mirrored, zoomed in and zoomed out."""
    rows, columns = (round(_CROP_SHARE * side) for side in pixels.shape)
    nearer = pixels[rows : pixels.shape[0] - rows, columns : pixels.shape[1] - columns]
    farther = np.pad(pixels, ((rows, rows), (columns, columns)), mode="edge")
    return [pixels, pixels[:, ::-1], nearer, farther]


SCHEMES = {
    "as it is": (0,),
    "and mirrored": (0, 1),
    "as it is, nearer, farther": (0, 2, 3),
    "all four": (0, 1, 2, 3),
}


def view_logits(reader: Reader, files: list[Path]) -> NDArray[np.float64]:
    """Return the network's logits of every view of every image, shape (images, views)."""
    contract, logits = reader.bundle.record.input, []
    for file in track(files, "Reading", len(files)):
        prepared = [
            prepare_pixels(view, contract.size, contract.resampling)
            for view in views(read_radiograph(file).pixels)
        ]
        logits.append(reader.run(np.stack(prepared)).logits)
    return np.array(logits, np.float64)


def scheme_rows(
    labels: NDArray[np.int8], view_logits: NDArray[np.float64]
) -> Iterator[dict[str, Cell]]:
    """Yield AUC and loss of the mean logit of each scheme; logits have shape (images, views)."""
    plain = view_logits[:, 0]
    for name, chosen in SCHEMES.items():
        logits = view_logits[:, chosen].mean(axis=1)
        probabilities = apply_temperature(logits, fit_temperature(logits, labels))
        of_label = np.where(labels == 1, probabilities, 1 - probabilities).clip(min=1e-12)
        yield {
            "views": name,
            "AUC": str(delong(labels, logits)),
            "difference": str(compare_aucs(labels, logits, plain).difference),
            "loss": round(float(-np.log(of_label).mean()), 4),
            "passes": len(chosen),
        }


def _tables(arguments: argparse.Namespace) -> Iterator[Table]:
    bundle = Bundle.open(arguments.bundle)
    manifest = open_dataset(arguments.data)
    require_own_split(manifest, bundle)
    entries = manifest.of(Split.VALIDATION)
    logits = view_logits(Reader(bundle), [manifest.root / entry.path for entry in entries])
    labels = np.array([entry.label for entry in entries], np.int8)
    title = f"{bundle.identity}, {len(entries):,} validation images"
    yield Table(title, list(scheme_rows(labels, logits)), NOTE)


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "data",
        type=Path,
        nargs="?",
        default=DATA / "chest_xray",
        help="dataset that the bundle was trained on (default: %(default)s)",
    )
    parser.add_argument(
        "--bundle", type=Path, default=SHIPPED, help="bundle to evaluate (default: the shipped one)"
    )
    arguments = parser.parse_args()
    publish("several_views", _tables(arguments), arguments.out)


if __name__ == "__main__":
    main()
