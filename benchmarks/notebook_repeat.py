"""The notebook's models over several seeds beside what it printed, and the L2 factor that fits it.

Every Run is kept and used again, so it may be stopped and started. The test split is read once for
each Run with the recipe's own L2 factor, and nothing is chosen with it.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.report import CHECKOUT, Cell, Spread, Table, option_parser, publish
from pneumoscope.dataset import Split, open_dataset
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.evaluation.report.published_notebook import (
    PUBLISHED_MODELS,
    PUBLISHED_VAL_LOSSES,
)
from pneumoscope.evaluation.statistics.metrics import measure
from pneumoscope.models import NOTEBOOK_MODELS
from pneumoscope.support.cache import open_user_cache
from pneumoscope.training import ExampleStore, Run, evaluate_once, make_recipe, train
from pneumoscope.training.evaluate import read_predictions

RADIOGRAPHS = CHECKOUT.parent / "shared" / "data" / "chest_xray"
METRICS = {"accuracy": "accuracy", "precision": "ppv", "recall": "sensitivity"}

METRICS_NOTE = """\
Mean over the seeds, with the lowest and the highest; at the threshold 0.5. The notebook trained
each model once. Validation is split by patient here, by image there."""

LOSSES_NOTE = """\
Validation loss with the penalty after each epoch, which the notebook printed: mean over the seeds,
with the lowest and the highest."""

FACTORS_NOTE = """\
Distance: root mean square, over the epochs, of the difference of logarithms between the notebook's
validation loss and the mean over the seeds; 0.1 is about 10 %. Within: in how many epochs the
notebook's loss lies between the lowest and the highest of the seeds."""


@dataclass(frozen=True)
class Trainings:
    """Finished trainings of one model with one L2 factor, one for each seed."""

    model: str
    factor: float
    runs: tuple[Run, ...]

    @property
    def losses(self) -> NDArray[np.float64]:
        """Validation losses, shape (seeds, epochs); epochs that not all seeds have are left out."""
        histories = [[epoch.val_loss for epoch in run.history()] for run in self.runs]
        epochs = min(map(len, histories))
        return np.array([history[:epochs] for history in histories])

    @property
    def printed(self) -> NDArray[np.float64]:
        """The notebook's validation losses of the same epochs; shorter if it printed fewer."""
        return np.array(PUBLISHED_VAL_LOSSES.get(self.model, ()))[: self.losses.shape[1]]


def run_trainings(arguments: argparse.Namespace, store: ExampleStore) -> Iterator[Trainings]:
    """Train each model with each L2 factor and seed, or open the Run of an earlier call."""
    for model in arguments.models:
        own = make_recipe(model).l2
        further = arguments.factors if NOTEBOOK_MODELS[model].pretrained else []
        factors = dict.fromkeys([own, *further])
        for factor in factors:
            runs = []
            for seed in arguments.seeds:
                recipe = make_recipe(
                    model, seed=seed, weights=arguments.weights, l2=factor, precision="float32"
                )
                recipe = recipe.model_copy(update=arguments.changes)
                folder = arguments.runs / f"{model}-l2-{factor:g}-seed-{seed}"
                run = train(store, recipe, folder, resume=True)
                if factor == own:
                    evaluate_once(run, store)
                runs.append(run)
            yield Trainings(model, factor, tuple(runs))


def metrics_row(trainings: Trainings) -> dict[str, Cell]:
    """Return the metrics on test beside the notebook's."""
    published = next(model for model in PUBLISHED_MODELS if model.name == trainings.model)
    measured = [measure(read_predictions(run, Split.TEST), 0.5) for run in trainings.runs]
    row: dict[str, Cell] = {"model": trainings.model, "seeds": len(measured)}
    for name, ours in METRICS.items():
        values = [metrics.value(ours) for metrics in measured]
        row[name] = Spread.of([value for value in values if value is not None])
        row[f"{name}, notebook"] = f"{getattr(published, name):.3f}"
    return row


def loss_rows(trainings: Trainings) -> Iterator[dict[str, Cell]]:
    """Yield the validation losses of each epoch beside the notebook's."""
    for number, losses in enumerate(trainings.losses.T, start=1):
        printed = trainings.printed[number - 1 : number]
        yield {
            "model": trainings.model,
            "epoch": number,
            "validation loss": Spread.of(losses.tolist()),
            "notebook": f"{printed[0]:.4f}" if len(printed) else None,
        }


def factor_row(trainings: Trainings) -> dict[str, Cell]:
    """Return how far the losses with an L2 factor are from the notebook's."""
    printed = trainings.printed
    losses = trainings.losses[:, : len(printed)]
    distance = np.sqrt(np.mean(np.log(losses.mean(0) / printed) ** 2))
    within = (losses.min(0) <= printed) & (printed <= losses.max(0))
    return {
        "model": trainings.model,
        "L2 factor": f"{trainings.factor:g}",
        "seeds": len(losses),
        "first loss": Spread.of(losses[:, 0].tolist()),
        "notebook's first": f"{printed[0]:.4f}",
        "distance": f"{distance:.3f}",
        "within": f"{within.sum()} of {len(printed)}",
    }


def draw_losses(trainings: Sequence[Trainings], out: Path) -> None:
    """Draw the validation losses of each seed, and the notebook's."""
    figure = Figure(figsize=(3.2 * len(trainings), 3), layout="constrained")
    for axes, series in zip(
        figure.subplots(1, len(trainings), squeeze=False)[0], trainings, strict=True
    ):
        epochs = np.arange(1, series.losses.shape[1] + 1)
        for number, losses in enumerate(series.losses):
            label = "pneumoscope, each seed" if number == 0 else None
            axes.plot(epochs, losses, color="#0b6e99", lw=1, alpha=0.7, label=label)
        axes.plot(
            epochs[: len(series.printed)], series.printed, "k^:", ms=4, label="notebook, as printed"
        )
        axes.set(title=series.model, xlabel="Epoch", ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("Validation loss")
    figure.axes[0].legend(frameon=False, fontsize=8)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("source", type=Path, nargs="?", default=RADIOGRAPHS, help="(%(default)s)")
    parser.add_argument(
        "--weights", default="imagenet", help="VGG16's weights, as of 'train' (%(default)s)"
    )
    parser.add_argument(
        "--models",
        nargs="+",
        choices=list(NOTEBOOK_MODELS),
        default=["model_5", "model_6", "model_7"],
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--factors", nargs="*", type=float, default=[0.005, 0.02], help="further L2 factors"
    )
    parser.add_argument("--runs", type=Path, default=CHECKOUT / "runs" / "notebook_repeat")
    parser.add_argument("--picture", type=Path, help="file of the picture of the losses")
    arguments = parser.parse_args()
    arguments.changes = {}
    with tempfile.TemporaryDirectory() as folder:
        if arguments.smallest:
            arguments.source = generate_phantoms(Path(folder) / "phantoms", 80, 64)
            arguments.runs = Path(folder) / "runs"
            arguments.models, arguments.seeds, arguments.factors = ["model_5"], [0], [0.02]
            arguments.changes, arguments.weights = {"epochs": 1, "image_size": 64}, "none"
        store = ExampleStore(open_dataset(arguments.source), open_user_cache())
        trainings = list(run_trainings(arguments, store))
        own = [series for series in trainings if series.factor == make_recipe(series.model).l2]
        printed = [series for series in trainings if len(series.printed)]
        tables = [
            Table("Metrics on test", [metrics_row(series) for series in own], METRICS_NOTE),
            Table(
                "Validation loss", [row for series in own for row in loss_rows(series)], LOSSES_NOTE
            ),
            Table("L2 factors", [factor_row(series) for series in printed], FACTORS_NOTE),
        ]
        if arguments.picture:
            draw_losses(own, arguments.picture)
    publish("notebook_repeat", tables, arguments.out)


if __name__ == "__main__":
    main()
