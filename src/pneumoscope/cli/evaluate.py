"""``pneumoscope evaluate``: evaluate and compare Runs, bundles and tables of predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli import options
from pneumoscope.support.errors import PredictionsError
from pneumoscope.support.terminal import messages, results

if TYPE_CHECKING:
    from pneumoscope.dataset import Manifest


def evaluate(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Models to evaluate, on the same images: Run directories, bundles (a folder, "
            "'default' or 'adults') or tables of predictions (CSV or Parquet with the columns "
            "file, label and probability, and optionally patient and others).",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder to write the report, the JSON and the tables to; must not exist. A single "
            "Run needs none: its metrics are written into the Run.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="SOURCE",
            help="Dataset whose test split the bundles read; required for bundles.",
        ),
    ] = None,
    images: options.ImagesOption = None,
    thresholds: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            metavar="[NAME=]NUMBER",
            help="Operating point of the tables: a probability from 0 to 1; repeatable, the first "
            "is the one that comparisons use.",
            show_default="0.5",
        ),
    ] = None,
    negatives: options.NegativeOption = None,
    second_reader: options.SecondReaderOption = None,
    prevalences: options.PrevalenceOption = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME|MODULE:FUNCTION",
            help="Metric of another package to report with a bootstrap interval: the name of an "
            "installed one, or a function of labels and probabilities; repeatable.",
        ),
    ] = None,
    min_recall: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Lowest acceptable recall (sensitivity) on validation, for choosing one of "
            "several Runs.",
        ),
    ] = 0.99,
    draws: options.DrawsOption = 2000,
    quick: options.QuickOption = False,
) -> None:
    """Evaluate Runs, bundles or anyone's predictions in the same way, and compare them.

    Every reading of a test split is recorded: in the Run, or in the bundle's folder
    (test_readings.csv), and stated in the report.

    Examples:

        pneumoscope evaluate runs/model_4
        pneumoscope evaluate default --data chest_xray --out evaluation
        pneumoscope evaluate runs/model_3 runs/model_4 --out comparison
        pneumoscope evaluate theirs.csv ours.csv --threshold 0.3 --prevalence 0.1 --out comparison
        pneumoscope evaluate default --data chest_xray --second-reader expert.csv --out evaluation
        pneumoscope evaluate ours.csv --metric sklearn.metrics:brier_score_loss --out evaluation
    """
    from pneumoscope.cli.tables import choice_warnings, evaluations_table

    if out is None:
        if second_reader is not None or metrics:
            raise PredictionsError("pass --out DIR too: --second-reader and --metric need a report")
        _evaluate_run(sources, images)
        return
    from pneumoscope.evaluation.model_comparison import compare_models
    from pneumoscope.evaluation.report.second_reader_view import summarise_second_reader
    from pneumoscope.evaluation.second_reader import SecondReader
    from pneumoscope.evaluation.statistics.custom_metrics import find_metrics
    from pneumoscope.support.files import require_empty
    from pneumoscope.workflows.evaluate import open_models, stress_test_model, write_report

    require_empty(out)
    custom_metrics = find_metrics(metrics or ())
    points = _points(thresholds or ["0.5"])
    prevalence_values = options.prevalences_from_options(prevalences)
    second = None if second_reader is None else SecondReader.read(second_reader, negatives or ())
    manifest = None if data is None else _open_data(data, images, negatives)
    models, second = open_models(
        sources, options.open_cache, manifest, images, points, negatives or (), second
    )
    for model in models:
        if model.readings is not None:
            messages.print(str(model.readings.recorded), style="yellow")
    comparison = compare_models(
        [model.subject for model in models],
        prevalence_values,
        min_recall,
        draws,
        second_reader=second,
        metrics=custom_metrics,
    )
    main = next(model for model in models if model.subject is comparison.main.subject)
    stress_tests = None if quick else stress_test_model(main)
    with messages.status("Writing the report"):
        write_report(comparison, models, out, stress_tests)
    for line in choice_warnings(comparison.choice, "at its threshold") if comparison.choice else ():
        messages.print(line, style="red")
    results.print(evaluations_table(comparison.evaluations))
    for evaluation in comparison.evaluations:
        for name, estimate in evaluation.metrics.items():
            results.print(f"{evaluation.subject.name}, {name}: {estimate}", soft_wrap=True)
    if comparison.main.second_reader is not None:
        results.print(summarise_second_reader(comparison.main.second_reader))
    results.print(f"Report: {out / 'report.html'}", soft_wrap=True)


def _open_data(data: Path, images: Path | None, negatives: Sequence[str] | None) -> "Manifest":
    from pneumoscope.dataset.manifest import is_manifest

    # The option may be meant for the second reader's table alone.
    return options.open_source(data, images, negatives=None if is_manifest(data) else negatives)


def _evaluate_run(sources: Sequence[str], images: Path | None) -> None:
    """Evaluate one Run on its test split, into the Run itself."""
    from pneumoscope import training
    from pneumoscope.cli.tables import metrics_table
    from pneumoscope.dataset import Split
    from pneumoscope.dataset.reading_log import describe_host_readings
    from pneumoscope.workflows.evaluate import is_bundle

    if len(sources) > 1 or is_bundle(sources[0]) or Path(sources[0]).is_file():
        raise PredictionsError("pass --out DIR too: bundles, tables and comparisons need a folder")
    run = training.Run.open(Path(sources[0]))
    training.evaluate_run(run, training.ExampleStore(run.manifest(images), options.open_cache()))
    results.print(metrics_table(run, Split.TEST))
    results.print(describe_host_readings(run.record.manifest_fingerprint))


def _points(texts: Sequence[str]) -> dict[str, float]:
    """Parse operating points, each a threshold or NAME=threshold."""
    points = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            threshold = float(number)
        except ValueError:
            threshold = float("nan")
        if not 0 <= threshold <= 1:
            raise PredictionsError(
                f"--threshold must be a probability from 0 to 1, or NAME=PROBABILITY, not '{text}'"
            )
        points[name or f"threshold {threshold:g}"] = threshold
    return points
