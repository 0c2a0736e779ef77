"""Files of a local validation: the page, its PDF, the JSON and the table of predictions."""

from pathlib import Path

from pneumoscope.report.pdf import write_pdf_if_possible
from pneumoscope.support.files import write_text
from pneumoscope.validation.local_validation import LocalValidation
from pneumoscope.validation.report.validation_json import validation_json
from pneumoscope.validation.report.validation_page import render_validation


def write_validation(validation: LocalValidation, out: Path) -> None:
    """Write ``report.html``, ``report.pdf``, ``validation.json`` and ``predictions.csv``.

    A file that cannot be written raises `StorageError`.
    """
    validation.local.predictions.write(out / "predictions.csv")
    write_text(out / "validation.json", validation_json(validation))
    page = render_validation(validation)
    write_text(out / "report.html", page)
    write_pdf_if_possible(page, out / "report.pdf")
