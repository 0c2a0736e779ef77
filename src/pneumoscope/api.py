"""Python API: the commands as functions, which take paths and return their results.

Whatever they print for people goes to the standard error.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from pneumoscope.dataset import Manifest, open_dataset
from pneumoscope.dataset.manifest import SplitBy
from pneumoscope.evaluation.model_evaluation import ModelEvaluation, Subject, evaluate_model
from pneumoscope.evaluation.predictions import Labels, Predictions
from pneumoscope.evaluation.report.experiment_results import ExperimentResult
from pneumoscope.evaluation.selection.rule import MIN_RECALL
from pneumoscope.evaluation.statistics.bootstrap import DRAWS
from pneumoscope.evaluation.statistics.custom_metrics import find_metrics
from pneumoscope.models import NOTEBOOK_MODELS
from pneumoscope.reader import open_reader
from pneumoscope.support.cache import open_user_cache
from pneumoscope.training import ExampleStore, Run, evaluate_once, make_recipe
from pneumoscope.training import train as train_run
from pneumoscope.validation.labels import read_labels
from pneumoscope.validation.local_validation import LocalValidation, validate_locally
from pneumoscope.validation.report.write import write_validation
from pneumoscope.workflows.evaluate import subject_of_run
from pneumoscope.workflows.experiment import run_experiment

AnyPath: TypeAlias = str | PathLike[str]


def load_manifest(
    source: AnyPath,
    images: AnyPath | None = None,
    *,
    split_by: str | None = None,
    seed: int = 0,
    strict: bool = False,
) -> Manifest:
    """Open a dataset.

    Parameters
    ----------
    source
        Folder in the Kaggle layout or of classes, table of labels (CSV or Parquet), or manifest.
    images
        Folder that the paths of a table or manifest are relative to.
    split_by
        Unit that stays together when validation is drawn, ``"patient"`` (the default) or
        ``"image"``.
    seed
        Random seed of the split; ignored for a manifest.
    strict
        Whether the first image that cannot be read is an error, instead of being set aside.

    Raises
    ------
    DatasetError
        If the source cannot be used.

    Examples
    --------
    >>> import pneumoscope as ps
    >>> from pneumoscope.dataset.phantoms.generate import generate_phantoms
    >>> folder = generate_phantoms(getfixture("tmp_path") / "phantoms", count=40, size=64)
    >>> len(ps.load_manifest(folder).in_use)
    40
    """
    unit = None if split_by is None else SplitBy(split_by)
    return open_dataset(Path(source), _path(images), unit, seed, strict)


def load_run(folder: AnyPath) -> Run:
    """Open a Run directory.

    Parameters
    ----------
    folder
        Folder that a training wrote, such as ``runs/compact``.

    Raises
    ------
    RunError
        If it is no Run directory, or of a version that is not read.

    Examples
    --------
    >>> import pneumoscope as ps
    >>> ps.load_run("runs/compact").history()[-1].val_auc  # doctest: +SKIP
    0.991
    """
    return Run.open(Path(folder))


def train(
    data: AnyPath | Manifest,
    model: str,
    out: AnyPath,
    *,
    recipe: AnyPath | None = None,
    test: bool = False,
    resume: bool = False,
    **settings: object,
) -> Run:
    """Train a model into a Run directory.

    Parameters
    ----------
    data
        Dataset, or what `load_manifest` opens.
    model
        Name of the model, such as ``"compact"``; ``pneumoscope models`` lists them. Or a function
        of another package that builds a network, as ``"my_package.my_module:build"``.
    out
        Folder of Runs; the Run is written into a folder of it that is named as the model.
    recipe
        YAML file with settings.
    test
        Whether to read the test split too. Each reading of it is recorded.
    resume
        Whether to continue an interrupted training.
    **settings
        Settings of the recipe, such as ``epochs=5`` or ``augmentation={"rotation": 10}``.

    Raises
    ------
    DatasetError
        If the dataset cannot be used.
    PluginError
        If the network of another package cannot be imported or used.
    RecipeError
        If a setting is unknown or out of range, or the training does not fit into memory.
    RunError
        If the folder holds something else, or the training diverged or was interrupted.

    Examples
    --------
    >>> import pneumoscope as ps
    >>> run = ps.train("chest_xray", "compact", "runs", epochs=2)  # doctest: +SKIP
    >>> run.folder  # doctest: +SKIP
    PosixPath('runs/compact')
    """
    settled = make_recipe(model, _path(recipe), (), **settings)
    store = ExampleStore(_manifest(data, settled.seed), open_user_cache())
    run = train_run(store, settled, Path(out) / model, resume=resume)
    if test:
        evaluate_once(run, store)
    return run


def experiment(
    data: AnyPath | Manifest,
    out: AnyPath,
    *,
    models: Sequence[str] = tuple(NOTEBOOK_MODELS),
    min_recall: float = MIN_RECALL,
    resume: bool = False,
    seeds: int = 1,
    folds: int = 0,
    **settings: object,
) -> ExperimentResult:
    """Train several models, choose one on validation, evaluate all on test, and write the report.

    Parameters
    ----------
    data
        Dataset, or what `load_manifest` opens.
    out
        Folder of the report, the results and the Runs.
    models
        Names of the models, by default the notebook's seven.
    min_recall
        Lowest acceptable recall on validation, within [0, 1].
    resume
        Whether to continue an interrupted experiment.
    seeds, folds
        Number of trainings of each model with other seeds, the first included, and number of folds
        of a cross-validation; the report shows the spread of their metrics.
    **settings
        Settings of every model's recipe, such as ``epochs=5`` or ``weights="none"``.

    Raises
    ------
    DatasetError
        If the dataset cannot be used.
    RecipeError
        If a setting is unknown or out of range, or a training does not fit into memory.
    RunError
        If ``out`` is in use, or a training diverges or is interrupted.
    WeightsError
        If pretrained weights are needed and missing.

    Examples
    --------
    >>> import pneumoscope as ps
    >>> result = ps.experiment("chest_xray", "experiment", weights="none")  # doctest: +SKIP
    >>> result.choice.name  # doctest: +SKIP
    'model_4'
    """
    recipes = [make_recipe(model, None, (), **settings) for model in dict.fromkeys(models)]
    return run_experiment(
        _manifest(data, recipes[0].seed if recipes else 0),
        recipes,
        Path(out),
        open_user_cache(),
        min_recall=min_recall,
        resume=resume,
        seeds=seeds,
        folds=folds,
    )


def evaluate(
    predictions: AnyPath | Predictions | Run,
    thresholds: float | Mapping[str, float] = 0.5,
    *,
    draws: int = DRAWS,
    metrics: Sequence[str] = (),
) -> ModelEvaluation:
    """Evaluate a table of predictions, or a Run on its test split.

    Parameters
    ----------
    predictions
        Predictions, the path of a table of them (CSV or Parquet with the columns file, label and
        probability), or a Run, which then reads its test split unless it has done so; each reading
        is recorded.
    thresholds
        Lowest probability that is called PNEUMONIA, or several by name; ignored for a Run, which
        has its own.
    draws
        Number of bootstrap resamples, by patient where patients are known.
    metrics
        Names of metrics that installed packages offer, or functions of labels and probabilities
        such as ``"my_package.my_module:my_metric"``.

    Raises
    ------
    PluginError
        If a metric of another package cannot be found, or fails.
    PredictionsError
        If the table is invalid, or a class is missing.
    RunError
        If the Run is not finished, or its images are missing.
    TableError
        If the file cannot be read as a table.

    Examples
    --------
    >>> import numpy as np
    >>> import pneumoscope as ps
    >>> files = tuple(f"{row}.png" for row in range(40))
    >>> labels = np.arange(40) % 2
    >>> predictions = ps.Predictions(files, labels, 0.3 + 0.4 * labels, patients=files)
    >>> print(ps.evaluate(predictions, draws=100).discrimination.auc)
    1.000 (0.839 to 1.000)
    """
    custom = find_metrics(metrics)
    if isinstance(predictions, Run):
        subject = subject_of_run(predictions, open_user_cache())
        return evaluate_model(subject, draws=draws, metrics=custom)
    named = {"threshold": thresholds} if isinstance(thresholds, float | int) else thresholds
    if isinstance(predictions, Predictions):
        subject = Subject("predictions", "predictions in memory", predictions, named)
    else:
        path = Path(predictions)
        subject = Subject(path.stem, f"the table {path.name}", Predictions.read(path), named)
    return evaluate_model(subject, draws=draws, metrics=custom)


def validate(
    labels: AnyPath | Labels,
    images: AnyPath,
    *,
    bundle: AnyPath = "default",
    at: str = "screening",
    out: AnyPath | None = None,
    negatives: Sequence[str] = (),
    draws: int = DRAWS,
    quick: bool = False,
) -> LocalValidation:
    """Validate a bundle on labelled local radiographs, with a verdict by a stated rule.

    Parameters
    ----------
    labels
        Labels, or the path of a table of them with the columns file and label.
    images
        Folder that the files are relative to.
    bundle
        Name of a shipped bundle, or a folder.
    at
        Operating point of the verdict.
    out
        Folder to write the report to; None for none.
    negatives
        Labels that count as no pneumonia.
    draws
        Number of bootstrap resamples.
    quick
        Whether to leave out the stress tests.

    Raises
    ------
    BundleError
        If the bundle is missing or damaged.
    PredictionsError
        If the labels cannot be used, or the bundle has no such operating point.
    TableError
        If the file cannot be read as a table.

    Examples
    --------
    >>> import pneumoscope as ps
    >>> validation = ps.validate("labels.csv", "radiographs", quick=True)  # doctest: +SKIP
    >>> str(validation.acceptance.outcome)  # doctest: +SKIP
    'undecided'
    """
    # A name stays text: it may be that of a shipped bundle.
    reader = open_reader(bundle if isinstance(bundle, str) else Path(bundle))
    table = (
        labels
        if isinstance(labels, Labels)
        else read_labels(Path(labels), reader.bundle, negatives)
    )
    validation = validate_locally(
        reader, table, Path(images), at, draws=draws, with_stress_tests=not quick
    )
    if out is not None:
        write_validation(validation, Path(out))
    return validation


def _path(path: AnyPath | None) -> Path | None:
    return None if path is None else Path(path)


def _manifest(data: AnyPath | Manifest, seed: int) -> Manifest:
    return data if isinstance(data, Manifest) else load_manifest(data, seed=seed)
