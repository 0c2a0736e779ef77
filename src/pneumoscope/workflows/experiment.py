"""The main job: models trained on one dataset, compared, and one of them chosen."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.dataset import Manifest, Split
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.report.experiment_page import GalleryImage, render_report
from pneumoscope.evaluation.report.experiment_results import (
    DataSummary,
    ExperimentResult,
    History,
    ModelResult,
    ParameterCounts,
    SplitResult,
    results_csv,
    results_json,
)
from pneumoscope.evaluation.selection.rule import Candidate, choose
from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics
from pneumoscope.radiograph import read_radiograph
from pneumoscope.report.pdf import print_pdf
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RunError
from pneumoscope.support.files import require_empty, write_text
from pneumoscope.support.terminal import messages
from pneumoscope.training import ExampleStore, Recipe, Run, evaluate_once, train
from pneumoscope.training.evaluate import read_predictions
from pneumoscope.training.initial_weights import load_initial_weights, require_no_leakage
from pneumoscope.training.memory_estimate import require_memory

_GALLERY = 24
"""Images of each kind of mistake that the report shows; it lists them all."""


def run_experiment(
    manifest: Manifest,
    recipes: Sequence[Recipe],
    out: Path,
    cache: ArrayCache,
    *,
    min_recall: float,
    resume: bool = False,
) -> ExperimentResult:
    """Train every recipe, judge each on the test split, choose on validation, write the report.

    Parameters
    ----------
    manifest
        The dataset.
    recipes
        One per model.
    out
        Gets ``manifest.parquet``, ``runs/``, ``report.html``, ``report.pdf``, ``results.csv``,
        ``results.json``.
    cache
        Keeps pixels and the features of frozen layers.
    min_recall
        The rule's condition: the highest precision among models with at least this recall.
    resume
        Go on with an experiment begun earlier.

    Raises
    ------
    RecipeError
        If a training does not fit into memory.
    RunError
        If ``out`` is in use, or a training diverges or is interrupted.
    """
    _check_out(out, manifest, recipes, resume)
    images = sum(len(manifest.of(split)) for split in (Split.TRAIN, Split.VALIDATION))
    for recipe in recipes:
        if not _is_finished(_run_folder(out, recipe)):
            require_memory(recipe, images)
    for recipe in _differing_starts(recipes):  # what is missing is said now, not after an hour
        require_no_leakage(load_initial_weights(recipe), manifest)
    manifest.write(out / "manifest.parquet")
    store = ExampleStore(manifest, cache)
    runs = [train(store, recipe, _run_folder(out, recipe), resume=resume) for recipe in recipes]
    for run in runs:
        evaluate_once(run, store)
    with messages.status("Writing the report"):
        result = summarise_runs(manifest, runs, min_recall)
        _write_report(result, manifest, out)
    return result


def _differing_starts(recipes: Sequence[Recipe]) -> list[Recipe]:
    """Return one recipe for each thing that is begun with: seven models share one VGG16."""
    return list(
        {
            (recipe.spec.pretrained, recipe.weights, recipe.seed, recipe.start): recipe
            for recipe in recipes
        }.values()
    )


def summarise_runs(manifest: Manifest, runs: Sequence[Run], min_recall: float) -> ExperimentResult:
    """Gather what the Runs recorded, and choose one of them on validation data alone."""
    models = tuple(_model_result(run) for run in runs)
    candidates = [
        Candidate(
            model.name,
            model.validation.metrics.value("ppv"),
            model.validation.metrics.value("sensitivity"),
        )
        for model in models
    ]
    return ExperimentResult(
        data=_data_summary(manifest),
        models=models,
        choice=choose(candidates, min_recall),
        threshold=runs[0].recipe.threshold,
        notes=tuple(_notes(manifest, runs)),
    )


def _is_finished(folder: Path) -> bool:
    return (folder / "run.json").exists() and Run.open(folder).record.finished


def _check_out(out: Path, manifest: Manifest, recipes: Sequence[Recipe], resume: bool) -> None:
    """Refuse before anything is written what would mix two experiments in one folder."""
    begun = out / "manifest.parquet"
    if not resume or not begun.exists():
        require_empty(out, resumable=True)
    elif Manifest.read(begun).fingerprint != manifest.fingerprint:
        raise RunError(
            f"{out}: was begun on other data or another split; pass the same dataset with the same "
            f"options, or {begun} itself, or another --out"
        )
    asked = {_run_folder(out, recipe) for recipe in recipes}
    if others := sorted(set((out / "runs").glob("[!.]*")) - asked):
        raise RunError(
            f"{out}: holds the Run {others[0].name} too, which the report would lack; ask for all "
            "of its models, or choose another --out"
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
        raise RunError(f"{run.folder}: its training has not finished; go on with --resume")
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
        set_aside=len(manifest.set_aside),
    )


def _notes(manifest: Manifest, runs: Sequence[Run]) -> list[str]:
    """Say what the figures do not show: whose VGG16 it was, what we chose, who may be whom."""
    notes = []
    pretrained = [(run.recipe.model, run.record.backbone) for run in runs if run.record.backbone]
    for origin in dict.fromkeys(backbone.origin for _, backbone in pretrained):
        names = ", ".join(name for name, backbone in pretrained if backbone.origin == origin)
        notes.append(f"Pretrained layers of {names}: {origin}.")
    if passes := [backbone.pass_seconds for _, backbone in pretrained if backbone.pass_seconds]:
        notes.append(
            f"The frozen VGG16 passed over train and validation once, in {max(passes):.0f} s, "
            "shared by its models and not part of their seconds."
        )
    notes += [
        f"The L2 factor {factor:g} is a choice: the notebook's own is cut off in its text."
        for factor in dict.fromkeys(run.recipe.l2 for run in runs if run.recipe.spec.penalised)
    ]
    if shared := _numbers_on_both_sides(manifest):
        notes.append(
            f"{shared} patient numbers in file names occur both in the test split and in train or "
            "validation. They are probably numbering, not people; if they are people, the test "
            "figures are too good."
        )
    return notes


def _numbers_on_both_sides(manifest: Manifest) -> int:
    tested = {entry.patient for entry in manifest.of(Split.TEST)}
    used = {e.patient for split in (Split.TRAIN, Split.VALIDATION) for e in manifest.of(split)}
    return len((tested & used) - {None})


def _write_report(result: ExperimentResult, manifest: Manifest, out: Path) -> None:
    write_text(out / "results.csv", results_csv(result))
    write_text(out / "results.json", results_json(result))
    tested = result.chosen.test.predictions
    missed = _gallery(manifest, tested, tested.false_negatives(result.threshold))
    alarmed = _gallery(manifest, tested, tested.false_positives(result.threshold))
    page = render_report(result, missed, alarmed)
    write_text(out / "report.html", page)
    print_pdf(page, out / "report.pdf")


def _gallery(
    manifest: Manifest, predictions: Predictions, rows: NDArray[np.intp]
) -> list[GalleryImage]:
    """Picture the surest mistakes first."""
    surest = sorted(rows, key=lambda row: -abs(predictions.probabilities[row] - 0.5))[:_GALLERY]
    return [
        GalleryImage(
            predictions.files[row],
            float(predictions.probabilities[row]),
            _thumbnail(manifest.root / predictions.files[row]),
        )
        for row in surest
    ]


def _thumbnail(path: Path, side: int = 224) -> bytes:
    pixels = np.rint(read_radiograph(path).pixels * 255).astype(np.uint8)
    image = Image.fromarray(pixels)
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
