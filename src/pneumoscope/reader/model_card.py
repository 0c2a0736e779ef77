"""A short model card in Markdown, written from the bundle's own record."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pneumoscope.reader.bundle import BundleRecord
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.operating_point import POINT_METRICS


def model_card(record: BundleRecord) -> str:
    """Return the card of a bundle.

    References
    ----------
    Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
    """
    return "\n".join(_lines(record)) + "\n"


def _lines(record: BundleRecord) -> Iterator[str]:
    data = record.training_data
    yield f"# {record.name}"
    yield ""
    if record.notice:
        yield f"**{record.notice}**"
        yield ""
    if data.synthetic:
        yield "**Learned from synthetic images; it says nothing about patients.**"
        yield ""
    members = ", ".join(
        f"{one.model} (seed {one.seed}, {one.epochs} epochs, {one.precision})"
        for one in record.members
    )
    yield f"Exported on {record.created} by pneumoscope {record.pneumoscope} from {members}."
    if record.arithmetic == "int8":
        yield "Its convolutions multiply 8-bit integers; all figures are of the graph as it is."
    yield ""
    yield "## Intended use"
    yield ""
    yield record.intended_use
    yield ""
    yield "## Factors"
    yield ""
    yield "Age, sex, view, machine and hospital may change how well it works; see the limits."
    yield ""
    yield "## Limits"
    yield ""
    yield from (f"- {limit}" for limit in record.limitations)
    yield ""
    yield "## Data"
    yield ""
    yield f"Population: {data.population}."
    yield ""
    yield (
        f"Trained on {data.train:,} images and {_fitted(record)} {data.validation:,} "
        f"validation images of the manifest `{data.fingerprint[:12]}`; split by patient unless the "
        "manifest says otherwise."
    )
    yield ""
    yield "## Figures"
    yield ""
    yield "With 95 % intervals, bootstrapped by patient."
    yield (
        f"Probabilities are calibrated on {record.calibration.n:,} images "
        f"({record.calibration.fitted_on})."
    )
    yield ""
    yield "| split | AUC | average precision |"
    yield "| --- | --- | --- |"
    for split, figures in record.metrics.items():
        yield f"| {split} | {figures['auc']} | {figures['average_precision']} |"
    yield ""
    yield from _operating_points(record)
    yield ""
    yield "## Ethical considerations"
    yield ""
    yield "A missed pneumonia harms; so does a false alarm. A clinician decides, not the network."
    yield ""
    if record.history:
        yield "## History"
        yield ""
        yield from (f"- {one.created}: {one.before}: {one.what}" for one in record.history)
        yield ""
    yield f"Licence: {record.licence}"


def _fitted(record: BundleRecord) -> str:
    return "first fitted (see History for what came after) on" if record.history else "fitted on"


def _operating_points(record: BundleRecord) -> Iterator[str]:
    points = record.operating_points
    yield (
        "Operating points, on the validation images that they were chosen on, and so better than "
        "on new ones:"
    )
    yield ""
    bands = (f"{point.low:.3f} to {point.high:.3f}" for point in points.values())
    yield _row("", points)
    yield "| --- " * (1 + len(points)) + "|"
    yield _row("Threshold", (f"{point.threshold:.3f}" for point in points.values()))
    yield _row("Uncertain", bands)
    yield from _metric_rows([point.measured for point in points.values()])
    yield _row("Rule", (point.rule for point in points.values()))
    if not all(point.tested for point in points.values()):
        return
    yield ""
    yield "The same thresholds on the test split, which had no part in fitting them:"
    yield ""
    yield _row("", points)
    yield "| --- " * (1 + len(points)) + "|"
    yield from _metric_rows([point.tested for point in points.values()])


def _metric_rows(columns: Sequence[Mapping[str, Estimate]]) -> Iterator[str]:
    for name, metric in POINT_METRICS.items():
        if all(name in metrics for metrics in columns):
            yield _row(metric.label, (str(metrics[name]) for metrics in columns))


def _row(heading: str, cells: Iterable[str]) -> str:
    return f"| {' | '.join([heading, *cells])} |"
