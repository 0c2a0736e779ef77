"""The commands that judge: by one ruler, here or at a hospital, and what follows from it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli.options import ImagesOption, open_cache, open_source
from pneumoscope.support.errors import PredictionsError
from pneumoscope.support.terminal import messages, results

if TYPE_CHECKING:
    from pneumoscope.validation.local_readings import LocalReadings

app = typer.Typer()

NegativeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--negative",
        metavar="LABEL",
        help="A label that counts as not having pneumonia, such as OTHER; repeatable.",
    ),
]
PrevalenceOption = Annotated[
    list[float] | None,
    typer.Option("--prevalence", help="For PPV and NPV, such as 0.05; repeatable."),
]
DrawsOption = Annotated[int, typer.Option(min=100, help="Of the bootstrap.")]
LabelsOption = Annotated[
    Path,
    typer.Option("--labels", metavar="CSV", help="With file, label, perhaps patient and more."),
]
FolderOption = Annotated[
    Path, typer.Option("--images", metavar="DIR", help="What the files are relative to.")
]
BundleOption = Annotated[
    str, typer.Option("--bundle", metavar="B", help="A folder, default or adults.")
]
QuickOption = Annotated[
    bool,
    typer.Option("--quick", help="Leave out robustness, shortcuts and galleries of failures."),
]


@app.command()
def evaluate(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Run folders, bundles (a folder, default or adults) or tables (CSV with file, "
            "label, probability, perhaps patient and more), of the same images.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Gets report, JSON and tables; one Run needs none."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="SOURCE", help="For bundles: the dataset; its test split."),
    ] = None,
    images: ImagesOption = None,
    thresholds: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            metavar="[NAME=]NUMBER",
            help="For tables: an operating point, 0.5 if none; repeatable, the first is read at.",
        ),
    ] = None,
    negatives: NegativeOption = None,
    prevalences: PrevalenceOption = None,
    min_recall: Annotated[
        float, typer.Option(min=0, max=1, help="Of the rule that chooses one of several Runs.")
    ] = 0.99,
    draws: DrawsOption = 2000,
    quick: QuickOption = False,
) -> None:
    """Judge Runs, bundles or anyone's predictions by one ruler: report, figures, comparison.

    A Run is judged on its test split, and that it was read is noted in the Run.

    Examples:

      pneumoscope evaluate runs/model_4

      pneumoscope evaluate default --data chest_xray --out evaluation

      pneumoscope evaluate runs/model_3 runs/model_4 --out compared

      pneumoscope evaluate theirs.csv ours.csv --threshold 0.3 --prevalence 0.1 --out compared
    """
    from pneumoscope.cli.tables import judgements_table

    if out is None:
        _judge_run(sources, images)
        return
    from pneumoscope.evaluation.model_comparison import compare_models
    from pneumoscope.support.files import require_empty
    from pneumoscope.workflows.evaluate import inspect_source, open_judged, write_evidence

    require_empty(out)
    points, asked = _points(thresholds or ["0.5"]), _prevalences(prevalences)
    manifest = None if data is None else open_source(data, images, None, 0, False)
    judged = [
        open_judged(source, open_cache, manifest, images, points, negatives or ())
        for source in sources
    ]
    evidence = compare_models([one.subject for one in judged], asked, min_recall, draws)
    main = next(one for one in judged if one.subject is evidence.main.subject)
    inspection = None if quick else inspect_source(main)
    with messages.status("Writing the report"):
        write_evidence(evidence, judged, out, inspection)
    results.print(judgements_table(evidence.judgements))
    results.print(f"Report: {out / 'report.html'}", soft_wrap=True)


@app.command()
def validate(
    labels: LabelsOption,
    images: FolderOption,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Gets the report; new.")],
    bundle: BundleOption = "default",
    at: Annotated[
        str,
        typer.Option("--at", metavar="screening|balanced|confirm", help="The operating point."),
    ] = "screening",
    negatives: NegativeOption = None,
    min_auc: Annotated[float, typer.Option(help="That you ask for.")] = 0.90,
    min_sensitivity: Annotated[float, typer.Option(help="That you ask for.")] = 0.95,
    min_specificity: Annotated[float, typer.Option(help="That you ask for.")] = 0.80,
    prevalences: PrevalenceOption = None,
    draws: DrawsOption = 2000,
    quick: QuickOption = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the JSON instead of the table.")
    ] = False,
) -> None:
    """Validate a bundle on your own labelled radiographs: figures, and a verdict by a stated rule.

    OUT gets report.html, report.pdf, validation.json and predictions.csv. The exit code is 0
    whatever the verdict.

    Examples:

      pneumoscope validate --labels ward.csv --images ward --out validation

      pneumoscope validate --bundle adults --labels labels.csv --images images --negative OTHER \
--out adults-here --json
    """
    from pneumoscope.cli.tables import judgements_table
    from pneumoscope.evaluation.acceptance import Requirements
    from pneumoscope.evaluation.predictions import Labels
    from pneumoscope.reader import load
    from pneumoscope.support.files import require_empty
    from pneumoscope.validation.local_validation import validate as validate_bundle
    from pneumoscope.validation.report.validation_json import validation_json
    from pneumoscope.validation.report.write import write_validation

    require_empty(out)
    asked = Requirements(min_auc, min_sensitivity, min_specificity)
    table = Labels.read(labels, negatives or ())
    found = validate_bundle(
        load(bundle),
        table,
        images,
        at,
        asked,
        prevalences=_prevalences(prevalences),
        draws=draws,
        inspected=not quick,
    )
    with messages.status("Writing the report"):
        write_validation(found, out)
    if as_json:
        results.print(validation_json(found), end="", soft_wrap=True)
        return
    results.print(judgements_table([found.judgement]))
    _say_rejected(found.local)
    results.print(f"Verdict: {found.verdict.answer}", style="bold")
    for reason in found.verdict.reasons:
        results.print(f"  {reason}", soft_wrap=True)
    if found.verdict.sample:
        results.print(f"  about {found.verdict.sample:,} radiographs in all would settle it")
    results.print(f"Report: {out / 'report.html'}", soft_wrap=True)


@app.command()
def recalibrate(
    labels: LabelsOption,
    images: FolderOption,
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="The new bundle; new.")],
    bundle: BundleOption = "default",
    population: Annotated[
        str, typer.Option(help="Whose radiographs these are; for the new bundle's card.")
    ] = "not stated",
    negatives: NegativeOption = None,
    share: Annotated[
        float, typer.Option(help="Of the patients to fit on; the others test, within (0, 1).")
    ] = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of patients.")] = 0,
) -> None:
    """Fit calibration and operating points on a part of your own radiographs: a new bundle.

    The network stays as it is. What was done is in the new bundle's history; the old bundle is not
    touched.

    Example:

      pneumoscope recalibrate --labels ward.csv --images ward --out ward-bundle
    """
    from pneumoscope.cli.tables import recalibration_table
    from pneumoscope.evaluation.predictions import Labels
    from pneumoscope.export.recalibrate import recalibrate as recalibrate_bundle
    from pneumoscope.reader import load
    from pneumoscope.support.files import require_empty
    from pneumoscope.validation.local_readings import read_labelled

    require_empty(out)
    if not 0 < share < 1:
        raise PredictionsError(f"--share {share:g}: give a number between 0 and 1, such as 0.5")
    reader = load(bundle)
    local = read_labelled(reader, Labels.read(labels, negatives or ()), images)
    _say_rejected(local)
    made = recalibrate_bundle(reader.bundle, local.predictions, out, population, share, seed)
    results.print(recalibration_table(reader.bundle, made))
    if warning := made.found_less(reader.bundle):
        messages.print(warning, style="yellow")
    results.print(f"Bundle: {out}, {made.bundle.identity}", soft_wrap=True)


def _judge_run(sources: Sequence[str], images: Path | None) -> None:
    """Judge one Run on its test split, into the Run itself."""
    from pneumoscope import training
    from pneumoscope.cli.tables import metrics_table
    from pneumoscope.workflows.evaluate import is_bundle

    if len(sources) > 1 or is_bundle(sources[0]) or Path(sources[0]).is_file():
        raise PredictionsError("pass --out DIR too: bundles, tables and comparisons need a folder")
    opened = training.Run.open(Path(sources[0]))
    training.evaluate_run(opened, training.ExampleStore(opened.manifest(images), open_cache()))
    results.print(metrics_table(opened))


def _points(texts: Sequence[str]) -> dict[str, float]:
    points = {}
    for text in texts:
        name, _, given = text.rpartition("=")
        try:
            threshold = float(given)
        except ValueError:
            threshold = float("nan")
        if not 0 <= threshold <= 1:
            raise PredictionsError(
                f"--threshold {text}: write a probability from 0 to 1, or NAME=PROBABILITY"
            )
        points[name or f"threshold {threshold:g}"] = threshold
    return points


def _prevalences(given: Sequence[float] | None) -> list[float]:
    from pneumoscope.evaluation.statistics.discrimination import PREVALENCES

    for one in given or ():
        if not 0 < one < 1:
            raise PredictionsError(f"--prevalence {one:g}: write a share between 0 and 1: 0.05")
    return list(given or PREVALENCES)


def _say_rejected(local: "LocalReadings") -> None:
    if local.rejected:
        first = local.rejected[0]
        messages.print(
            f"{len(local.rejected):,} radiographs were not read; the first: {first.file}: "
            f"{'; '.join(first.reasons)}",
            style="yellow",
        )
    if local.unlabelled:
        messages.print(
            f"{len(local.unlabelled):,} files have no label and were not looked at; the first: "
            f"{local.unlabelled[0]}",
            style="yellow",
        )
