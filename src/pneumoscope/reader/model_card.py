"""Model card in Markdown, made from the bundle's record."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pneumoscope.reader.bundle import CROSS_VALIDATION, BundleRecord
from pneumoscope.reader.reading import CONFIDENCES
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.operating_point import POINT_METRICS, OperatingPoint


def model_card(record: BundleRecord) -> str:
    """Return the model card of a bundle with this record.

    References
    ----------
    Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
    """
    return "\n\n".join(_paragraphs(record)) + "\n"


def _paragraphs(record: BundleRecord) -> Iterator[str]:
    data = record.training_data
    yield f"# {record.name}"
    if record.notice:
        yield f"**{record.notice}**"
    if data.synthetic:
        yield "**Trained on synthetic images: its readings of patients mean nothing.**"
    members = ", ".join(
        f"{member.model} (seed {member.seed}, {member.epochs} epochs, {member.precision})"
        for member in record.members
    )
    origin = f"Exported on {record.created} by pneumoscope {record.pneumoscope} from {members}."
    if record.arithmetic == "int8":
        origin += "\nIts convolutions multiply 8-bit integers; all metrics "
        if CROSS_VALIDATION in record.metrics:
            origin += "but those of cross-validation "
        origin += "are of this quantised graph."
    yield origin
    if CROSS_VALIDATION in record.metrics:
        yield (
            "Metrics of cross-validation, and operating points chosen by it, are of the folds' "
            "networks, each of which has not learned from the images that it is measured on."
        )
    yield "## Intended use"
    yield record.intended_use
    yield "## Factors"
    yield "Age, sex, view, scanner and hospital may change its performance; see the limitations."
    yield "## Refusals"
    yield "\n".join(f"- {line}" for line in describe_refusals(record))
    yield "## Limitations"
    yield "\n".join(f"- {limit}" for limit in record.limitations)
    yield "## Data"
    yield f"Population: {data.population}."
    yield (
        f"Trained on {data.train:,} images of the manifest `{data.fingerprint[:12]}`, which has "
        f"{data.validation:,} validation images; split by "
        f"{data.split_by or 'patient unless the manifest says otherwise'}."
    )
    if origins := sorted({of.initial_weights for of in record.members if of.initial_weights}):
        yield f"Training started from: {'; '.join(origins)}."
    yield "## Metrics"
    yield (
        "Intervals are 95 % confidence intervals, bootstrapped by "
        f"{record.resampling_unit or 'patient'}.\n"
        f"Probabilities are calibrated on {record.calibration.n:,} images "
        f"({record.calibration.fitted_on})."
    )
    splits = (
        f"\n| {split} | {metrics['auc']} | {metrics['average_precision']} |"
        for split, metrics in record.metrics.items()
    )
    yield "| split | AUC | average precision |\n| --- | --- | --- |" + "".join(splits)
    yield "\n".join(_operating_points(record))
    yield "## Ethical considerations"
    yield "A missed pneumonia harms; so does a false alarm. A clinician decides, not the network."
    if record.history:
        yield "## History"
        yield "\n".join(
            f"- {change.created}, from {change.previous}: {change.description}"
            for change in record.history
        )
    yield f"Licence: {record.licence}"


def describe_refusals(record: BundleRecord) -> Iterator[str]:
    """Yield whom a bundle answers for, and which images it refuses, in words."""
    patients, refusal = record.population, record.refusal
    yield f"Patients: {patients.describe_ages()}; others are refused where the file states an age."
    yield (
        f"Images: view {' or '.join(patients.views)}, modality {', '.join(patients.modalities)}; "
        "others are refused where the file states them."
    )
    if refusal is None:
        yield "Unfamiliar images are flagged, and answered."
        return
    flagged = f"; further than {record.familiarity_limit:.2f} they are flagged"
    yield (
        f"Images further than {refusal.distance:.2f} from the training images are refused"
        f"{flagged if record.familiarity_limit < refusal.distance else ''}."
    )
    if refusal.outsiders is not None:
        yield f"Images that look like other patients are refused, as fitted on {refusal.outsiders}."
    yield (
        f"Either limit refuses a share of {refusal.false_refusals} of the bundle's own patients' "
        "images that the limits were fitted on; expect more on new images."
    )


def _operating_points(record: BundleRecord) -> Iterator[str]:
    points = record.operating_points
    images = "validation" if record.calibration.fitted_on != CROSS_VALIDATION else "cross-validated"
    yield (
        f"Operating points on the {images} images that they were chosen on; expect less on new "
        "images:"
    )
    yield ""
    bands = (f"{point.low:.3f} to {point.high:.3f}" for point in points.values())
    yield _row("", points)
    yield "| --- " * (1 + len(points)) + "|"
    yield _row("Threshold", (f"{point.threshold:.3f}" for point in points.values()))
    yield _row("Low confidence", bands)
    yield from _metric_rows([point.measured for point in points.values()])
    yield from _finding_rows([point.findings for point in points.values()])
    yield _row("Rule", (point.rule for point in points.values()))
    yield from _abstention("measured_abstaining", points)
    if not all(point.tested for point in points.values()):
        return
    yield ""
    yield "The same thresholds on the test split, which was not used to choose them:"
    yield ""
    yield _row("", points)
    yield "| --- " * (1 + len(points)) + "|"
    yield from _metric_rows([point.tested for point in points.values()])
    yield from _finding_rows([point.tested_findings for point in points.values()])
    yield from _likelihood_ratio_rows([point.likelihood_ratios for point in points.values()])
    yield from _abstention("tested_abstaining", points)


def _abstention(name: str, points: Mapping[str, OperatingPoint]) -> Iterator[str]:
    """Yield the table of the same images where no finding is made with low confidence."""
    columns = [getattr(point, name) for point in points.values()]
    if not all(columns):
        return
    yield ""
    yield "The same images where no finding is made with low confidence (`--abstain`):"
    yield ""
    yield _row("", points)
    yield "| --- " * (1 + len(points)) + "|"
    yield from _metric_rows(columns)


def _likelihood_ratio_rows(columns: Sequence[Mapping[str, Estimate]]) -> Iterator[str]:
    """Yield the likelihood ratio of each finding and confidence that any of the points states."""
    for finding in CONFIDENCES:
        if any(finding in ratios for ratios in columns):
            cells = [ratios.get(finding) for ratios in columns]
            texts = ("not stated" if cell is None else str(cell) for cell in cells)
            yield _row(f"Likelihood ratio of {finding}", texts)


def _finding_rows(columns: Sequence[Mapping[str, Mapping[str, int]]]) -> Iterator[str]:
    """Yield, for each class, what is shown of its images, where that is recorded."""
    if not all(columns):
        return
    for name in columns[0]:
        for finding in columns[0][name]:
            yield _row(
                f"{name} images shown as {finding}",
                (f"{counts[name][finding]:,}" for counts in columns),
            )


def _metric_rows(columns: Sequence[Mapping[str, Estimate]]) -> Iterator[str]:
    for name, metric in POINT_METRICS.items():
        if all(name in metrics for metrics in columns):
            yield _row(metric.label, (str(metrics[name]) for metrics in columns))


def _row(heading: str, cells: Iterable[str]) -> str:
    return f"| {' | '.join([heading, *cells])} |"
