"""The notebook's own program and ours in turn: the same files, splits, seeds and machine.

VGG16 is random on both sides. It takes hours; called again, it goes on where it was stopped.
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


def tasks(given: argparse.Namespace, programs: Sequence[str], data: str) -> Iterator[Task]:
    """Yield what is to be run: for each seed and model the programs in turn."""
    for seed in given.seeds:
        for model in given.models:
            epochs = make_recipe(model).epochs
            epochs = min(epochs, given.epochs or epochs)
            timed_once = NOTEBOOK_MODELS[model].pretrained and not given.full_vgg16
            for program in programs:
                if program != NOTEBOOK or not timed_once:
                    yield Task(program, model, seed, epochs, data)
                elif seed == given.seeds[0]:
                    yield Task(program, model, seed, 1, data)


def covered(models: Sequence[str]) -> list[str]:
    """Return the models of the whole experiment: model 7 stands for all on VGG16.

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
    """Stop if Keras would pass over an image, and so learn from others than ours."""
    for entry in manifest.in_use:
        if Path(entry.path).suffix.lower() not in KERAS_SUFFIXES:
            raise SystemExit(f"{manifest.root / entry.path}: Keras reads JPEG and PNG files alone")


def compare(given: argparse.Namespace) -> Comparison:
    """Run everything that has not been run before."""
    manifest = open_dataset(given.source, seed=given.seeds[0])
    require_keras_can_read(manifest)
    folder = given.out / "training_vs_keras"
    place = Workplace(
        source=given.source,
        manifest=folder / f"{manifest.fingerprint[:12]}.parquet",
        images=folder / manifest.fingerprint[:12],
        python=keras_python(given.keras_env),
        results=folder,
    )
    manifest.write(place.manifest)
    link_images(manifest, place.images)
    default = fastest_precision().value
    data = manifest.fingerprint
    models = "+".join(["experiment", *covered(given.models)])
    results: list[Result] = []
    experiments: list[WholeExperiment] = []
    # What the goals are judged by comes first; where float32 is not the default, it comes last.
    for precision in dict.fromkeys([default, Precision.FLOAT32.value]):
        programs = [NOTEBOOK, default] if precision == default else [precision]
        results += [
            run_once(task, place, Result, train_once) for task in tasks(given, programs, data)
        ]
        trial = given.epochs if given.smallest else 0
        whole = Task(precision, models, given.seeds[0], trial, data)
        experiments.append(run_once(whole, place, WholeExperiment, experiment_once))
    return Comparison(results, experiments, default)


def read_options() -> argparse.Namespace:
    """Read the command line; the smallest run has options of its own."""
    parser = option_parser(__doc__)
    parser.add_argument("source", type=Path, nargs="?", help="dataset of JPEG or PNG files")
    parser.add_argument("--keras-env", type=Path, default=FOLDER, help="default: %(default)s")
    parser.add_argument("--models", nargs="+", choices=COMPARED, default=list(COMPARED))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--epochs",
        type=int,
        choices=(1, 2, 3),
        default=0,
        help="at most, to be timed; our whole experiment is trained to its end all the same",
    )
    parser.add_argument(
        "--full-vgg16", action="store_true", help="train Keras' model 7 to its end; for hours"
    )
    given = parser.parse_args()
    if given.smallest:
        given.models, given.seeds, given.epochs = ["model_1"], [0], 1
        given.source = given.out / "training_vs_keras" / "phantoms"
        if not given.source.exists():
            generate_phantoms(given.source, count=40, size=64)
    elif given.source is None:
        parser.error("name the dataset, or pass --smallest")
    return given


def main() -> None:
    """Run from the command line."""
    given = read_options()
    publish("training_vs_keras", compare(given).tables(), given.out)


if __name__ == "__main__":
    main()
