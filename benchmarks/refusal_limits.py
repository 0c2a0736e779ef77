"""Limits of refusal of a shipped bundle: evidence for their fit.

Outsiders of the children's bundle are the adults of nih_mixed, outsiders of the adults' bundle the
children of chest_xray's training split. Neither the test split nor nih_external (but as training
images of the adults' bundle) is read.
"""

import csv
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from benchmarks.adults_data import CHILDREN, last_rows, read_adults, read_children, write_table
from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.cli.options import open_cache
from pneumoscope.dataset import Manifest, Split, open_dataset
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.export.onnx_graph import SplitOutput, run_on_pixels, run_on_split
from pneumoscope.export.outsiders import (
    Outsiders,
    augment_features,
    fit_outsider_weights,
    read_outsiders,
)
from pneumoscope.export.refusal import FOLDS, LIMIT_QUANTILE, fit_refusal
from pneumoscope.export.simulated_acquisition import simulate_acquisitions
from pneumoscope.reader import Bundle, find_bundle
from pneumoscope.reader.bundle import FAMILIARITY, GRAPH, RefusalLimits
from pneumoscope.reader.familiarity import FeatureFamiliarity
from pneumoscope.reader.population import ADULT_AGE
from pneumoscope.support.errors import BundleError
from pneumoscope.training import ExampleStore

DATA = CHECKOUT.parent / "shared" / "data"

NOTE = f"""\
Shares of images, with Wilson's intervals. Limits: {LIMIT_QUANTILE:.1%} quantiles of the
validation images. Outsiders are answered by models of {FOLDS} folds that did not learn from them.
Worst acquisition: the highest share in any of the simulated acquisitions."""


@dataclass(frozen=True)
class Source:
    """Images that a shipped bundle was trained on, and those whom it must refuse."""

    manifest: Manifest
    outsiders: list[Path]
    population: str
    has_validation: bool


def children_source(data: Path) -> Source:
    """Return the images of the children's bundle."""
    with (data / "nih_mixed" / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if int(row["age"]) >= ADULT_AGE]
    return Source(
        open_dataset(data / CHILDREN),
        [data / "nih_mixed" / "images" / row["file"] for row in rows],
        _outsiders_population("default"),
        has_validation=True,
    )


def adults_source(data: Path) -> Source:
    """Return the images of the adults' bundle, whose training table is written again."""
    children = open_dataset(data / CHILDREN)
    fingerprint = Bundle.open(find_bundle("default")).record.training_data.fingerprint
    rows = list(last_rows(read_children(data, fingerprint), read_adults(data)))
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "labels.csv"
        write_table(rows, table)
        manifest = open_dataset(table, data)
    outsiders = [children.root / entry.path for entry in children.of(Split.TRAIN)]
    return Source(
        manifest,
        outsiders,
        _outsiders_population("adults"),
        has_validation=False,
    )


def _outsiders_population(bundle: str) -> str:
    return (CHECKOUT / "recipes" / bundle / "outsiders.txt").read_text(encoding="utf-8").strip()


SOURCES = {"default": children_source, "adults": adults_source}


@dataclass(frozen=True)
class Fit:
    """Familiarity and limits of a bundle, and what they were fitted on."""

    familiarity: FeatureFamiliarity
    limits: RefusalLimits
    train: SplitOutput
    validation: SplitOutput
    outsiders: Outsiders


def fit(bundle: Bundle, source: Source) -> Fit:
    """Fit the limits of refusal of a bundle as ``pneumoscope export`` does."""
    record, graph = bundle.record, bundle.contents[GRAPH]
    if source.manifest.fingerprint != record.training_data.fingerprint:
        raise BundleError(
            f"{bundle.identity}: was trained on the data {record.training_data.fingerprint[:12]}, "
            f"and these are {source.manifest.fingerprint[:12]}"
        )
    store = ExampleStore(source.manifest, open_cache())
    preparation, whole = bundle.preparation, bundle.preparation.whole
    train, validation = (
        run_on_split(graph, store.prepared(split, preparation), store.prepared(split, whole))
        for split in (Split.TRAIN, Split.VALIDATION)
    )
    outsiders = read_outsiders(source.outsiders, preparation, source.population)
    familiarity = replace(
        FeatureFamiliarity.from_bytes(bundle.contents[FAMILIARITY]), outsider_weights=None
    )
    held_out = validation if source.has_validation else None
    fitted, limits = fit_refusal(graph, preparation, familiarity, train, held_out, outsiders)
    return Fit(fitted, limits, train, validation, outsiders)


def evidence(bundle: Bundle, fitted: Fit) -> Iterator[dict[str, Cell]]:
    """Yield what each kind of limit answers of outsiders, by folds, and refuses of validation."""
    graph, preparation = bundle.contents[GRAPH], bundle.preparation
    validation = fitted.validation
    inside, outside = augment_features(
        graph,
        preparation,
        (fitted.train.whole, fitted.train.output.features),
        fitted.outsiders,
    )
    acquisitions = [
        validation.output.features,
        *(
            run_on_pixels(
                graph, preparation.frame_whole(pixels), f"Running on validation, {name}"
            ).features
            for name, pixels in simulate_acquisitions(validation.whole, validation.examples.labels)
        ),
    ]
    unweighted = replace(fitted.familiarity, outsider_weights=None)
    everyone = np.ones(len(inside.original), np.bool_)
    fits: dict[str, Callable[[NDArray[np.bool_]], FeatureFamiliarity]] = {
        "distance": lambda _: unweighted,
        "distance, score of images as they are": lambda learned: replace(
            unweighted,
            outsider_weights=fit_outsider_weights(inside.original, outside.original[learned]),
        ),
        "distance, score of simulated acquisitions too": lambda learned: replace(
            unweighted,
            outsider_weights=fit_outsider_weights(
                inside.of_images(everyone), outside.of_images(learned)
            ),
        ),
    }
    for name, fit_on in fits.items():
        answered, simulated, refused = [], [], []
        for learned, left_out in _folds(len(outside.original)):
            model = fit_on(learned)
            limits = _limits(fitted.limits, model, validation.output.features)
            answered.append(~limits.exceeded(model, outside.original[left_out]))
            features = outside.simulated[left_out[outside.image]]
            beyond = limits.exceeded(model, features).reshape(len(acquisitions) - 1, -1)
            simulated.append((~beyond).mean(axis=1))
            refused.append([limits.exceeded(model, part).mean() for part in acquisitions])
        shares = np.mean(refused, axis=0)
        of_outsiders = np.concatenate(answered)
        yield {
            "limits": name,
            "outsiders": len(of_outsiders),
            "answered": str(proportion(int(of_outsiders.sum()), len(of_outsiders))),
            "answered, worst acquisition": float(np.mean(simulated, axis=0).max()),
            "validation refused": float(shares[0]),
            "refused, worst acquisition": float(shares.max()),
        }


def _limits(
    limits: RefusalLimits, model: FeatureFamiliarity, validation: NDArray[np.float32]
) -> RefusalLimits:
    """Return the limits with that of a model's score on the validation images."""
    score = model.outsider_score(validation)
    quantile = None if score is None else float(np.quantile(score, LIMIT_QUANTILE))
    return limits.model_copy(update={"outsider_score": quantile})


def _folds(n: int) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    for _, left_out in KFold(FOLDS, shuffle=True, random_state=0).split(np.zeros(n)):
        mask = np.isin(np.arange(n), left_out)
        yield ~mask, mask


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "bundle",
        nargs="?",
        choices=list(SOURCES),
        default="default",
        help="shipped bundle (default: %(default)s)",
    )
    parser.add_argument(
        "--data", type=Path, default=DATA, help="folder of the datasets (default: %(default)s)"
    )
    arguments = parser.parse_args()
    bundle = Bundle.open(find_bundle(arguments.bundle))
    source = SOURCES[arguments.bundle](arguments.data)
    fitted = fit(bundle, source)
    table = Table(f"Refusal by {bundle.record.name}", list(evidence(bundle, fitted)), NOTE)
    publish("refusal_limits", [table], arguments.out)


if __name__ == "__main__":
    main()
