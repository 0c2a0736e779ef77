"""Search for the default bundle's recipe, by validation images under simulated acquisitions.

The test split is not read. Several trainings share the host, since one alone leaves a GPU idle
between its kernels. Started again, the search resumes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
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
from pneumoscope.export.onnx_graph import prepared_pixels
from pneumoscope.export.simulated_acquisition import SIMULATIONS, simulate_acquisitions
from pneumoscope.lungs import Preparation
from pneumoscope.support.terminal import messages
from pneumoscope.training import ExampleStore, Recipe, make_recipe, train
from pneumoscope.training.evaluate import load_trained_network
from pneumoscope.training.examples import Examples
from pneumoscope.training.prediction import predict

CANDIDATES = CHECKOUT / "benchmarks" / "default_search.yaml"
N_FINALISTS = 2
SEEDS = (0, 1, 2)

PROBABILITIES_FILE = "shifted.npy"
"""File in each Run's folder: probabilities of all simulated images, shape (acquisitions, n)."""

NOTE = """\
Pooled AUC: of the validation images under all simulated acquisitions together
(`simulate_acquisitions`); recipes are ranked by it. The other columns are the AUC within each
acquisition. The rule, written down before any training: if there are several seeds, the {finalists}
candidates with the highest pooled AUC at seed {seed} are trained with the others too, and the
highest mean over seeds is chosen. Its networks are shipped as an ensemble if that is better than
each of them alone, else seed {seed} alone."""

_ACQUISITIONS = ("unchanged", *SIMULATIONS)


@dataclass(frozen=True)
class Trial:
    """A candidate with a seed, and the folder of its Run."""

    name: str
    recipe: Recipe
    folder: Path


@dataclass(frozen=True)
class TrialResult:
    """Predictions of a trial on the simulated validation images.

    Parameters
    ----------
    trial
        The trial.
    labels
        Labels, shape (n,).
    probabilities
        Probabilities, shape (acquisitions, n).
    """

    trial: Trial
    labels: NDArray[np.int8]
    probabilities: NDArray[np.float64]

    @property
    def pooled(self) -> float:
        """Pooled AUC, by which trials are ranked."""
        return pooled_auc(self.labels, self.probabilities)

    def row(self) -> dict[str, Cell]:
        """Return the table's row."""
        within = [float(roc_auc_score(self.labels, row)) for row in self.probabilities]
        return {
            "candidate": self.trial.name,
            "seed": self.trial.recipe.seed,
            "epochs": self.trial.recipe.epochs,
            "pooled AUC": f"{self.pooled:.4f}",
            **{name: f"{auc:.4f}" for name, auc in zip(_ACQUISITIONS, within, strict=True)},
        }


def pooled_auc(labels: NDArray[np.int8], probabilities: NDArray[np.float64]) -> float:
    """Return the AUC among the images of all acquisitions together.

    Images of one acquisition are ranked against those of another: a network whose probabilities
    depend on the acquisition loses here even if it ranks the images within each acquisition well.

    Parameters
    ----------
    labels
        Labels, shape (n,).
    probabilities
        Probabilities, shape (acquisitions, n).

    Examples
    --------
    >>> labels = np.array([0, 1], np.int8)
    >>> pooled_auc(labels, np.array([[0.1, 0.9], [0.4, 0.6]]))
    1.0
    >>> pooled_auc(labels, np.array([[0.1, 0.4], [0.6, 0.9]]))
    0.75
    """
    return float(roc_auc_score(np.tile(labels, len(probabilities)), probabilities.ravel()))


@dataclass(frozen=True)
class Candidate:
    """A network, and the settings in which the candidate differs from its own recipe."""

    model: str
    settings: tuple[str, ...]

    def recipe(self, seed: int) -> Recipe:
        """Return the candidate's recipe with a seed."""
        return make_recipe(self.model, assignments=[*self.settings, f"seed={seed}"])


def read_candidates(path: Path, common: Sequence[str] = ()) -> dict[str, Candidate]:
    """Return the candidates of a file; their network is ``compact`` unless ``model`` names one."""
    named: dict[str, dict[str, object]] = yaml.safe_load(path.read_text())
    return {
        name: Candidate(
            str(settings.get("model", "compact")),
            (*(f"{key}={value}" for key, value in settings.items() if key != "model"), *common),
        )
        for name, settings in named.items()
    }


def run_trial(trial: Trial, manifest: Manifest, images: Path) -> TrialResult:
    """Train a trial and predict the simulated images, or read the predictions of an earlier run."""
    labels = np.array([entry.label for entry in manifest.of(Split.VALIDATION)])
    path = trial.folder / PROBABILITIES_FILE
    if path.exists():
        return TrialResult(trial, labels, np.load(path))
    store = ExampleStore(manifest, open_cache())
    run = train(store, trial.recipe, trial.folder, resume=(trial.folder / "run.json").exists())
    network = load_trained_network(run)
    entries = manifest.of(Split.VALIDATION)
    probabilities = np.stack(
        [
            predict(
                network, Examples(entries, pixels, np.arange(len(entries))), run.recipe.precision
            )
            for pixels in np.load(images, mmap_mode="r")
        ]
    )
    np.save(path, probabilities)
    return TrialResult(trial, labels, probabilities)


class Search:
    """Search over candidates on one manifest, several trained at once.

    Parameters
    ----------
    manifest
        The dataset.
    candidates
        Candidates by name.
    out
        Folder for the Runs and the simulated images.
    processes
        Number of trainings at once.
    """

    def __init__(
        self, manifest: Manifest, candidates: Mapping[str, Candidate], out: Path, processes: int
    ) -> None:
        self.manifest, self.candidates, self.out = manifest, candidates, out
        self.processes = processes

    def run(self, seeds: Sequence[int]) -> tuple[list[TrialResult], str]:
        """Return all results, and the name of the chosen candidate."""
        # Spawned: a process that was forked cannot use a GPU.
        with ProcessPoolExecutor(self.processes, get_context("spawn")) as pool:
            first = [self._trial(name, seeds[0]) for name in self.candidates]
            results = self._run_trials(first, pool)
            results.sort(key=lambda result: result.pooled, reverse=True)
            names = [result.trial.name for result in results[:N_FINALISTS]]
            further = [self._trial(name, seed) for seed in seeds[1:] for name in names]
            results += self._run_trials(further, pool)
        means = {
            name: fmean(result.pooled for result in results if result.trial.name == name)
            for name in names
        }
        return results, max(means, key=lambda name: means[name])

    def _trial(self, name: str, seed: int) -> Trial:
        recipe = self.candidates[name].recipe(seed)
        return Trial(name, recipe, self.out / "runs" / f"{name}-{seed}")

    def _run_trials(self, trials: Sequence[Trial], pool: Executor) -> list[TrialResult]:
        futures = [
            pool.submit(
                run_trial, trial, self.manifest, self._simulated_images(trial.recipe.preparation)
            )
            for trial in trials
        ]
        results = []
        for future in as_completed(futures):
            result = future.result()
            messages.print(f"{result.trial.folder.name}: pooled AUC {result.pooled:.4f}")
            results.append(result)
        return results

    def _simulated_images(self, preparation: Preparation) -> Path:
        digest = hashlib.sha256(preparation.fingerprint.encode()).hexdigest()[:12]
        path = self.out / f"shifted-{preparation.size}-{preparation.framing}-{digest}.npy"
        if not path.exists():
            store = ExampleStore(self.manifest, open_cache())
            images, whole = (
                store.prepared(Split.VALIDATION, kind) for kind in (preparation, preparation.whole)
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            simulated = [
                preparation.frame_whole(pixels)
                for _, pixels in simulate_acquisitions(prepared_pixels(whole), images.labels)
            ]
            np.save(path, np.stack([prepared_pixels(images), *simulated]))
        return path


def ensemble_rows(results: Sequence[TrialResult]) -> list[dict[str, Cell]]:
    """Return the pooled AUC of the first networks as an ensemble, by the mean of their log-odds."""
    rows: list[dict[str, Cell]] = []
    for count in range(1, len(results) + 1):
        mean = np.mean([log_odds(result.probabilities) for result in results[:count]], axis=0)
        rows.append({"networks": count, "pooled AUC": f"{pooled_auc(results[0].labels, mean):.4f}"})
    return rows


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("source", type=Path, nargs="?", help="dataset of radiographs")
    parser.add_argument(
        "--runs",
        type=Path,
        default=CHECKOUT / "runs" / "default_search",
        help="folder of the trainings (default: %(default)s)",
    )
    parser.add_argument(
        "--candidates",
        type=Path,
        default=CANDIDATES,
        help="YAML file of the candidates' settings (default: %(default)s)",
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        help="number of trainings at once (default: %(default)s)",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=SEEDS,
        help="seeds: all candidates' first, and the finalists' others (default: %(default)s)",
    )
    arguments = parser.parse_args()
    candidates, seeds = read_candidates(arguments.candidates), list(arguments.seeds)
    if arguments.smallest:
        arguments.source, arguments.runs = arguments.out / "phantoms", arguments.out / "runs"
        if not arguments.source.exists():
            generate_phantoms(arguments.source, count=40, size=64)
        tiny = ["epochs=1", "image_size=64"]
        candidates = dict(list(read_candidates(arguments.candidates, tiny).items())[:2])
        seeds = seeds[:2]
    elif arguments.source is None:
        parser.error("name the dataset (SOURCE), or pass --smallest")
    manifest = open_dataset(arguments.source, seed=0)
    results, chosen = Search(manifest, candidates, arguments.runs, arguments.processes).run(seeds)
    of_chosen = sorted(
        (result for result in results if result.trial.name == chosen),
        key=lambda result: result.trial.recipe.seed,
    )
    settings = [
        {"candidate": name, "model": of.model, "settings": ", ".join(of.settings)}
        for name, of in candidates.items()
    ]
    tables = [
        Table("Candidates", settings, "Differences from the network's own recipe."),
        Table(
            "Trials",
            [result.row() for result in results],
            NOTE.format(finalists=N_FINALISTS, seed=seeds[0]) + f" Chosen: {chosen}.",
        ),
        Table("The chosen candidate's seeds as an ensemble", ensemble_rows(of_chosen)),
    ]
    publish("default_search", tables, arguments.out)


if __name__ == "__main__":
    main()
