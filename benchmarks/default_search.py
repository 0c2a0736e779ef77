"""The search for the default's recipe: chosen on shifted validation images, the test split unread.

Several trainings share the machine, since one alone leaves a GPU idle between its kernels. Called
again, it goes on where it was stopped.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean

import numpy as np
import yaml
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.cli.options import open_cache
from pneumoscope.dataset import Manifest, Split, open_dataset
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.evaluation.statistics.temperature_scaling import log_odds
from pneumoscope.export.simulated_acquisition import SHIFTS, shift_images
from pneumoscope.support.terminal import messages
from pneumoscope.training import ExampleStore, Recipe, make_recipe, train
from pneumoscope.training.evaluate import finished_network
from pneumoscope.training.examples import Examples
from pneumoscope.training.trainer import predict

CANDIDATES = CHECKOUT / "benchmarks" / "default_search.yaml"
FINALISTS = 2
SEEDS = (0, 1, 2)
"""Of the finalists; every other candidate is trained with the first."""

SAID = "shifted.npy"
"""In each Run's folder: its probabilities for every shifted image, shape (shifts, n)."""

NOTE = """\
Pooled AUC: of the validation images in all shifts together (`shift_images`), by which recipes are
ranked; the other columns are the AUC within each shift. The rule, written down before any training:
the {finalists} candidates with the highest pooled AUC at seed {seed} are trained with the other
seeds too, and the highest mean over seeds is chosen. Its networks are shipped as one if together
they are better than each of them alone, else seed {seed} by itself."""


_SHOWN = ("unchanged", *SHIFTS)


@dataclass(frozen=True)
class Trial:
    """A candidate with a seed, and where its Run is."""

    name: str
    recipe: Recipe
    folder: Path


@dataclass(frozen=True)
class Judged:
    """What a trial says of the validation images, shape (shifts, n)."""

    trial: Trial
    labels: NDArray[np.int8]
    probabilities: NDArray[np.float64]

    @property
    def pooled(self) -> float:
        """What it is ranked by."""
        return pooled_auc(self.labels, self.probabilities)

    def row(self) -> dict[str, Cell]:
        """Return the table's row."""
        within = [float(roc_auc_score(self.labels, said)) for said in self.probabilities]
        return {
            "candidate": self.trial.name,
            "seed": self.trial.recipe.seed,
            "epochs": self.trial.recipe.epochs,
            "pooled AUC": f"{self.pooled:.4f}",
            **{name: f"{auc:.4f}" for name, auc in zip(_SHOWN, within, strict=True)},
        }


def pooled_auc(labels: NDArray[np.int8], probabilities: NDArray[np.float64]) -> float:
    """Return the AUC among all images in all shifts together.

    That an image of one machine is ranked against one of another is what makes it hard: a network
    whose answers move with the machine loses here even if it ranks each machine's images well.

    Parameters
    ----------
    labels
        Shape (n,).
    probabilities
        Shape (shifts, n).

    Examples
    --------
    >>> labels = np.array([0, 1], np.int8)
    >>> pooled_auc(labels, np.array([[0.1, 0.9], [0.4, 0.6]]))
    1.0
    >>> pooled_auc(labels, np.array([[0.1, 0.4], [0.6, 0.9]]))
    0.75
    """
    return float(roc_auc_score(np.tile(labels, len(probabilities)), probabilities.ravel()))


def read_candidates(path: Path, common: Sequence[str]) -> dict[str, list[str]]:
    """Return the settings of each candidate, besides those of the compact network."""
    named: dict[str, dict[str, object]] = yaml.safe_load(path.read_text())
    return {
        name: [*(f"{key}={value}" for key, value in settings.items()), *common]
        for name, settings in named.items()
    }


def evaluate_model(trial: Trial, manifest: Manifest, shifted: Path) -> Judged:
    """Train a trial, unless that was done before, and ask it for every shifted image."""
    labels = np.array([entry.label for entry in manifest.of(Split.VALIDATION)])
    if (trial.folder / SAID).exists():
        return Judged(trial, labels, np.load(trial.folder / SAID))
    store = ExampleStore(manifest, open_cache())
    run = train(store, trial.recipe, trial.folder, resume=(trial.folder / "run.json").exists())
    network = finished_network(run)
    entries = manifest.of(Split.VALIDATION)
    said = np.stack(
        [
            predict(
                network, Examples(entries, pixels, np.arange(len(entries))), run.recipe.precision
            )
            for pixels in np.load(shifted, mmap_mode="r")
        ]
    )
    np.save(trial.folder / SAID, said)
    return Judged(trial, labels, said)


class Search:
    """Candidates on one manifest, several trained at once.

    Parameters
    ----------
    manifest
        The dataset.
    candidates
        Settings by name.
    out
        Gets the Runs and the shifted images.
    processes
        Trainings at once.
    """

    def __init__(
        self, manifest: Manifest, candidates: Mapping[str, list[str]], out: Path, processes: int
    ) -> None:
        self.manifest, self.candidates, self.out = manifest, candidates, out
        self.processes = processes

    def run(self, seeds: Sequence[int]) -> tuple[list[Judged], str]:
        """Return all trials, and the name of the candidate that is chosen."""
        judged = self._judge([self._trial(name, seeds[0]) for name in self.candidates])
        ranked = sorted(judged, key=lambda one: one.pooled, reverse=True)
        names = [one.trial.name for one in ranked[:FINALISTS]]
        further = self._judge([self._trial(name, seed) for seed in seeds[1:] for name in names])
        everything = [*ranked, *further]
        means = {
            name: fmean(one.pooled for one in everything if one.trial.name == name)
            for name in names
        }
        return everything, max(means, key=lambda name: means[name])

    def _trial(self, name: str, seed: int) -> Trial:
        recipe = make_recipe("compact", assignments=[*self.candidates[name], f"seed={seed}"])
        return Trial(name, recipe, self.out / "runs" / f"{name}-{seed}")

    def _judge(self, trials: Sequence[Trial]) -> list[Judged]:
        shifted = {size: self._shifted(size) for size in {one.recipe.image_size for one in trials}}
        # Spawned: a process that was forked cannot use a GPU.
        with ProcessPoolExecutor(self.processes, get_context("spawn")) as pool:
            begun = [
                pool.submit(evaluate_model, one, self.manifest, shifted[one.recipe.image_size])
                for one in trials
            ]
            judged = []
            for done in as_completed(begun):
                one = done.result()
                messages.print(f"{one.trial.folder.name}: pooled AUC {one.pooled:.4f}")
                judged.append(one)
        return judged

    def _shifted(self, size: int) -> Path:
        path = self.out / f"shifted-{size}.npy"
        if not path.exists():
            recipe = make_recipe("compact", assignments=[f"image_size={size}"])
            store = ExampleStore(self.manifest, open_cache())
            images = store.pixels(Split.VALIDATION, recipe)
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = images.inputs[images.rows].astype(np.uint8)
            shifted = [pixels for _, pixels in shift_images(pixels, images.labels)]
            np.save(path, np.stack([pixels, *shifted]))
        return path


def together(judged: Sequence[Judged]) -> list[dict[str, Cell]]:
    """Return what the chosen candidate's seeds are worth together, by the mean of log-odds."""
    rows: list[dict[str, Cell]] = []
    for count in range(1, len(judged) + 1):
        mean = np.mean([log_odds(one.probabilities) for one in judged[:count]], axis=0)
        rows.append({"networks": count, "pooled AUC": f"{pooled_auc(judged[0].labels, mean):.4f}"})
    return rows


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("source", type=Path, nargs="?", help="dataset of radiographs")
    parser.add_argument("--runs", type=Path, default=CHECKOUT / "runs" / "default_search")
    parser.add_argument("--candidates", type=Path, default=CANDIDATES, help="default: %(default)s")
    parser.add_argument("--processes", type=int, default=1, help="trainings at once")
    given = parser.parse_args()
    candidates, seeds = read_candidates(given.candidates, []), list(SEEDS)
    if given.smallest:
        given.source, given.runs = given.out / "phantoms", given.out / "runs"
        if not given.source.exists():
            generate_phantoms(given.source, count=40, size=64)
        tiny = ["epochs=1", "image_size=64"]
        candidates = dict(list(read_candidates(given.candidates, tiny).items())[:2])
        seeds = seeds[:2]
    elif given.source is None:
        parser.error("name the dataset, or pass --smallest")
    manifest = open_dataset(given.source, seed=0)
    judged, chosen = Search(manifest, candidates, given.runs, given.processes).run(seeds)
    of_chosen = sorted(
        (one for one in judged if one.trial.name == chosen), key=lambda one: one.trial.recipe.seed
    )
    settings = [
        {"candidate": name, "settings": ", ".join(values)} for name, values in candidates.items()
    ]
    tables = [
        Table("Candidates", settings, "What differs from the compact network's own recipe."),
        Table(
            "Trials",
            [one.row() for one in judged],
            NOTE.format(finalists=FINALISTS, seed=SEEDS[0]) + f" Chosen: {chosen}.",
        ),
        Table("The chosen candidate's seeds together", together(of_chosen)),
    ]
    publish("default_search", tables, given.out)


if __name__ == "__main__":
    main()
