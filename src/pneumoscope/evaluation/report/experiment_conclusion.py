"""Conclusion of an experiment: what is chosen, what it gains, and what that does not show."""

from pneumoscope.evaluation.report.cells import Cell, cell
from pneumoscope.evaluation.report.experiment_results import ExperimentResult
from pneumoscope.evaluation.report.published_notebook import (
    PUBLISHED_CHOICE,
    PUBLISHED_COUNTS,
    published_operating_point,
)
from pneumoscope.evaluation.report.views import Row, TableView
from pneumoscope.report.estimate import Estimate, format_number

_CHOSEN_BY = {"Recall": "sensitivity", "Precision": "ppv", "Specificity": "specificity"}
"""Metrics that the two choices are compared by, by their headings."""


def conclude(result: ExperimentResult, same_data: bool) -> tuple[str, ...]:
    """Return the conclusion in sentences, all from the results of the experiment.

    ``same_data`` is whether the images are the notebook's, whose published counts then stand beside
    these.
    """
    return (
        _choice(result),
        f"{_false_positives(result)} {_recall(result)}",
        *([_published(result)] if same_data else []),
        _limits(result),
    )


def compare_choices(result: ExperimentResult, interval: str) -> TableView:
    """Return both choices beside each other, on validation and on test.

    ``interval`` is the name of the intervals.
    """
    own, at_one = result.own_thresholds, result.chosen
    name = own.choice.name
    validation = at_one.validation.metrics, own.validation[name]
    test = at_one.test.metrics, own.test[name]
    rows: list[Row] = [
        (
            "Model",
            Cell(at_one.name, f"from {result.threshold:.3f}"),
            Cell(name, f"from {own.thresholds[name]:.3f}"),
        )
    ]
    for split, both in (("validation", validation), ("test", test)):
        for heading, metric in _CHOSEN_BY.items():
            rows.append((f"{heading}, {split}", *(cell(metrics[metric]) for metrics in both)))
    confusions = (metrics.confusion for metrics in test)
    rows.append(
        (
            "Test radiographs",
            *(
                Cell(f"{fp:,} normal called ill", f"{fn:,} with pneumonia missed")
                for (_, fp), (fn, _) in confusions
            ),
        )
    )
    return TableView(
        f"The two choices, made on validation data and reported on test; {interval}",
        (
            "Metric",
            f"Notebook's rule, all at {result.threshold:g}",
            "A threshold of its own for each",
        ),
        tuple(rows),
    )


def _choice(result: ExperimentResult) -> str:
    own, threshold = result.own_thresholds.choice, result.leading_threshold
    if not own.usable:
        return (
            "No model is usable: on validation data each calls everyone ill, or may rank no better "
            f"than chance. Shown is {own.name} from {threshold:.3f} on, the best of them."
        )
    reason = (
        f"has the highest precision among the models with a recall of at least {_required(result)}"
    )
    if not own.qualified:
        reason = f"has the highest recall; none reaches {_required(result)}"
    return (
        f"{own.name} is chosen, and calls ill from a probability of {threshold:.3f} on. With a "
        f"threshold of its own for each model it {reason}, on validation data."
    )


def _required(result: ExperimentResult) -> str:
    return f"{result.min_recall:g}"


def _false_positives(result: ExperimentResult) -> str:
    own, rival = result.own_thresholds, result.chosen
    (tn, fp), _ = own.test[own.choice.name].confusion
    rival_fp = rival.test.metrics.confusion[0][1]
    fewer = rival_fp - fp
    amount = f"{abs(fewer):,} {'fewer' if fewer > 0 else 'more'}" if fewer else "as many"
    difference = own.differences["specificity"]
    return (
        f"Of {tn + fp:,} normal test radiographs it calls {fp:,} ill, {amount}"
        f"{' as' if not fewer else ' than'} the {rival_fp:,} by the notebook's rule ({rival.name} "
        f"at {result.threshold:g}): difference of specificity {difference}"
        f"{_certainty(difference)}."
    )


def _recall(result: ExperimentResult) -> str:
    own, rival = result.own_thresholds, result.chosen
    _, (fn, tp) = own.test[own.choice.name].confusion
    rival_fn = rival.test.metrics.confusion[1][0]
    difference = own.differences["sensitivity"]
    return (
        f"Of {fn + tp:,} test radiographs with pneumonia it misses {fn:,}, and the notebook's rule "
        f"{rival_fn:,}: difference of recall {difference}{_certainty(difference)}."
    )


def _certainty(difference: Estimate) -> str:
    """Return what the interval of a difference leaves open."""
    if difference.low is None or difference.high is None:
        return ", without an interval"
    if difference.low > 0:
        return ", all of its interval above 0"
    if difference.high < 0:
        return ", all of its interval below 0"
    return (
        f", whose interval includes 0; a loss of {format_number(-difference.low)} is not ruled out"
        if difference.low < 0
        else ", whose interval begins at 0"
    )


def _published(result: ExperimentResult) -> str:
    (_, fp), (fn, _) = result.own_thresholds.test[result.leading.name].confusion
    counts = PUBLISHED_COUNTS["test"]
    recall, specificity = (estimate.value or 0.0 for estimate in published_operating_point())
    published_fp = round((1 - specificity) * counts["NORMAL"])
    published_fn = round((1 - recall) * counts["PNEUMONIA"])
    return (
        f"The notebook's own choice, {PUBLISHED_CHOICE}, as published called {published_fp:,} of "
        f"these {counts['NORMAL']:,} normal radiographs ill and missed {published_fn:,} of "
        f"{counts['PNEUMONIA']:,}: {published_fp - fp:+,} false positives and "
        f"{published_fn - fn:+,} false negatives beside the model chosen here. Its single "
        "predictions are not published, so this difference has no interval."
    ).replace("-", "−")


def _limits(result: ExperimentResult) -> str:
    """Return what the results do not show; each clause holds for the data that they are from."""
    own = result.own_thresholds
    (tn, fp), (fn, tp) = own.test[own.choice.name].confusion
    share = (fn + tp) / (tn + fp + fn + tp)
    clauses = [
        "how it does on radiographs of another source than these",
        f"its precision where another share than {share:.0%} has pneumonia".replace("%", " %"),
        "whether clinicians read better with it",
    ]
    if result.data.synthetic:
        clauses = ["anything about patients, since the images are synthetic", *clauses]
    if result.data.split_by == "image" or result.data.shared_patients:
        clauses.append(
            "an unbiased choice, since patients may have images both in training and validation"
        )
    if result.data.images_without_patient:
        clauses.append("how precise it is by patient, since the patients of some are unknown")
    return f"This does not show {'; '.join(clauses[:-1])}; nor {clauses[-1]}."
