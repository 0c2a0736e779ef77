"""The report of an evaluation: one HTML page that opens anywhere and prints."""

from collections.abc import Sequence

from pneumoscope.evaluation.model_comparison import Comparison
from pneumoscope.evaluation.model_evaluation import ModelEvaluation
from pneumoscope.evaluation.report.cells import Cell, cell, percent
from pneumoscope.evaluation.report.evaluation_tables import ranking_table
from pneumoscope.evaluation.report.evaluation_view import view_evaluation
from pneumoscope.evaluation.report.figures.forest_plot import forest_figure
from pneumoscope.evaluation.report.views import FigureView, TableView
from pneumoscope.evaluation.selection.stability import ChoiceStability
from pneumoscope.evaluation.statistics.paired_tests import PairedComparison
from pneumoscope.report.estimate import format_number
from pneumoscope.report.html import render_page

_SUMMED_UP = 3
"""Models up to which the summary says how they differ."""


def render_comparison(
    evidence: Comparison, notes: Sequence[str] = (), stress_tests: object | None = None
) -> str:
    """Return the evidence as one self-contained HTML page.

    Parameters
    ----------
    evidence
        What was found.
    notes
        What a reader of the figures must know besides, a sentence or two each.
    stress_tests
        `StressTestsView` of the main model, or None.
    """
    several = len(evidence.judgements) > 1
    ranking = ranking_table(evidence.judgements)
    return render_page(
        "evaluate.html",
        evidence=evidence,
        summary=(*summary_sentences(evidence.main), *_against_others(evidence)),
        notes=notes,
        ranking=ranking if several else None,
        forest=_forest(evidence, ranking) if several else None,
        comparisons=_comparisons(evidence.pairs, evidence.compared) if evidence.pairs else None,
        stability=None if evidence.stability is None else _stability(evidence.stability),
        views=[view_evaluation(judgement) for judgement in evidence.judgements],
        stress_tests=stress_tests,
    )


def summary_sentences(judgement: ModelEvaluation) -> tuple[str, ...]:
    """Return what was found in a few sentences for people who read no statistics."""
    subject, found = judgement.subject, judgement.discrimination
    predictions, point = subject.predictions, found.points[0]
    n, patients = len(predictions.files), len(set(predictions.patients))
    ill = int(predictions.labels.sum())
    (tn, fp), (fn, tp) = point.confusion
    stated = predictions.patients != predictions.files
    whose = f"{patients:,} patients" if stated else "patients who are not stated"
    sentences = [
        f"{subject.name} was judged on {n:,} radiographs of {whose}, {ill:,} with pneumonia.",
        f"Of two radiographs, one with pneumonia and one without, it gives the one with pneumonia "
        f"the higher probability {_times(found.auc.value)} (AUC {found.auc}).",
        f"Read at {point.name} (from a probability of {point.threshold:.3f} on), it missed {fn:,} "
        f"of {fn + tp:,} with pneumonia (sensitivity {point.estimates['sensitivity']}) and called "
        f"{fp:,} of {tn + fp:,} without it ill (specificity {point.estimates['specificity']}).",
    ]
    for prevalence, figures in list(point.at_prevalence.items())[:1]:
        sentences.append(
            f"Where {percent(prevalence)} of patients have pneumonia, a call of pneumonia would be "
            f"right with a chance of {figures['ppv']}, and an all-clear with {figures['npv']}."
        )
    return tuple(sentences)


def _against_others(evidence: Comparison) -> list[str]:
    """Say of the model that the summary is about how it stands beside each other one."""
    name = evidence.main.subject.name
    if len(evidence.judgements) > _SUMMED_UP:
        return []  # a table says it better
    return [
        f"On the same images, the AUC of {pair.first} less that of {pair.second} is "
        f"{pair.auc.difference}."
        for pair in evidence.pairs
        if name in (pair.first, pair.second)
    ]


def _times(share: float | None) -> str:
    return "undefined" if share is None else f"{100 * share:.0f} times of 100"


def _forest(evidence: Comparison, ranking: TableView) -> FigureView:
    rows = [(one.subject.name, one.discrimination.auc) for one in evidence.judgements]
    return FigureView.of(
        forest_figure(rows, "AUC of each model", "AUC"),
        "AUC of each model",
        "AUC with its 95 % interval by patient. Overlapping intervals do not tell whether two "
        "models differ on the same images: the comparison below does.",
        ranking,
    )


def _comparisons(pairs: Sequence[PairedComparison], compared: int) -> TableView:
    rows = tuple(
        (
            f"{pair.first} and {pair.second}",
            cell(pair.auc.difference),
            Cell(_p(pair.auc_p_holm), f"alone {_p(pair.auc.p)}"),
            Cell(
                f"{pair.calls.first_only} against {pair.calls.second_only}",
                f"both {pair.calls.both}, neither {pair.calls.neither}",
            ),
            Cell(_p(pair.calls_p_holm), f"alone {_p(pair.calls.p)}"),
        )
        for pair in pairs
    )
    return TableView(
        f"Every two models on the same {compared:,} images; p corrected for their number (Holm)",
        ("Models", "Difference of AUC", "p, DeLong", "Right only by one", "p, McNemar"),
        rows,
    )


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else format_number(value)


def _stability(stability: ChoiceStability) -> TableView:
    rows = tuple(
        (name, f"{share:.1%}".replace("%", " %"))
        for name, share in sorted(stability.shares.items(), key=lambda item: -item[1])
    )
    return TableView(
        f"Which model the rule would choose on {stability.draws:,} resamples of the validation "
        "patients",
        ("Model", "Chosen in"),
        rows,
    )
