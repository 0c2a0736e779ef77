"""A short model card in Markdown, written from the bundle's own record."""

from collections.abc import Iterator

from pneumoscope.reader.bundle import BundleRecord, Figure


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
    yield "## Limits"
    yield ""
    yield from (f"- {limit}" for limit in record.limitations)
    yield ""
    yield "## Data"
    yield ""
    yield f"Population: {data.population}."
    yield ""
    yield (
        f"Trained on {data.train:,} images and fitted on {data.validation:,} validation images of "
        f"the manifest `{data.fingerprint[:12]}`; split by patient unless the manifest says "
        "otherwise."
    )
    yield ""
    yield "## Figures"
    yield ""
    yield "With 95 % intervals, bootstrapped by patient."
    yield ""
    yield "| split | AUC | average precision |"
    yield "| --- | --- | --- |"
    for split, figures in record.metrics.items():
        yield f"| {split} | {_show(figures['auc'])} | {_show(figures['average_precision'])} |"
    yield ""
    yield from _operating_points(record)
    yield ""
    yield f"Licence: {record.licence}"


def _operating_points(record: BundleRecord) -> Iterator[str]:
    yield (
        "Operating points, on the validation images that they were chosen on, and so better than "
        "on new ones:"
    )
    yield ""
    yield "| | threshold | uncertain | recall | specificity | precision | rule |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, point in record.operating_points.items():
        measured = (point.measured[one] for one in ("recall", "specificity", "precision"))
        figures = " | ".join(map(_show, measured))
        band = f"{point.low:.3f} to {point.high:.3f}"
        yield f"| {name} | {point.threshold:.3f} | {band} | {figures} | {point.rule} |"


def _show(figure: Figure) -> str:
    if figure.value is None:
        return "undefined"
    if figure.low is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
