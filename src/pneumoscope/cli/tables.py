"""The tables that the command line prints; each imports what it needs and no more."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.filesize import decimal
from rich.table import Table

from pneumoscope.support.errors import RecipeError

if TYPE_CHECKING:
    from pneumoscope.dataset import Manifest
    from pneumoscope.evaluation.model_evaluation import ModelEvaluation
    from pneumoscope.evaluation.report.experiment_results import ExperimentResult
    from pneumoscope.evaluation.statistics.intervals import Estimate
    from pneumoscope.export.recalibrate import Recalibrated
    from pneumoscope.reader.bundle import Bundle, Figure
    from pneumoscope.support.cache import ArrayCache
    from pneumoscope.training import Run
    from pneumoscope.training.cost_estimate import Estimate as TrainingEstimate


def comparison_table(result: "ExperimentResult") -> Table:
    """Return the models with their test figures, the chosen one bold."""
    test = result.chosen.test_predictions
    table = Table(
        "model",
        title=f"Test split{_synthetic(result.data.synthetic)}",
        caption=(
            f"n = {len(test.files)} radiographs of {len(set(test.patients))} patients; threshold "
            f"{result.threshold:g}; data {result.data.fingerprint[:12]}; 95 % intervals are in the "
            "report"
        ),
    )
    for heading in ("epochs", "seconds", "accuracy", "precision", "recall", "AUC"):
        table.add_column(heading, justify="right")
    for model in result.models:
        figures = (model.test.accuracy, model.test.precision, model.test.recall, model.test.auc)
        table.add_row(
            model.name,
            str(model.epochs),
            f"{model.seconds:.0f}",
            *(_figure(value) for value in figures),
            style="bold" if model.name == result.choice.name else None,
        )
    return table


def metrics_table(run: "Run") -> Table:
    """Return a Run's metrics on the test split with their intervals, as its record has them."""
    record = json.loads((run.folder / "metrics" / "test.json").read_text(encoding="utf-8"))
    table = Table(
        "metric",
        title=f"{run.recipe.model}, test split{_synthetic(run.record.synthetic)}",
        caption=(
            f"n = {record['n']} radiographs; threshold {record['threshold']:g}; data "
            f"{run.record.manifest_fingerprint[:12]}"
        ),
    )
    table.add_column("value", justify="right")
    table.add_column("95 % interval by patient", justify="right")
    for name, interval in record["intervals"].items():
        bounds = "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
        table.add_row(name, _figure(record[name]), bounds)
    return table


def judgements_table(judgements: "Sequence[ModelEvaluation]") -> Table:
    """Return how well a reader does at each operating point, or several where each is read."""
    predictions = judgements[0].subject.predictions
    stated = predictions.patients != predictions.files
    patients = f"{len(set(predictions.patients)):,} patients" if stated else "patients not stated"
    several = len(judgements) > 1
    first = judgements[0]
    table = Table(
        "model, read at" if several else "operating point",
        title=None if several else f"{first.subject.name}: AUC {first.discrimination.auc}",
        caption=(
            f"n = {len(predictions.files):,} radiographs, {int(predictions.labels.sum()):,} with "
            f"pneumonia; {patients}; 95 % intervals"
        ),
    )
    names = ("sensitivity", "specificity") if several else ("sensitivity", "specificity", *_VALUES)
    for heading in ("AUC", *names) if several else names:
        table.add_column(heading.upper() if heading in _VALUES else heading, justify="right")
    for judgement in judgements:
        found = judgement.discrimination
        for point in found.points[:1] if several else found.points:
            row = f"{judgement.subject.name}\n{point.name}" if several else point.name
            figures = ([found.auc] if several else []) + [point.figures[name] for name in names]
            table.add_row(f"{row}, {point.threshold:.3f}", *map(_below, figures))
    return table


_VALUES = ("ppv", "npv")


def recalibration_table(before: "Bundle", made: "Recalibrated") -> Table:
    """Return what the old and the new bundle say of the patients that were not fitted on."""
    from pneumoscope.evaluation.statistics.discrimination import discriminate

    table = Table(
        "bundle",
        "operating point",
        title="The patients that were not fitted on",
        caption=f"n = {len(made.after.files):,} radiographs; 95 % intervals by patient",
    )
    for heading in ("threshold", "sensitivity", "specificity", "PPV"):
        table.add_column(heading, justify="right")
    for bundle, predictions in ((before, made.before), (made.bundle, made.after)):
        points = bundle.record.operating_points
        found = discriminate(predictions, {name: one.threshold for name, one in points.items()})
        for point in found.points:
            figures = (point.figures[name] for name in ("sensitivity", "specificity", "ppv"))
            table.add_row(
                bundle.identity, point.name, f"{point.threshold:.3f}", *map(_below, figures)
            )
    return table


def _below(estimate: "Estimate") -> str:
    from pneumoscope.evaluation.report.cells import cell

    shown = cell(estimate)
    return f"{shown.value}\n{shown.interval.replace(' to ', '–')}"


def counts_table(manifest: "Manifest") -> Table:
    """Return the number of images in use for each split and class."""
    table = Table("split", title=f"Images, split by {manifest.split_by}")
    for heading in ("NORMAL", "PNEUMONIA"):
        table.add_column(heading, justify="right")
    for split, counts in manifest.counts().items():
        table.add_row(split, *(f"{n:,}" for n in counts.values()))
    return table


def cache_table(cache: "ArrayCache") -> Table:
    """Return what the cache holds, the last used first."""
    table = Table("kind", "what", title="Kept on disk")
    for heading in ("images", "size", "last used"):
        table.add_column(heading, justify="right")
    for entry in cache.entries():
        used = f"{entry.used.astimezone():%Y-%m-%d %H:%M}"
        table.add_row(entry.kind, entry.about, f"{entry.images:,}", decimal(entry.bytes), used)
    return table


def estimates_table(estimates: "Sequence[TrainingEstimate]") -> Table:
    """Return what each training will take, and all of them together."""
    one = estimates[0]
    total = sum(estimate.seconds for estimate in estimates)
    frozen = max(estimate.pass_seconds for estimate in estimates)
    table = Table(
        "model",
        "precision",
        title=f"{one.train:,} images to train on, {one.validation:,} to validate",
        caption="Timed on a few random batches. Early stopping may end a training before.",
        show_footer=True,
    )
    table.columns[0].footer = "all, at most"
    for heading, footer in (
        ("epochs, at most", ""),
        ("seconds an epoch", ""),
        ("in all", _duration(total + frozen)),
        ("memory", decimal(max(estimate.memory for estimate in estimates))),
    ):
        table.add_column(heading, footer, justify="right")
    for estimate in estimates:
        table.add_row(
            estimate.model,
            estimate.precision,
            str(estimate.epochs),
            f"{estimate.epoch_seconds:.1f}",
            _duration(estimate.seconds),
            decimal(estimate.memory),
        )
    if frozen:
        table.add_row("VGG16's one pass", one.precision, "", "", _duration(frozen), "")
    return table


def bundles_table(bundles: "Sequence[Bundle]") -> Table:
    """Return bundles side by side: what they learned from, and their figures."""
    table = Table("", caption="95 % intervals by patient; - is what a bundle does not say.")
    for bundle in bundles:
        table.add_column(bundle.identity, justify="right")
    records = [bundle.record for bundle in bundles]

    def add(what: str, values: Iterable[str]) -> None:
        table.add_row(what, *values)

    add("exported", (record.created[:10] for record in records))
    add("learned from", (f"{record.training_data.train:,} images" for record in records))
    add("fitted on", (f"{record.calibration.n:,} images" for record in records))
    add("synthetic", ("yes" if record.training_data.synthetic else "no" for record in records))
    add("data", (record.training_data.fingerprint[:12] for record in records))
    table.add_section()
    for split in dict.fromkeys(split for record in records for split in record.metrics):
        figures = [record.metrics.get(split, {}) for record in records]
        add(f"AUC, {split}", (_interval(one.get("auc")) for one in figures))
    for point in dict.fromkeys(name for record in records for name in record.operating_points):
        table.add_section()
        points = [record.operating_points.get(point) for record in records]
        add(
            f"{point}: threshold",
            ("-" if one is None else f"{one.threshold:.3f}" for one in points),
        )
        fitted = [{} if one is None else one.measured for one in points]
        tested = [{} if one is None else one.tested for one in points]
        for where, figures in (("as fitted", fitted), ("test", tested)):
            if any(figures):
                for name in ("recall", "specificity", "precision", "accuracy"):
                    add(f"{name}, {where}", (_interval(one.get(name)) for one in figures))
    return table


def _interval(figure: "Figure | None") -> str:
    if figure is None or figure.value is None:
        return "-"
    if figure.low is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def models_table() -> Table:
    """Return every model with its parameters."""
    from pneumoscope.models import MODELS, count_parameters
    from pneumoscope.models.catalogue import describe_network

    table = Table("model", "what")
    for heading in ("parameters", "trainable", "not trainable"):
        table.add_column(heading, justify="right")
    for spec in MODELS.values():
        if spec.on_hub:
            table.add_row(spec.name, spec.description, *3 * ["its own"])
            continue
        count = count_parameters(describe_network(spec))
        numbers = (count.total, count.trainable, count.non_trainable)
        table.add_row(spec.name, spec.description, *(f"{number:,}" for number in numbers))
    return table


def layers_table(name: str) -> Table:
    """Return the layers of a model at its image size."""
    from pneumoscope.models import count_parameters, find_model
    from pneumoscope.models.catalogue import describe_network
    from pneumoscope.models.layer_table import layer_table

    spec = find_model(name)
    if spec.on_hub:
        raise RecipeError(f"{name}: its layers are those of the network that --weights names")
    network = describe_network(spec)
    count = count_parameters(network)
    table = Table(
        "layer",
        "kind",
        title=name,
        caption=(
            f"Total parameters: {count.total:,}\nTrainable: {count.trainable:,}\n"
            f"Not trainable: {count.non_trainable:,}"
        ),
        caption_justify="left",
    )
    table.add_column("output (channels × height × width)", justify="right")
    table.add_column("parameters", justify="right")
    for row in layer_table(network, spec.image_size):
        shape = " × ".join(str(side) for side in row.output_shape)
        table.add_row(row.name, row.kind, shape, f"{row.parameters:,}")
    return table


def _synthetic(fact: bool) -> str:
    return " (synthetic images)" if fact else ""


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
