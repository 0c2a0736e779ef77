"""Second reader as pages show it: sentences, and tables with each reader in a column."""

from dataclasses import dataclass

from pneumoscope.evaluation.report.cells import Cell, cell
from pneumoscope.evaluation.report.views import Row, TableView
from pneumoscope.evaluation.second_reader_evaluation import (
    ReaderAgreement,
    Reference,
    ReferenceEvaluation,
    SecondReaderEvaluation,
)
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.operating_point import POINT_METRICS

_HEADINGS = {
    Reference.LABELS: "Labels, all images",
    Reference.SECOND_READER: "Second reader, usable images",
    Reference.AGREED: "Both agree, usable images",
}
_METRICS = [name for name, metric in POINT_METRICS.items() if metric.is_proportion]

_NOTES = (
    "Labels are one opinion. Where the two readers differ, at least one of them is wrong, and no "
    "model can agree with both. Images on which they agree tend to be the clearer ones: metrics on "
    "them flatter a model.",
    "A model that learned from labels by the same people has an advantage over the second reader "
    "against these labels.",
    "Kappa is agreement beyond chance: 1 is complete, 0 is what chance alone would give.",
    "The second reading serves this report only. No model, threshold or calibration is chosen, "
    "fitted or weighted with it.",
)


@dataclass(frozen=True, slots=True)
class SecondReaderView:
    """Section on the second reader: numbers of images in a sentence, tables, and notes."""

    counts: str
    references: TableView
    agreement: TableView
    notes: tuple[str, ...]


def view_second_reader(
    name: str, second: SecondReaderEvaluation, interval: str
) -> SecondReaderView:
    """Return the evaluation of the model ``name`` against a second reader as a page shows it.

    ``interval`` is the name of the intervals.
    """
    return SecondReaderView(
        _counts(second),
        _references_table(name, second, interval),
        _agreement_table(name, second, interval),
        _NOTES,
    )


def summarise_second_reader(second: SecondReaderEvaluation) -> str:
    """Return the AUC against each reader, and the agreement of the readers, in a sentence."""
    labels, reader, agreed = (
        f"{_auc(evaluation)} on {evaluation.n:,}" for evaluation in second.references.values()
    )
    point = second.usable.point.estimates
    return (
        f"The AUC is {labels} images against the labels, {reader} against the second reader, and "
        f"{agreed} where both agree. On usable images the second reader has a sensitivity of "
        f"{point['sensitivity']} and a specificity of {point['specificity']} against the labels; "
        f"agreement beyond chance (Cohen's kappa) is {second.usable.kappa}."
    )


def _counts(second: SecondReaderEvaluation) -> str:
    total = second.read + second.without_reading
    sentences = [
        f"The second reader ({second.table}) read {second.read:,} of these {total:,} images and "
        f"calls {second.unusable:,} of them unusable."
    ]
    if second.without_reading:
        sentences.append(f"The other {second.without_reading:,} have no second reading.")
    if second.not_evaluated:
        sentences.append(
            f"{second.not_evaluated:,} more readings are of images that the model did not read."
        )
    return " ".join(sentences)


def _auc(evaluation: ReferenceEvaluation) -> Estimate:
    return Estimate(None) if evaluation.discrimination is None else evaluation.discrimination.auc


def _references_table(name: str, second: SecondReaderEvaluation, interval: str) -> TableView:
    evaluations = [second.references[reference] for reference in _HEADINGS]
    rows: list[Row] = [
        (
            "Images",
            *(
                Cell(f"{evaluation.n:,}", f"{evaluation.positives:,} with pneumonia")
                for evaluation in evaluations
            ),
        ),
        ("AUC", *(cell(_auc(evaluation)) for evaluation in evaluations)),
    ]
    for index, point in enumerate(_points(second.references[Reference.LABELS])):
        for metric in _METRICS:
            cells = (cell(_estimate(evaluation, index, metric)) for evaluation in evaluations)
            rows.append((f"{POINT_METRICS[metric].label} at {point}", *cells))
    return TableView(
        f"Performance of {name} against each reader; {interval}",
        ("", *_HEADINGS.values()),
        tuple(rows),
    )


def _points(evaluation: ReferenceEvaluation) -> list[str]:
    discrimination = evaluation.discrimination
    return [] if discrimination is None else [point.name for point in discrimination.points]


def _estimate(evaluation: ReferenceEvaluation, index: int, metric: str) -> Estimate:
    if evaluation.discrimination is None:
        return Estimate(None)
    return evaluation.discrimination.points[index].estimates[metric]


def _agreement_table(name: str, second: SecondReaderEvaluation, interval: str) -> TableView:
    columns = {"Usable images": second.usable}
    if second.labelled.n > second.usable.n:
        columns["Unusable images too"] = second.labelled
    rows: list[Row] = [
        ("Images", *(_images(agreement) for agreement in columns.values())),
        ("Cohen's kappa", *(cell(agreement.kappa) for agreement in columns.values())),
    ]
    for metric in _METRICS:
        cells = (cell(agreement.point.estimates[metric]) for agreement in columns.values())
        rows.append((POINT_METRICS[metric].label, *cells))
    return TableView(
        f"Second reader against the labels, on the images of {name}; {interval}",
        ("", *columns),
        tuple(rows),
    )


def _images(agreement: ReaderAgreement) -> Cell:
    (tn, fp), (fn, tp) = agreement.point.confusion
    return Cell(f"{agreement.n:,}", f"agreement on {tn + tp:,}, not on {fp + fn:,}")
