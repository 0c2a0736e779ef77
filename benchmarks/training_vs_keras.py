"""Training by the notebook's program and by ours: the same files, splits, seeds and host.

VGG16's weights are random on both sides. It takes hours; started again, it resumes.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.comparison import NOTEBOOK, Comparison, Result, Task, WholeExperiment
from benchmarks.keras_environment import FOLDER, keras_python
from benchmarks.programs import Workplace, experiment_once, link_images, run_once, train_once
from benchmarks.report import option_parser, publish
from pneumoscope.dataset import Manifest, open_dataset
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.models import NOTEBOOK_MODELS, Precision, fastest_precision
from pneumoscope.training import make_recipe

COMPARED = ("model_1", "model_2", "model_3", "model_4", "model_7")
KERAS_SUFFIXES = {".jpeg", ".jpg", ".png"}


def tasks(arguments: argparse.Namespace, programs: Sequence[str], data: str) -> Iterator[Task]:
    """Yield the trainings to run: for each seed and model, the programs in alternation."""
    for seed in arguments.seeds:
        for model in arguments.models:
            epochs = make_recipe(model).epochs
            epochs = min(epochs, arguments.epochs or epochs)
            timed_once = NOTEBOOK_MODELS[model].pretrained and not arguments.full_vgg16
            for program in programs:
                if program != NOTEBOOK or not timed_once:
                    yield Task(program, model, seed, epochs, data)
                elif seed == arguments.seeds[0]:
                    yield Task(program, model, seed, 1, data)


def covered(models: Sequence[str]) -> list[str]:
    """Return the models of the whole experiment; model 7 stands for all on VGG16.

    Examples
    --------
    >>> covered(["model_1", "model_7"])
    ['model_1', 'model_5', 'model_6', 'model_7']
    """
    with_vgg16 = any(NOTEBOOK_MODELS[model].pretrained for model in models)
    return [
        name
        for name, spec in NOTEBOOK_MODELS.items()
        if name in models or (with_vgg16 and spec.pretrained)
    ]


def require_keras_can_read(manifest: Manifest) -> None:
    """Stop if Keras would skip an image, and so train on other images than ours."""
    for entry in manifest.in_use:
        if Path(entry.path).suffix.lower() not in KERAS_SUFFIXES:
            raise SystemExit(
                f"{manifest.root / entry.path}: Keras reads JPEG and PNG files alone; "
                "convert the dataset, or name another"
            )


def compare(arguments: argparse.Namespace) -> Comparison:
    """Run all trainings and experiments whose results are not stored yet."""
    manifest = open_dataset(arguments.source, seed=arguments.seeds[0])
    require_keras_can_read(manifest)
    folder = arguments.out / "training_vs_keras"
    place = Workplace(
        source=arguments.source,
        manifest=folder / f"{manifest.fingerprint[:12]}.parquet",
        images=folder / manifest.fingerprint[:12],
        python=keras_python(arguments.keras_env),
        results=folder,
    )
    manifest.write(place.manifest)
    link_images(manifest, place.images)
    default = fastest_precision().value
    data = manifest.fingerprint
    models = "+".join(["experiment", *covered(arguments.models)])
    results: list[Result] = []
    experiments: list[WholeExperiment] = []
    # The default precision first, since the goals are for it.
    for precision in dict.fromkeys([default, Precision.FLOAT32.value]):
        programs = [NOTEBOOK, default] if precision == default else [precision]
        results += [
            run_once(task, place, Result, train_once) for task in tasks(arguments, programs, data)
        ]
        trial = arguments.epochs if arguments.smallest else 0
        whole = Task(precision, models, arguments.seeds[0], trial, data)
        experiments.append(run_once(whole, place, WholeExperiment, experiment_once))
    return Comparison(results, experiments, default)


def read_options() -> argparse.Namespace:
    """Parse the command line; the smallest run has options of its own."""
    parser = option_parser(__doc__)
    parser.add_argument("source", type=Path, nargs="?", help="dataset of JPEG or PNG files")
    parser.add_argument(
        "--keras-env",
        type=Path,
        default=FOLDER,
        help="virtual environment of Keras, created if absent (default: %(default)s)",
    )
    parser.add_argument(
        "--models",
        nargs="+",
        choices=COMPARED,
        default=list(COMPARED),
        help="models to train (default: all)",
    )
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=int,
        default=[0, 1, 2],
        help="random seeds (default: 0 1 2)",
    )
    parser.add_argument(
        "--epochs",
        type=int,
        choices=(1, 2, 3),
        default=0,
        help="maximum number of epochs, to time them alone (default: each model's own); "
        "our whole experiment is trained to its end all the same",
    )
    parser.add_argument(
        "--full-vgg16",
        action="store_true",
        help="train Keras' model 7 to its end instead of timing one epoch; takes hours",
    )
    arguments = parser.parse_args()
    if arguments.smallest:
        arguments.models, arguments.seeds, arguments.epochs = ["model_1"], [0], 1
        arguments.source = arguments.out / "training_vs_keras" / "phantoms"
        if not arguments.source.exists():
            generate_phantoms(arguments.source, count=40, size=64)
    elif arguments.source is None:
        parser.error("name the dataset (SOURCE), or pass --smallest")
    return arguments


def main() -> None:
    """Run from the command line."""
    arguments = read_options()
    publish("training_vs_keras", compare(arguments).tables(), arguments.out)


if __name__ == "__main__":
    main()
