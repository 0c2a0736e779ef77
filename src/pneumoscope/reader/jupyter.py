"""View of a reading in Jupyter notebooks: finding, probability, reasons, and the radiograph."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.lungs.drawing import draw_lungs
from pneumoscope.radiograph import Radiograph
from pneumoscope.reader.overlay import draw_overlay
from pneumoscope.reader.reading import (
    OTHER_FINDINGS,
    Finding,
    Reading,
    Status,
    describe_finding,
    format_probability,
)
from pneumoscope.report.jupyter import data_table, paragraph, picture, view, warning

_PICTURE_HEIGHT = 288
"""Height of the pictures in pixels."""

_TITLES = {
    Status.READ: "Read",
    Status.FLAGGED: "Read, with reasons to doubt it",
    Status.OUTSIDE: "Not read: outside of what the network may answer for",
    Status.REJECTED: "Not read: rejected",
    Status.FAILED: "Not read: failed",
}


def view_reading(reading: Reading) -> str:
    """Return a reading as HTML, with a small picture of its radiograph; no finding if not read."""
    parts = [warning(reason) for reason in reading.reasons]
    if reading.probability is not None:
        findings = (
            (name, describe_finding(finding, low_confidence=name in reading.low_confidence))
            for name, finding in reading.findings.items()
        )
        parts += [
            paragraph(f"Probability of pneumonia: {format_probability(reading.probability)}"),
            data_table("Findings", ["Operating point", "Finding"], findings),
            paragraph(OTHER_FINDINGS),
        ]
    parts += _pictures(reading)
    return view(_TITLES[reading.status], *parts, paragraph(f"Bundle {reading.bundle}"))


def _shown_heatmap(reading: Reading) -> NDArray[np.float32] | None:
    """Return the heat map if pneumonia is suspected at any operating point."""
    return reading.heatmap if Finding.SUSPECTED in reading.findings.values() else None


def _pictures(reading: Reading) -> list[str]:
    """Return the radiograph with its lungs and with its heat map, as far as there are any."""
    if reading.square is None or reading.inputs is None:
        return []
    width = max(1, round(_PICTURE_HEIGHT * reading.inputs.aspect))
    resized = Image.fromarray(reading.square).resize((width, _PICTURE_HEIGHT))
    pixels = np.asarray(resized, np.float32) / np.float32(255)
    if reading.lungs is None:
        file = io.BytesIO()
        resized.save(file, "PNG")
        pictures = [picture(file.getvalue(), "Radiograph, at the network's resolution")]
    else:
        found = "the box that the network sees" if reading.lungs.found else "not found for certain"
        png = draw_lungs(pixels, reading.lungs)
        pictures = [picture(png, f"Outlines of the lungs; {found}")]
    if reading.heatmap is not None:
        png = draw_overlay(Radiograph(pixels, sha256=""), _shown_heatmap(reading))
        pictures.append(picture(png, "Heat map: what the network used, not where disease is"))
    return pictures
