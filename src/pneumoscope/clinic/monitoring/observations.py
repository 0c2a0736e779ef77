"""Readings as monitoring uses them, with patients by key instead of name."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pneumoscope.clinic.queue.readings import UNREAD_STATUSES
from pneumoscope.clinic.storage.tables import Image, StoredReading, Study
from pneumoscope.reader import Status


@dataclass(frozen=True, slots=True)
class Observation:
    """Image that was read, or why it was not."""

    image: str
    sha256: str
    """Identifier of the image, and digest of its file."""
    patient: tuple[str, str] = field(repr=False)
    """Key of the patient, the independent unit of all statistics. A study without a patient
    identifier counts as a patient of its own."""
    created: datetime
    waited: float
    """Seconds from receipt to reading."""
    milliseconds: float
    bundle: str
    status: str
    codes: tuple[str, ...]
    """Codes of the quality findings."""
    findings: dict[str, str]
    """Finding by name of the operating point, as it was shown."""
    refusal: str | None
    """Code of the first reason why the image was not read; None if it was."""
    values: dict[str, float]
    """Values of the statistics that are compared with a reference, as far as they are known; none
    if the image is outside, since the bundle's reference population has no such patients."""

    @property
    def probability(self) -> float | None:
        """Probability of pneumonia; None if the image was not read."""
        return self.values.get("probability")

    @property
    def unread(self) -> bool:
        """Whether the image was not read: it is outside, was rejected, or failed."""
        return self.status in UNREAD_STATUSES


def observations_between(
    session: Session, begin: datetime, end: datetime, site: str | None
) -> list[Observation]:
    """Return the readings from one time on and before another, the oldest first."""
    statement = (
        select(
            Image.id,
            Image.sha256,
            Image.received,
            Study,
            StoredReading,
        )
        .join(Image, Image.id == StoredReading.image_id)
        .join(Study, Study.id == Image.study_id)
        .where(
            StoredReading.created >= begin,
            StoredReading.created < end,
            Image.withdrawn.is_(None),
        )
        .order_by(StoredReading.created, StoredReading.id)
    )
    if site is not None:
        statement = statement.where(Study.site_id == site)
    observations = []
    for image, sha256, received, study, reading in session.execute(statement):
        observations.append(
            Observation(
                image=image,
                sha256=sha256,
                patient=patient_key(study),
                created=reading.created,
                waited=(reading.created - received).total_seconds(),
                milliseconds=reading.milliseconds,
                bundle=reading.bundle,
                status=reading.status,
                codes=tuple(str(finding["code"]) for finding in reading.quality),
                findings=reading.findings,
                refusal=reading.refusal,
                values=_values(reading),
            )
        )
    return observations


def _values(reading: StoredReading) -> dict[str, float]:
    if reading.status == Status.OUTSIDE:
        return {}
    scores = {"probability": reading.probability, "distance": reading.distance}
    values = {name: value for name, value in scores.items() if value is not None}
    return values | (reading.inputs or {})


def patient_key(study: Study) -> tuple[str, str]:
    """Return the key of a study's patient: site, patient identifier and issuer.

    It is the study where there is no identifier, or where a person must check whose study it is.
    """
    if study.patient_id is None or study.conflict is not None:
        return (study.site_id, f"study {study.id}")
    issuer = "" if study.patient_id_issuer is None else f" of {study.patient_id_issuer}"
    return (study.site_id, f"patient {study.patient_id}{issuer}")


def first_per_patient(observations: Iterable[Observation]) -> Iterator[Observation]:
    """Yield the first image of each patient, leaving out files that were seen before."""
    patients: set[tuple[str, str]] = set()
    files: set[str] = set()
    for observation in observations:
        if observation.patient not in patients and observation.sha256 not in files:
            yield observation
        patients.add(observation.patient)
        files.add(observation.sha256)
