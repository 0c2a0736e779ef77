"""Error rates outside the uncertain band, against the rate that the band promises.

On a part of validation that the band was not fitted on, where the promise must hold; and on the
test split, for which nothing is promised.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.dataset import Entry, Label, Manifest, Split, open_dataset
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.selection.operating_points import BAND_ERROR_RATE, uncertain_band
from pneumoscope.reader import SHIPPED, Bundle, load
from pneumoscope.support.terminal import track

DATA = CHECKOUT.parent / "shared" / "data"
N_HALVINGS = 1000
"""Number of times that validation is halved."""

SET_ASIDE_NOTE = f"""\
Validation images, halved by patient {N_HALVINGS:,} times: the band is fitted on one half and
evaluated on the other. Wrong: share of the class with the other class's finding outside the band;
mean over the halvings, and the middle 95 % of them. Promised: at most the level."""

OUTSIDE_NOTE = f"""\
The bundle's own band around each operating point, level {BAND_ERROR_RATE}. Wrong: as above, with
Wilson's 95 % interval. Rejected images get no finding and are left out. The promise is for images
exchangeable with those of validation; here it is measured, not relied on."""


def set_aside(
    table: Predictions, level: float = BAND_ERROR_RATE, halvings: int = N_HALVINGS
) -> NDArray[np.float64]:
    """Fit the band on a random half of the patients and evaluate it on the others, repeatedly.

    Parameters
    ----------
    table
        Predictions of images of both classes.
    level
        Error rate that the band promises.
    halvings
        Number of repetitions.

    Returns
    -------
    NDArray[np.float64]
        Shape (halvings, 3): share of PNEUMONIA below the band, share of NORMAL above it, and share
        of all images in it.
    """
    rng = np.random.default_rng(0)
    _, patient = np.unique(table.patients, return_inverse=True)
    rows = []
    for _ in range(halvings):
        fitted = rng.random(patient.max() + 1)[patient] < 0.5
        low, high = uncertain_band(table.labels[fitted], table.probabilities[fitted], level)
        rows.append(_wrong(table.labels[~fitted], table.probabilities[~fitted], low, high))
    return np.array(rows)


def _wrong(
    labels: NDArray[np.int8], probabilities: NDArray[np.float64], low: float, high: float
) -> tuple[float, float, float]:
    """Return the shares that `set_aside` lists; the ends of an empty band may cross."""
    below, above = probabilities < low, probabilities > high
    return (
        float(below[labels == 1].mean()),
        float(above[labels == 0].mean()),
        float((~below & ~above).mean()),
    )


def _set_aside_rows(table: Predictions) -> Iterator[dict[str, Cell]]:
    for level in (0.01, 0.02, 0.05):
        outcomes = set_aside(table, level)
        spread = np.quantile(outcomes, (0.025, 0.975), axis=0)
        row: dict[str, Cell] = {"level": level}
        for i, name in enumerate(("PNEUMONIA wrong", "NORMAL wrong", "in the band")):
            low, high = spread[:, i]
            row[name] = f"{outcomes[:, i].mean():.4f} ({low:.4f}–{high:.4f})"
        yield row


def _outside_rows(bundle: Bundle, name: str, table: Predictions) -> Iterator[dict[str, Cell]]:
    for point_name, point in bundle.record.operating_points.items():
        row: dict[str, Cell] = {"images": name, "operating point": point_name}
        in_band = (table.probabilities >= point.low) & (table.probabilities <= point.high)
        called = ~in_band & (table.probabilities >= point.threshold)
        cleared = ~in_band & ~called
        for label, wrong in ((Label.PNEUMONIA, cleared), (Label.NORMAL, called)):
            of_class = table.labels == label
            row[f"{label.name} wrong"] = share_in_words(
                int(wrong[of_class].sum()), int(of_class.sum())
            )
        row["in the band"] = share_in_words(int(in_band.sum()), len(in_band))
        yield row


def share_in_words(k: int, n: int) -> str:
    """Return k of n as counts and a share with Wilson's interval."""
    if not n:
        return "–"
    interval = binomtest(k, n).proportion_ci(method="wilson")
    return f"{k}/{n} = {k / n:.3f} ({interval.low:.3f}–{interval.high:.3f})"


def read_entries(bundle: Bundle, root: Path, entries: Sequence[Entry]) -> Predictions:
    """Read images with a bundle, and return the predictions; rejected images are left out."""
    readings = load(bundle.folder).read_many(root / entry.path for entry in entries)
    probabilities = [reading.probability for reading in track(readings, "Reading", len(entries))]
    pairs = [(entry, p) for entry, p in zip(entries, probabilities, strict=True) if p is not None]
    return Predictions(
        files=tuple(entry.path for entry, _ in pairs),
        labels=np.array([entry.label for entry, _ in pairs], np.int8),
        probabilities=np.array([p for _, p in pairs]),
        patients=tuple(entry.group for entry, _ in pairs),
    )


def require_own_split(manifest: Manifest, bundle: Bundle) -> None:
    """Stop unless the manifest is the bundle's: other splits may validate on training images."""
    if manifest.fingerprint != bundle.record.training_data.fingerprint:
        raise SystemExit(
            f"{manifest.root}: not the data, or not the split, that {bundle.identity} was trained "
            "on; name the dataset of the bundle"
        )


def _tables(arguments: argparse.Namespace) -> Iterator[Table]:
    bundle = Bundle.open(arguments.bundle)
    manifest = open_dataset(arguments.data)
    require_own_split(manifest, bundle)
    validation = read_entries(bundle, manifest.root, manifest.of(Split.VALIDATION))
    yield Table("Set aside from validation", list(_set_aside_rows(validation)), SET_ASIDE_NOTE)
    test = read_entries(bundle, manifest.root, manifest.of(Split.TEST))
    rows = list(_outside_rows(bundle, "test split", test))
    yield Table(f"Other images, {bundle.identity}", rows, OUTSIDE_NOTE)


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
    publish("coverage", _tables(arguments), arguments.out)


if __name__ == "__main__":
    main()
