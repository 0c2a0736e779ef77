"""HTML page of an evaluation: one or several models on the same images, in one file."""

from collections.abc import Sequence

from pneumoscope.evaluation.model_comparison import Comparison
from pneumoscope.evaluation.model_evaluation import ModelEvaluation
from pneumoscope.evaluation.report.cells import Cell, cell, format_p, percent
from pneumoscope.evaluation.report.evaluation_tables import bootstrap_interval, discrimination_table
from pneumoscope.evaluation.report.evaluation_view import view_evaluation
from pneumoscope.evaluation.report.figures.forest_plot import forest_figure
from pneumoscope.evaluation.report.second_reader_view import summarise_second_reader
from pneumoscope.evaluation.report.views import FigureView, TableView
from pneumoscope.evaluation.selection.stability import ChoiceStability
from pneumoscope.evaluation.statistics.paired_tests import PairedComparison
from pneumoscope.report.html import render_page
from pneumoscope.report.interval import IntervalMethod, Unit, name_interval

_MAX_SUMMARISED_MODELS = 3
"""Most models whose differences the summary states; a table states those of more."""


def render_comparison(
    comparison: Comparison, notes: Sequence[str] = (), stress_tests: object | None = None
) -> str:
    """Return a comparison of one or several models as one self-contained HTML page.

    ``notes`` are warnings for readers of the page, a sentence or two each; ``stress_tests`` is the
    `StressTestsView` of the main model.
    """
    table = discrimination_table(comparison.evaluations)
    several = len(comparison.evaluations) > 1
    unit = comparison.main.subject.predictions.resampling_unit
    return render_page(
        "evaluate.html",
        comparison=comparison,
        summary=(*summary_sentences(comparison.main), *_differences(comparison)),
        notes=notes,
        forest=_forest(comparison, table) if several else None,
        pairs=_pairs_table(comparison.pairs, comparison.compared, unit)
        if comparison.pairs
        else None,
        unit=unit,
        interval=bootstrap_interval(comparison.main),
        stability=None if comparison.stability is None else _stability_table(comparison.stability),
        views=[view_evaluation(evaluation) for evaluation in comparison.evaluations],
        stress_tests=stress_tests,
    )


def summary_sentences(evaluation: ModelEvaluation) -> tuple[str, ...]:
    """Return the main results in a few sentences, for people who do not read statistics."""
    subject, auc = evaluation.subject, evaluation.discrimination.auc
    predictions, point = subject.predictions, evaluation.discrimination.points[0]
    (tn, fp), (fn, tp) = point.confusion
    times = "an undefined number of times"
    if auc.value is not None:
        times = f"{100 * auc.value:.0f} times in 100"
    sentences = [
        f"{subject.name} was evaluated on {len(predictions.files):,} radiographs, {fn + tp:,} with "
        f"pneumonia ({predictions.describe_patients()}).",
        "Of two radiographs, one with pneumonia and one without, it gives the one with pneumonia "
        f"the higher probability {times} (AUC {auc}).",
        f"At the operating point {point.name} (called ill from a probability of "
        f"{point.threshold:.3f}), it missed {fn:,} of {fn + tp:,} with pneumonia (sensitivity "
        f"{point.estimates['sensitivity']}) and called {fp:,} of {tn + fp:,} without pneumonia ill "
        f"(specificity {point.estimates['specificity']}).",
    ]
    for prevalence, values in list(point.at_prevalence.items())[:1]:
        sentences.append(
            f"Where {percent(prevalence)} of patients have pneumonia, a patient called ill would "
            f"have it with a probability of {values['ppv']} (PPV), and a patient who is cleared "
            f"would be free of it with a probability of {values['npv']} (NPV)."
        )
    if evaluation.second_reader is not None:
        sentences.append(summarise_second_reader(evaluation.second_reader))
    return tuple(sentences)


def _differences(comparison: Comparison) -> list[str]:
    """Return sentences on the differences of the main model from each other one."""
    name = comparison.main.subject.name
    if len(comparison.evaluations) > _MAX_SUMMARISED_MODELS:
        return []
    return [
        f"On the same images, the AUC of {pair.first} minus that of {pair.second} is "
        f"{pair.auc.difference}."
        for pair in comparison.pairs
        if name in (pair.first, pair.second)
    ]


def _forest(comparison: Comparison, table: TableView) -> FigureView:
    rows = [
        (evaluation.subject.name, evaluation.discrimination.auc)
        for evaluation in comparison.evaluations
    ]
    return FigureView.of(
        forest_figure(rows, "AUC of each model", "AUC"),
        "AUC of each model",
        f"AUC of each model ({bootstrap_interval(comparison.main)}). Overlapping intervals do not "
        "show whether two models differ on the same images: the comparison below does.",
        table,
    )


def _pairs_table(pairs: Sequence[PairedComparison], compared: int, unit: Unit) -> TableView:
    rows = tuple(
        (
            f"{pair.first} and {pair.second}",
            cell(pair.auc.difference),
            Cell(format_p(pair.auc_p_holm), f"uncorrected {format_p(pair.auc.p)}"),
            Cell(
                f"{pair.calls.first_only} against {pair.calls.second_only}",
                f"both {pair.calls.both}, neither {pair.calls.neither}",
            ),
            Cell(format_p(pair.calls_p_holm), f"uncorrected {format_p(pair.calls.p)}"),
        )
        for pair in pairs
    )
    return TableView(
        f"Every two models on the same {compared:,} images; p-values corrected for their number "
        f"(Holm); {name_interval(IntervalMethod.DELONG, unit)}",
        ("Models", "Difference of AUC", "p, DeLong", "Correct only by one", "p, McNemar"),
        rows,
    )


def _stability_table(stability: ChoiceStability) -> TableView:
    rows = tuple(
        (name, f"{share:.1%}".replace("%", " %"))
        for name, share in sorted(stability.shares.items(), key=lambda item: -item[1])
    )
    return TableView(
        f"Model that the rule would choose on {stability.draws:,} resamples of the validation data",
        ("Model", "Chosen in"),
        rows,
    )
