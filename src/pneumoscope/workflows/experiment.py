"""Experiment: several models trained on one dataset, compared, and one of them chosen."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.dataset import Manifest, Split
from pneumoscope.dataset.patients import warn_of_unknown_patients
from pneumoscope.dataset.reading_log import describe_host_readings
from pneumoscope.evaluation.model_evaluation import ModelEvaluation, Subject, evaluate_model
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.report.experiment_page import render_experiment
from pneumoscope.evaluation.report.experiment_results import (
    DataSummary,
    ExperimentResult,
    History,
    Layer,
    ModelResult,
    ParameterCounts,
    SplitResult,
    ThresholdChoice,
    results_csv,
    results_json,
)
from pneumoscope.evaluation.report.published_notebook import (
    PUBLISHED_CHOICE,
    published_operating_point,
)
from pneumoscope.evaluation.report.repeats import RepeatedTrainings
from pneumoscope.evaluation.report.views import ErrorsView
from pneumoscope.evaluation.selection.operating_points import most_precise_threshold
from pneumoscope.evaluation.selection.rule import Candidate, choose_model
from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics
from pneumoscope.evaluation.statistics.paired_bootstrap import rate_differences
from pneumoscope.models.catalogue import describe_network
from pneumoscope.models.layer_table import layer_table
from pneumoscope.radiograph import read_radiograph
from pneumoscope.report.gallery import GalleryImage, fill_gallery
from pneumoscope.report.pdf import write_pdf_if_possible
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RunError
from pneumoscope.support.files import require_empty, write_text
from pneumoscope.support.terminal import messages
from pneumoscope.training import ExampleStore, Recipe, Run, evaluate_once, train
from pneumoscope.training.continuation import open_to_continue
from pneumoscope.training.evaluate import read_predictions
from pneumoscope.training.initial_weights import load_initial_weights, require_no_leakage
from pneumoscope.training.loggers import TrainingLogger
from pneumoscope.training.memory_estimate import require_memory
from pneumoscope.validation.stress.thumbnails import png_bytes, shrink
from pneumoscope.workflows.baseline import evaluate_baseline
from pneumoscope.workflows.evaluate import labels_of
from pneumoscope.workflows.repeats import (
    repeat_in_folds,
    repeat_with_seeds,
    require_repeats,
)

_THUMBNAIL_SIDE = 192


def run_experiment(
    manifest: Manifest,
    recipes: Sequence[Recipe],
    out: Path,
    cache: ArrayCache,
    *,
    min_recall: float,
    resume: bool = False,
    seeds: int = 1,
    folds: int = 0,
    loggers: Sequence[TrainingLogger] = (),
) -> ExperimentResult:
    """Train every recipe, choose a model on validation, evaluate all on test, write the report.

    Parameters
    ----------
    manifest
        Dataset with train, validation and test splits.
    recipes
        Recipes, one per model.
    out
        Folder to write ``manifest.parquet``, ``runs/``, ``baseline/``, ``report.html``,
        ``report.pdf``, ``results.csv`` and ``results.json`` to; further trainings to ``seeds/`` and
        ``folds/``.
    cache
        Cache of pixels and of the features of frozen layers.
    min_recall
        Lowest acceptable recall on validation; the model of the highest precision among those that
        reach it is chosen.
    resume
        Whether to continue an interrupted experiment, or a finished one to more epochs.
    seeds
        Number of trainings of each model, with seeds that follow the recipe's; they show the
        spread, and the choice is made on those of the first seed.
    folds
        Number of folds of a cross-validation beside it, or 0.
    loggers
        Tools that show each training as it goes on.

    Raises
    ------
    DatasetError
        If there are too few patients for the folds.
    RecipeError
        If a training does not fit into memory, or the number of seeds or folds is impossible.
    RunError
        If ``out`` is in use, or a training diverges or is interrupted.
    """
    _check_out(out, manifest, recipes, resume)
    require_repeats(manifest, recipes, seeds, folds)
    images = sum(len(manifest.of(split)) for split in (Split.TRAIN, Split.VALIDATION))
    unfinished = [
        recipe for recipe in recipes if not _is_finished(_run_folder(out, recipe), recipe)
    ]
    for recipe in unfinished:
        require_memory(recipe, images)
    for recipe in _distinct_initial_weights(recipes):  # missing files are reported before training
        require_no_leakage(load_initial_weights(recipe), manifest)
    for recipe in unfinished:
        if (_run_folder(out, recipe) / "run.json").exists():  # refused before anything is removed
            open_to_continue(_run_folder(out, recipe), recipe, manifest)
    manifest.write(out / "manifest.parquet")
    if unfinished:  # an earlier report would be that of shorter trainings
        _remove_report(out)
    store = ExampleStore(manifest, cache)
    runs = [
        train(store, recipe, _run_folder(out, recipe), resume=resume, loggers=loggers)
        for recipe in recipes
    ]
    for run in runs:
        evaluate_once(run, store)
    baseline = evaluate_baseline(store, out / "baseline", recipes[0].threshold)
    repeats = []
    if seeds > 1:
        repeats.append(repeat_with_seeds(store, runs, out / "seeds", seeds, min_recall, loggers))
    if folds:
        repeats.append(repeat_in_folds(store, recipes, out / "folds", folds, min_recall, loggers))
    with messages.status("Writing the report"):
        result = summarise_runs(manifest, runs, baseline, min_recall, repeats)
        _write_report(result, manifest, out)
    return result


def _distinct_initial_weights(recipes: Sequence[Recipe]) -> list[Recipe]:
    """Return one recipe for each set of initial weights, since models may share a VGG16."""
    return list(
        {
            (recipe.spec.pretrained, recipe.weights, recipe.seed, recipe.start): recipe
            for recipe in recipes
        }.values()
    )


def summarise_runs(
    manifest: Manifest,
    runs: Sequence[Run],
    baseline: ModelResult,
    min_recall: float,
    repeats: Sequence[RepeatedTrainings] = (),
) -> ExperimentResult:
    """Return the recorded results of the Runs, with one Run chosen on validation data alone."""
    models = tuple(_model_result(run) for run in runs)
    candidates = [Candidate.of(model.name, model.validation.metrics) for model in models]
    choice, threshold = choose_model(candidates, min_recall), runs[0].recipe.threshold
    return ExperimentResult(
        data=_data_summary(manifest),
        models=models,
        baseline=baseline,
        choice=choice,
        threshold=threshold,
        own_thresholds=_choose_with_thresholds(models, choice.name, threshold, min_recall),
        min_recall=min_recall,
        notes=tuple(_notes(manifest, runs)),
        repeats=tuple(repeats),
    )


def _choose_with_thresholds(
    models: Sequence[ModelResult], at_one_threshold: str, threshold: float, min_recall: float
) -> ThresholdChoice:
    """Choose a model with a threshold of its own for each, and compare it with another choice."""
    tables = {
        model.name: (model.validation.predictions, model.test.predictions) for model in models
    }
    thresholds = {
        name: most_precise_threshold(validation, min_recall)
        for name, (validation, _) in tables.items()
    }
    on_validation, on_test = (
        {name: bootstrap_metrics(both[split], thresholds[name]) for name, both in tables.items()}
        for split in (0, 1)
    )
    choice = choose_model([Candidate.of(*item) for item in on_validation.items()], min_recall)
    differences = rate_differences(
        (tables[choice.name][1], thresholds[choice.name]), (tables[at_one_threshold][1], threshold)
    )
    return ThresholdChoice(choice, thresholds, on_validation, on_test, differences)


def _is_finished(folder: Path, recipe: Recipe) -> bool:
    return (folder / "run.json").exists() and Run.open(folder).is_finished(recipe)


def _remove_report(out: Path) -> None:
    for name in ("report.html", "report.pdf", "results.csv", "results.json"):
        (out / name).unlink(missing_ok=True)


def _check_out(out: Path, manifest: Manifest, recipes: Sequence[Recipe], resume: bool) -> None:
    """Raise an error if the folder holds another experiment, before anything is written."""
    begun_manifest = out / "manifest.parquet"
    if not resume or not begun_manifest.exists():
        require_empty(out, resumable=True)
    elif Manifest.read(begun_manifest).fingerprint != manifest.fingerprint:
        raise RunError(
            f"{out}: this experiment was begun on other data or another split; pass the same "
            f"dataset with the same options, or {begun_manifest}, or choose another --out"
        )
    folders = {_run_folder(out, recipe) for recipe in recipes}
    if extra := sorted(set((out / "runs").glob("[!.]*")) - folders):
        raise RunError(
            f"{out}: holds the Run {extra[0].name} too, which the report would lack; name all of "
            "its models with --model, or choose another --out"
        )


def _run_folder(out: Path, recipe: Recipe) -> Path:
    return out / "runs" / recipe.model


def _model_result(run: Run) -> ModelResult:
    history = run.history()
    threshold = run.recipe.threshold
    validation = read_predictions(run, Split.VALIDATION)
    test = read_predictions(run, Split.TEST)
    parameters = run.record.parameters
    if parameters is None:
        raise RunError(f"{run.folder}: the training has not finished; continue it with --resume")
    total, trainable = parameters.total, parameters.trainable
    return ModelResult(
        name=run.recipe.model,
        description=run.recipe.spec.description,
        parameters=ParameterCounts(total, trainable, total - trainable),
        epochs=len(history),
        seconds=round(sum(epoch.seconds for epoch in history), 3),
        history=History(
            tuple(epoch.epoch for epoch in history),
            tuple(epoch.loss for epoch in history),
            tuple(epoch.val_loss for epoch in history),
        ),
        validation=SplitResult(validation, bootstrap_metrics(validation, threshold)),
        test=SplitResult(test, bootstrap_metrics(test, threshold)),
        layers=_layers(run),
    )


def _layers(run: Run) -> tuple[Layer, ...]:
    recipe = run.recipe
    network = describe_network(recipe.spec, recipe.image_size, run.structure())
    return tuple(
        Layer(row.name, row.kind, row.output_shape, row.parameters)
        for row in layer_table(network, recipe.image_size)
    )


def _data_summary(manifest: Manifest) -> DataSummary:
    counts = {
        split.value: {label.name: n for label, n in classes.items()}
        for split, classes in manifest.counts().items()
    }
    return DataSummary(
        fingerprint=manifest.fingerprint,
        counts=counts,
        synthetic=manifest.synthetic,
        split_by=manifest.split_by.value,
        images_without_patient=len(manifest.images_without_patient),
        shared_patients=len(manifest.shared_patients(Split.TRAIN, Split.VALIDATION)),
        set_aside=len(manifest.set_aside),
    )


def _notes(manifest: Manifest, runs: Sequence[Run]) -> list[str]:
    """Return remarks on the results: origin of pretrained weights, own choices, patient overlap."""
    warning = warn_of_unknown_patients(manifest)
    notes = [] if warning is None else [warning]
    pretrained = [
        (run.recipe.model, run.record.initial_weights) for run in runs if run.record.initial_weights
    ]
    for origin in dict.fromkeys(weights.origin for _, weights in pretrained):
        names = ", ".join(name for name, weights in pretrained if weights.origin == origin)
        notes.append(f"Pretrained layers of {names}: {origin}.")
    if passes := [weights.pass_seconds for _, weights in pretrained if weights.pass_seconds]:
        notes.append(
            f"The frozen VGG16 passed over train and validation once, in {max(passes):.0f} s, "
            "shared by its models and not part of their seconds."
        )
    notes += [
        f"The L2 factor {factor:g} is not in the notebook's text, where it is cut off; the losses "
        "that it printed fit 0.01 and 0.02 about as well as each other."
        for factor in dict.fromkeys(run.recipe.l2 for run in runs if run.recipe.spec.penalised)
    ]
    if both := len(manifest.shared_patients(Split.TRAIN, Split.VALIDATION)):
        notes.append(
            f"{both} patients have images both in train and in validation, so the validation "
            "results, on which models are chosen, may be too good."
        )
    shared = len(
        manifest.shared_patients(Split.TEST, Split.TRAIN)
        | manifest.shared_patients(Split.TEST, Split.VALIDATION)
    )
    if shared:
        notes.append(
            f"{shared} patient numbers in file names occur both in the test split and in train or "
            "validation. They are probably counters rather than patients; if they are patients, "
            "performance on the test split is overestimated."
        )
    notes.append(
        f"{describe_host_readings(manifest.fingerprint)} Each model's reading counts; what is "
        "chosen after a look at it makes the next result too good."
    )
    return notes


def _write_report(result: ExperimentResult, manifest: Manifest, out: Path) -> None:
    write_text(out / "results.csv", results_csv(result))
    write_text(out / "results.json", results_json(result))
    page = render_experiment(
        result,
        _evaluate_leading(result, manifest),
        _view_errors(result, manifest),
        {f"the notebook's {PUBLISHED_CHOICE}, as published": published_operating_point()},
    )
    write_text(out / "report.html", page)
    write_pdf_if_possible(page, out / "report.pdf")


def _evaluate_leading(result: ExperimentResult, manifest: Manifest) -> ModelEvaluation | None:
    """Evaluate the leading model on the test split; None if that has one class only."""
    leading, threshold = result.leading, result.threshold
    test = leading.test.predictions
    if len(set(test.labels.tolist())) < 2:
        return None
    entries = {entry.path: entry for entry in manifest.of(Split.TEST)}
    groups = labels_of([entries[file] for file in test.files]).groups
    subject = Subject(
        leading.name,
        f"{leading.name} on the test split of the data {manifest.fingerprint[:12]}",
        replace(test, groups=groups),
        {"own threshold": result.leading_threshold, f"threshold {threshold:g}": threshold},
        leading.validation.predictions,
    )
    return evaluate_model(subject, draws=result.draws)


def _view_errors(result: ExperimentResult, manifest: Manifest) -> tuple[ErrorsView, ErrorsView]:
    """Return the test images that the leading model misclassifies at its own threshold."""
    table, name = result.leading.test.predictions, result.leading.name
    negatives, positives = table.worst_errors(result.leading_threshold)
    return (
        ErrorsView.of("false_negatives", name, *_gallery(manifest, table, negatives)),
        ErrorsView.of("false_positives", name, *_gallery(manifest, table, positives)),
    )


def _gallery(
    manifest: Manifest, predictions: Predictions, rows: NDArray[np.intp]
) -> tuple[tuple[GalleryImage, ...], list[tuple[str, float]]]:
    """Return errors as images, as far as the gallery holds them, and the files of the others."""
    errors = [(predictions.files[row], float(predictions.probabilities[row])) for row in rows]

    def thumbnails() -> Iterator[GalleryImage]:
        for file, probability in errors:
            thumbnail = shrink(read_radiograph(manifest.root / file).pixels, _THUMBNAIL_SIDE)
            yield GalleryImage(file, probability, png_bytes(thumbnail))

    images = fill_gallery(thumbnails())
    return images, errors[len(images) :]
