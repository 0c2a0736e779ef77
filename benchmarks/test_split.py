"""Audit of the test split of Kermany et al.: shift, duplicates, labels, and what an AUC can mean.

The tables are written as by every benchmark. Figures of measurements, and a page with the
radiographs that the tables count, go into the folder of the trainings (--runs). The page holds
patients' images and is not part of the project. Each run is a reading of the test split.
"""

import argparse
import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import (
    test_split_acquisition,
    test_split_copies,
    test_split_labels,
    test_split_limits,
)
from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from benchmarks.test_split_data import COLUMNS, AuditedSplit, audit, published_subtype
from benchmarks.test_split_figures import write_figures, write_page
from benchmarks.test_split_networks import (
    SIZE,
    OutOfSampleNetwork,
    fit_probe,
    halves,
    image_features,
    networks_table,
    read_with_bundle,
    train_compact,
)
from pneumoscope.cli.options import open_cache
from pneumoscope.dataset import Label, Manifest, Split, open_dataset
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.reader import SHIPPED, Bundle
from pneumoscope.support.cache import ArrayCache

DATA = CHECKOUT.parent / "shared" / "data"

IMAGES_NOTE = """\
Train is the published train folder (with its val folder, if there is one). Patients: numbers in the
file names, whatever the subtype or prefix."""


@dataclass(frozen=True)
class Effort:
    """Sizes of the trainings and simulations."""

    weights: str = "imagenet"
    size: int = SIZE
    settings: Sequence[str] = ()
    simulations: int = test_split_limits.SIMULATIONS


SMALLEST = Effort("none", 32, ("epochs=1", "image_size=64", "batch_size=8"), 5)


def images_table(manifest: Manifest) -> Table:
    """Return the numbers of images and patients by split and class."""
    rows: list[dict[str, Cell]] = []
    for is_test in (False, True):
        for label in Label:
            entries = [
                entry
                for entry in manifest.in_use
                if (entry.split is Split.TEST) is is_test and entry.label is label
            ]
            subtypes = [published_subtype(entry) for entry in entries]
            rows.append(
                {
                    "images": f"{'test' if is_test else 'train'}, {label.name}",
                    "n": len(entries),
                    "patients": len({entry.group for entry in entries}),
                    "bacteria": subtypes.count("bacteria"),
                    "virus": subtypes.count("virus"),
                }
            )
    return Table("Images", rows, IMAGES_NOTE)


def read_networks(
    split: AuditedSplit, bundle: Bundle, runs: Path, cache: ArrayCache, effort: Effort
) -> tuple[list[OutOfSampleNetwork], np.ndarray]:
    """Return the networks with their readings, the bundle first, and features of all images."""
    features = image_features(split.manifest, effort.weights, effort.size, cache)
    numbered = list(enumerate(halves(split.manifest), start=1))
    probes = [fit_probe(half, number, features) for number, half in numbered]
    compact = [
        train_compact(half, number, runs, cache, effort.settings) for number, half in numbered
    ]
    return [read_with_bundle(split, bundle), *probes, *compact], features


def _tables(arguments: argparse.Namespace, effort: Effort) -> Iterator[Table]:
    cache, manifest = open_cache(), open_dataset(arguments.data)
    split = audit(manifest, arguments.second_reader)
    yield images_table(manifest)
    acquisitions = test_split_acquisition.measure(manifest, arguments.original_sizes, cache)
    yield from test_split_acquisition.tables(acquisitions)
    networks, features = read_networks(
        split, Bundle.open(arguments.bundle), arguments.runs, cache, effort
    )
    scores = test_split_acquisition.propensity(acquisitions)
    calls = {network.name: network.called for network in networks}
    calls["expert"] = split.expert_labels == 1
    yield test_split_acquisition.false_alarm_table(split, scores, calls)
    yield from test_split_copies.tables(split)
    yield test_split_copies.resemblance_table(manifest, features)
    yield from test_split_labels.second_reader_tables(split)
    yield networks_table(split, networks)
    yield test_split_labels.candidates_table(split, networks)
    yield test_split_labels.errors_table(split, networks)
    yield test_split_labels.votes_table(split, networks)
    against = test_split_labels.votes(networks) == len(networks)
    doubted = {
        "all networks and the expert against": against & split.disputed,
        "the expert against": split.disputed,
    }
    yield from test_split_limits.tables(split, networks, doubted, effort.simulations)
    write_figures(acquisitions, split, networks, arguments.runs)
    write_page(split, networks, scores, arguments.runs / "radiographs.html")


def write_smallest_tables(data: Path, second_reader: Path, sizes: Path) -> None:
    """Write a second reader's table and original sizes at random, for the smallest run."""
    rng, manifest = random.Random(0), open_dataset(data)
    with second_reader.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for entry in manifest.of(Split.TEST):
            subtype = published_subtype(entry)
            reading = subtype if rng.random() < 0.7 else rng.choice(("normal", "virus"))
            flags = [int(rng.random() < 0.2) for _ in range(3)]
            rows.writerow([Path(entry.path).name, subtype, reading, *flags])
    with sizes.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("file", "original_width", "original_height"))
        for entry in manifest.in_use:
            rows.writerow((f"phantoms/{entry.path}", *(rng.randint(500, 900) for _ in range(2))))


def _prepare_smallest(arguments: argparse.Namespace) -> None:
    """Fill in what a smallest run reads: phantoms, and tables of random values."""
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    arguments.runs = out / "runs"
    if arguments.data is None:
        arguments.data = generate_phantoms(out / "phantoms", count=240, size=64)
    arguments.second_reader, arguments.original_sizes = out / "second.csv", out / "sizes.csv"
    write_smallest_tables(arguments.data, arguments.second_reader, arguments.original_sizes)


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "data", type=Path, nargs="?", help=f"dataset (default: {DATA / 'chest_xray'})"
    )
    parser.add_argument(
        "--second-reader",
        type=Path,
        default=DATA / "chest_xray_test_second_reader.csv",
        help="table of an expert's reading of the test split (default: %(default)s)",
    )
    parser.add_argument(
        "--original-sizes",
        type=Path,
        default=DATA / "lung_masks" / "chest_xray.csv",
        help="table of the images' original widths and heights (default: %(default)s)",
    )
    parser.add_argument(
        "--bundle",
        type=Path,
        default=SHIPPED,
        help="bundle that was trained on the dataset (default: the shipped one)",
    )
    parser.add_argument(
        "--runs",
        type=Path,
        default=CHECKOUT / "runs" / "test_split",
        help="folder of trainings, figures and the page of radiographs (default: %(default)s)",
    )
    arguments = parser.parse_args()
    if arguments.smallest:
        _prepare_smallest(arguments)
    arguments.data = arguments.data or DATA / "chest_xray"
    effort = SMALLEST if arguments.smallest else Effort()
    publish("test_split", _tables(arguments, effort), arguments.out)


if __name__ == "__main__":
    main()
