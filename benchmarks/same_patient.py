"""Recognition of patients: pairs of radiographs of one patient, by grey values or by features.

Needs a dataset that names the patients of its images; no label is read.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.dataset import Entry, open_dataset
from pneumoscope.dataset.duplicates import centred_thumbnail
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader import Reader, load
from pneumoscope.support.terminal import track

FALSE_POSITIVE_RATES = (1e-5, 1e-4, 1e-3)
"""Fractions of pairs of different patients that would be joined."""

_DIMENSIONS = 64

NOTE = """\
Pairs of different images of a dataset with known patients. Grey values: correlation at 64 x 64
pixels. Features: cosine of the bundle's features, whitened to 64 dimensions. Sensitivity: fraction
of the pairs of one patient above the limit. PPV: fraction of pairs above it of one patient."""


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("source", type=Path, nargs="?", help="table or manifest with patients")
    parser.add_argument("--images", type=Path, help="folder of its images")
    arguments = parser.parse_args()
    if arguments.smallest:
        arguments.source = arguments.out / "phantoms"
        if not arguments.source.exists():
            generate_phantoms(arguments.source, count=60, size=64)
    elif arguments.source is None:
        parser.error("name a dataset with patients (SOURCE), or pass --smallest")
    manifest = open_dataset(arguments.source, arguments.images)
    rows = same_patient_rows(load(), manifest.root, manifest.in_use)
    publish("same_patient", [Table("Pairs of one patient", rows, NOTE)], arguments.out)


def same_patient_rows(
    reader: Reader, root: Path, entries: tuple[Entry, ...]
) -> list[dict[str, Cell]]:
    """Return how well each similarity tells pairs of one patient from others."""
    thumbnails, features = [], []
    for entry in track(entries, "Images", len(entries)):
        radiograph = read_radiograph(root / entry.path)
        thumbnails.append(centred_thumbnail(radiograph))
        square = reader.preparation.square(radiograph.pixels)
        features.append(reader.run(square[None]).features[0])
    patients = np.array([entry.group for entry in entries])
    first, second = np.triu_indices(len(entries), 1)
    same = patients[first] == patients[second]
    rows: list[dict[str, Cell]] = []
    for name, vectors in (
        ("grey values", np.array(thumbnails)),
        ("features", _whitened(np.array(features, np.float64))),
    ):
        cosines = _cosines(vectors)[first, second]
        rows += [_row(name, cosines, same, fraction) for fraction in FALSE_POSITIVE_RATES]
    return rows


def _row(
    name: str, similarity: NDArray[np.float64], same: NDArray[np.bool_], false_positive_rate: float
) -> dict[str, Cell]:
    above = similarity > np.quantile(similarity[~same], 1 - false_positive_rate)
    return {
        "similarity": name,
        "pairs of one patient": int(same.sum()),
        "pairs of two": int((~same).sum()),
        "AUC": round(float(roc_auc_score(same, similarity)), 3),
        "false positive rate": f"{false_positive_rate:.3%}",
        "sensitivity": round(float(above[same].mean()), 3),
        "PPV": round(float(same[above].mean()), 3) if above.any() else None,
    }


def _whitened(features: NDArray[np.float64]) -> NDArray[np.float64]:
    left, _, _ = np.linalg.svd(features - features.mean(0), full_matrices=False)
    whitened: NDArray[np.float64] = left[:, :_DIMENSIONS]
    return whitened


def _cosines(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    cosines: NDArray[np.float64] = unit @ unit.T
    return cosines


if __name__ == "__main__":
    main()
