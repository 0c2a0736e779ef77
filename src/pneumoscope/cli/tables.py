"""The tables that the command line prints; each imports what it needs and no more."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.filesize import decimal
from rich.table import Table

from pneumoscope.report.estimate import Estimate, format_number
from pneumoscope.report.operating_point import POINT_METRICS
from pneumoscope.support.errors import PneumoscopeError, RecipeError

if TYPE_CHECKING:
    from pneumoscope.dataset import Manifest, Split
    from pneumoscope.evaluation.model_evaluation import ModelEvaluation
    from pneumoscope.evaluation.report.experiment_results import ExperimentResult
    from pneumoscope.evaluation.selection.rule import ModelChoice
    from pneumoscope.export.recalibrate import RecalibratedBundle
    from pneumoscope.models import ModelSpec
    from pneumoscope.reader.bundle import Bundle
    from pneumoscope.support.cache import ArrayCache
    from pneumoscope.training import Run
    from pneumoscope.training.cost_estimate import CostEstimate


def comparison_table(result: "ExperimentResult") -> Table:
    """Return the models with their metrics on the test split, the chosen one in bold."""
    test = result.chosen.test.predictions
    table = Table(
        "model",
        title=f"Test split{_synthetic(result.data.synthetic)}",
        caption=(
            f"n = {len(test.files)} radiographs; {test.describe_patients()}; threshold "
            f"{result.threshold:g}; data {result.data.fingerprint[:12]}; 95 % intervals are in the "
            "report"
        ),
    )
    for heading in ("epochs", "seconds", "accuracy", "precision", "recall", "AUC"):
        table.add_column(heading, justify="right")
    metrics = ("accuracy", "ppv", "sensitivity", "auc")
    for model in (*result.models, result.baseline):
        table.add_row(
            model.name,
            str(model.epochs or "–"),
            f"{model.seconds:.0f}" if model.epochs else "–",
            *(format_number(model.test.metrics.value(name)) for name in metrics),
            style=_row_style(result.choice, model.name),
        )
    return table


def choice_warnings(choice: "ModelChoice", where: str) -> Iterator[str]:
    """Yield warnings about the choice of a model: models that are not eligible, and ties."""
    for name, reason in choice.ineligible.items():
        yield f"{name} is not eligible {where}: on validation data it {reason}"
    if choice.tied:
        others = ", ".join(choice.tied)
        yield f"{choice.name} ties with {others} {where}; the order of the models decided"


def choice_lines(result: "ExperimentResult") -> Iterator[str]:
    """Yield the two choices of an experiment, and the rule of both."""
    own = result.own_thresholds
    name = own.choice.name
    metrics = own.test[name]
    chosen = f"{name} from {own.thresholds[name]:.3f} on, its own threshold"
    yield f"Chosen: {chosen if own.choice.usable else 'none, since no model is usable'}"
    if own.choice.usable:
        yield f"  test: recall {metrics['sensitivity']}, precision {metrics['ppv']}"
    notebook = result.choice.name if result.choice.usable else "none, since no model is usable"
    yield f"Chosen by the notebook's rule, all at {result.threshold:g}: {notebook}"
    yield f"Rule of both: {result.choice.rule}"


def metrics_table(run: "Run", split: "Split") -> Table:
    """Return a Run's recorded metrics on a split with their intervals."""
    record = json.loads((run.folder / "metrics" / f"{split}.json").read_text(encoding="utf-8"))
    table = Table(
        "metric",
        title=f"{run.recipe.model}, {split} split{_synthetic(run.record.synthetic)}",
        caption=(
            f"n = {record['n']} radiographs; threshold {record['threshold']:g}; data "
            f"{run.record.manifest_fingerprint[:12]}"
        ),
    )
    table.add_column("value", justify="right")
    table.add_column(f"95 % interval by {run.manifest().resampling_unit}", justify="right")
    for name, interval in record["intervals"].items():
        estimate = Estimate(record[name], *(interval or ()))
        table.add_row(name, format_number(estimate.value), estimate.interval_text())
    return table


def evaluations_table(evaluations: "Sequence[ModelEvaluation]") -> Table:
    """Return one model at all its operating points, or several at the one that each is read at."""
    predictions = evaluations[0].subject.predictions
    several = len(evaluations) > 1
    first = evaluations[0]
    table = Table(
        "model, operating point" if several else "operating point",
        title=None if several else f"{first.subject.name}: AUC {first.discrimination.auc}",
        caption=(
            f"n = {len(predictions.files):,} radiographs, {int(predictions.labels.sum()):,} with "
            f"pneumonia; {predictions.describe_patients()}; 95 % intervals by "
            f"{predictions.resampling_unit}"
        ),
    )
    headline = [name for name, metric in POINT_METRICS.items() if metric.is_headline]
    names = ["sensitivity", "specificity"] if several else headline
    labels = [POINT_METRICS[name].label for name in names]
    for label in ["AUC", *labels] if several else labels:
        table.add_column(label, justify="right")
    for evaluation in evaluations:
        discrimination = evaluation.discrimination
        for point in discrimination.points[:1] if several else discrimination.points:
            row = f"{evaluation.subject.name}\n{point.name}" if several else point.name
            auc = [discrimination.auc] if several else []
            estimates = (*auc, *(point.estimates[name] for name in names))
            table.add_row(f"{row}, {point.threshold:.3f}", *map(format_two_lines, estimates))
    return table


def recalibration_table(before: "Bundle", made: "RecalibratedBundle") -> Table:
    """Return the performance of the old and the new bundle on patients held out from fitting."""
    from pneumoscope.evaluation.statistics.discrimination import assess_discrimination

    table = Table(
        "bundle",
        "operating point",
        title="Held out from fitting",
        caption=f"n = {len(made.after.files):,} radiographs; 95 % intervals by "
        f"{made.after.resampling_unit}",
    )
    names = ("sensitivity", "specificity", "ppv")
    for heading in ("AUC", "threshold", *(POINT_METRICS[name].label for name in names)):
        table.add_column(heading, justify="right")
    for bundle, predictions in ((before, made.before), (made.bundle, made.after)):
        points = bundle.record.operating_points
        thresholds = {name: point.threshold for name, point in points.items()}
        discrimination = assess_discrimination(predictions, thresholds)
        for point in discrimination.points:
            estimates = (point.estimates[name] for name in names)
            table.add_row(
                *(bundle.identity, point.name, format_two_lines(discrimination.auc)),
                *(f"{point.threshold:.3f}", *map(format_two_lines, estimates)),
            )
    return table


def _row_style(choice: "ModelChoice", name: str) -> str | None:
    if name in choice.ineligible:
        return "red"
    return "bold" if name == choice.name else None


def format_two_lines(estimate: Estimate) -> str:
    """Return an estimate as two lines: its value, and its interval."""
    return f"{format_number(estimate.value)}\n{estimate.interval_text().replace(' to ', '–')}"


def counts_table(manifest: "Manifest") -> Table:
    """Return the number of images in use, by split and class."""
    from pneumoscope.dataset.patients import describe_split_unit

    table = Table("split", title=f"Images, split by {describe_split_unit(manifest)}")
    for heading in ("NORMAL", "PNEUMONIA"):
        table.add_column(heading, justify="right")
    for split, counts in manifest.counts().items():
        table.add_row(split, *(f"{n:,}" for n in counts.values()))
    return table


def cache_table(cache: "ArrayCache") -> Table:
    """Return the entries of the cache, the last used first."""
    table = Table("kind", "content", title="Cache")
    for heading in ("images", "size", "last used"):
        table.add_column(heading, justify="right")
    for entry in cache.entries():
        used = f"{entry.used.astimezone():%Y-%m-%d %H:%M}"
        table.add_row(entry.kind, entry.about, f"{entry.images:,}", decimal(entry.bytes), used)
    return table


def estimates_table(estimates: "Sequence[CostEstimate]") -> Table:
    """Return the estimated time and memory of each training, and of all of them."""
    first = estimates[0]
    total = sum(estimate.seconds for estimate in estimates)
    frozen = max(estimate.pass_seconds for estimate in estimates)
    table = Table(
        "model",
        "precision",
        title=f"{first.train:,} training images, {first.validation:,} validation images",
        caption="Timed on a few random batches. Early stopping may end a training earlier.",
        show_footer=True,
    )
    table.columns[0].footer = "total, at most"
    for heading, footer in (
        ("epochs, at most", ""),
        ("seconds per epoch", ""),
        ("total", _duration(total + frozen)),
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
        table.add_row("VGG16, one pass", first.precision, "", "", _duration(frozen), "")
    return table


def bundles_table(bundles: "Sequence[Bundle]") -> Table:
    """Return bundles side by side: training data, operating points, performance."""
    table = Table("", caption="95 % intervals; - where a bundle states none.")
    for bundle in bundles:
        table.add_column(bundle.identity, justify="right")
    records = [bundle.record for bundle in bundles]

    def add(heading: str, values: Iterable[str]) -> None:
        table.add_row(heading, *values)

    add("exported", (record.created[:10] for record in records))
    add("trained on", (f"{record.training_data.train:,} images" for record in records))
    add("calibrated on", (f"{record.calibration.n:,} images" for record in records))
    add("answers for", (record.population.describe_ages() for record in records))
    refusals = [record.refusal for record in records]
    add(
        "refused: distance above",
        ("-" if refusal is None else f"{refusal.distance:.2f}" for refusal in refusals),
    )
    add(
        "refused: other patients",
        ("-" if refusal is None or refusal.outsiders is None else "yes" for refusal in refusals),
    )
    add(
        "refused as fitted",
        ("-" if refusal is None else str(refusal.false_refusals) for refusal in refusals),
    )
    add("intervals by", (record.resampling_unit or "not recorded" for record in records))
    add("synthetic", ("yes" if record.training_data.synthetic else "no" for record in records))
    add("data", (record.training_data.fingerprint[:12] for record in records))
    table.add_section()
    for split in dict.fromkeys(split for record in records for split in record.metrics):
        metrics_of_split = [record.metrics.get(split, {}) for record in records]
        add(f"AUC, {split}", (str(metrics.get("auc", "-")) for metrics in metrics_of_split))
    for name in dict.fromkeys(name for record in records for name in record.operating_points):
        table.add_section()
        points = [record.operating_points.get(name) for record in records]
        thresholds = ("-" if point is None else f"{point.threshold:.3f}" for point in points)
        add(f"{name}: threshold", thresholds)
        measured = [{} if point is None else point.measured for point in points]
        tested = [{} if point is None else point.tested for point in points]
        for split, estimates in (("as fitted", measured), ("test", tested)):
            for metric_name, metric in POINT_METRICS.items():
                values = [str(of_bundle.get(metric_name, "-")) for of_bundle in estimates]
                if any(value != "-" for value in values):
                    add(f"{metric.label}, {split}", values)
    return table


def models_table() -> Table:
    """Return every model with its numbers of parameters; those of other packages are last."""
    from pneumoscope.models import MODELS, find_model
    from pneumoscope.models.catalogue import installed_models

    table = Table("model", "description")
    for heading in ("parameters", "trainable", "not trainable"):
        table.add_column(heading, justify="right")
    for spec in MODELS.values():
        table.add_row(*_model_row(spec))
    for plugin in installed_models():
        try:
            table.add_row(*_model_row(find_model(plugin.name)))
        except PneumoscopeError as error:
            table.add_row(plugin.name, f"unusable: {error}", *3 * ["-"])
    return table


def _model_row(spec: "ModelSpec") -> tuple[str, ...]:
    from pneumoscope.models import count_parameters
    from pneumoscope.models.catalogue import describe_network

    description = spec.description if spec.source is None else f"{spec.description} ({spec.source})"
    if spec.needs_structure:
        return spec.name, description, *3 * ["varies"]
    count = count_parameters(describe_network(spec))
    numbers = (count.total, count.trainable, count.non_trainable)
    return spec.name, description, *(f"{number:,}" for number in numbers)


def layers_table(name: str) -> Table:
    """Return the layers of a model at its own image size."""
    from pneumoscope.models import count_parameters, find_model
    from pneumoscope.models.catalogue import describe_network
    from pneumoscope.models.layer_table import layer_table

    spec = find_model(name)
    if spec.needs_structure:
        raise RecipeError(f"{name}: its layers are those of the network that --weights names")
    network = describe_network(spec)
    count = count_parameters(network)
    table = Table(
        "layer",
        "kind",
        title=f"{name}: {spec.description}",
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
