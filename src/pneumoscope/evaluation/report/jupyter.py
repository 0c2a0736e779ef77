"""Views of experiments and evaluations in Jupyter notebooks: the tables of their pages."""

from pneumoscope.evaluation.model_comparison import Comparison
from pneumoscope.evaluation.model_evaluation import ModelEvaluation
from pneumoscope.evaluation.report.cells import cell
from pneumoscope.evaluation.report.comparison_page import summary_sentences
from pneumoscope.evaluation.report.evaluation_tables import discrimination_table
from pneumoscope.evaluation.report.experiment_results import ExperimentResult
from pneumoscope.evaluation.report.views import Row, TableView
from pneumoscope.evaluation.statistics.metrics import RESULT_METRICS
from pneumoscope.report.jupyter import data_table, paragraph, view, warning


def view_experiment(result: ExperimentResult) -> str:
    """Return an experiment as HTML: the models on test, the chosen one marked, and its notes."""
    chosen = result.chosen.name if result.choice.usable else None
    rows: list[Row] = [
        (model.name, *(cell(model.test.metrics[metric]) for metric in RESULT_METRICS.values()))
        for model in (*result.models, result.baseline)
    ]
    names = [name.replace("_", " ") for name in RESULT_METRICS]
    predictions = result.chosen.test.predictions
    warnings = [
        f"{name} is not eligible: on validation data it {reason}."
        for name, reason in result.choice.ineligible.items()
    ]
    if result.data.synthetic:
        warnings.insert(0, "Synthetic images: results say nothing about patients.")
    table = data_table(
        f"On the {len(predictions.files):,} test images ({predictions.describe_patients()}), at "
        f"the threshold {result.threshold:g}; small: 95 % interval",
        ["Model", *names],
        rows,
        chosen,
    )
    return view(
        f"Experiment with {len(result.models)} models",
        table,
        paragraph(
            f"{result.choice.name} was chosen on validation data by the notebook's rule; data "
            f"{result.data.fingerprint[:12]}."
            if chosen
            else "No model was chosen."
        ),
        *map(warning, (*warnings, *result.notes)),
    )


def view_evaluation(evaluation: ModelEvaluation) -> str:
    """Return an evaluation as HTML: its summary, and discrimination with intervals."""
    return view(
        f"Evaluation of {evaluation.subject.name}",
        *map(paragraph, summary_sentences(evaluation)),
        _table(discrimination_table([evaluation])),
    )


def view_comparison(comparison: Comparison) -> str:
    """Return a comparison as HTML: the models' discrimination, the chosen one marked."""
    return view(
        f"Comparison of {len(comparison.evaluations)} models",
        _table(
            discrimination_table(comparison.evaluations),
            None if comparison.choice is None else comparison.choice.name,
        ),
        *map(paragraph, summary_sentences(comparison.main)),
    )


def _table(table: TableView, chosen: str | None = None) -> str:
    return data_table(table.caption, table.headings, table.rows, chosen)
