"""Storage of readings: one row each, and the resulting changes of their studies."""

import io
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Boolean, Float, bindparam, case, func, select, update
from sqlalchemy.orm import Session

from pneumoscope.clinic.storage.tables import Image, StoredReading, Study
from pneumoscope.clinic.worklist.changes import note_new_reading
from pneumoscope.reader import Reading, Status
from pneumoscope.reader.quality_gate import Severity

_DECISIVE_SEVERITIES = {
    Status.OUTSIDE: Severity.OUTSIDE,
    Status.REJECTED: Severity.REJECT,
    Status.FAILED: Severity.REJECT,
}
"""Severity of the findings for which an image is not read, by its status."""

UNREAD_STATUSES = tuple(_DECISIVE_SEVERITIES)
"""Statuses of readings without a finding."""

_PROBABILITY = bindparam("probability", type_=Float)
_RAISE_PRIORITY = (
    update(Study)
    .where(Study.id == bindparam("study"))
    .values(
        urgency=case(
            (func.coalesce(Study.urgency, -1.0) < _PROBABILITY, _PROBABILITY), else_=Study.urgency
        ),
        needs_look=case((bindparam("unread", type_=Boolean), True), else_=Study.needs_look),
    )
)


def store_readings(
    session: Session, readings: Mapping[str, Reading], operating_point: str, now: datetime
) -> None:
    """Store readings and update their studies, in the transaction that empties the queue of them.

    A study's urgency is the highest probability of its images; a study with an image that could not
    be read needs a look.
    """
    if not readings:
        return
    images = session.execute(
        select(Image.id, Image.study_id, Study.study_uid, Study.site_id)
        .join(Study)
        .where(Image.id.in_(readings))
    ).all()
    # In the order in which every transaction locks studies, to avoid deadlocks.
    images = sorted(images, key=lambda image: (image.study_uid or "", image.study_id))
    session.connection().execute(
        _RAISE_PRIORITY,
        [
            {
                "study": image.study_id,
                "probability": readings[image.id].probability,
                "unread": readings[image.id].status in UNREAD_STATUSES,
            }
            for image in images
        ],
    )
    session.add_all(
        _row(image_id, reading, operating_point, now) for image_id, reading in readings.items()
    )
    session.flush()
    for site_id in sorted({image.site_id for image in images}):
        note_new_reading(session, site_id)


def _row(image_id: str, reading: Reading, point: str, now: datetime) -> StoredReading:
    return StoredReading(
        image_id=image_id,
        created=now,
        bundle=reading.bundle,
        status=str(reading.status),
        operating_point=point,
        finding=str(reading.findings[point]) if reading.findings else None,
        probability=reading.probability,
        probability_outside=reading.probability_outside,
        assumed_population=reading.assumed_population,
        refusal=_refusal_code(reading),
        findings={name: str(finding) for name, finding in reading.findings.items()},
        low_confidence=sorted(reading.low_confidence),
        likelihood_ratio=_likelihood_ratio(reading, point),
        reasons=list(reading.reasons),
        quality=[
            {"code": str(issue.code), "severity": str(issue.severity), "message": issue.message}
            for issue in reading.quality
        ],
        distance=reading.distance,
        view=reading.view,
        laterality=reading.laterality,
        inputs=None if reading.inputs is None else asdict(reading.inputs),
        heatmap=None if reading.heatmap is None else _npy_bytes(reading.heatmap),
        milliseconds=reading.milliseconds,
    )


def _likelihood_ratio(reading: Reading, point: str) -> dict[str, float | None] | None:
    ratio = reading.likelihood_ratios.get(point)
    return None if ratio is None else asdict(ratio)


def _refusal_code(reading: Reading) -> str | None:
    """Return the code of the first reason why an image was not read; None if it was."""
    if reading.status not in _DECISIVE_SEVERITIES:
        return None
    severity = _DECISIVE_SEVERITIES[reading.status]
    codes = (issue.code for issue in reading.quality if issue.severity is severity)
    return next(codes, str(reading.status))


def _npy_bytes(array: NDArray[np.float32]) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()
