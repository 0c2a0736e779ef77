"""Readings as monitoring looks at them, patients without their names."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pneumoscope.clinic.storage.tables import Image, StoredReading, Study
from pneumoscope.reader import Status

UNREAD = (Status.REJECTED, Status.FAILED)


@dataclass(frozen=True, slots=True)
class Observation:
    """An image that was read, or could not be.

    Parameters
    ----------
    image, sha256
        Which one, and its file.
    site
        Identifier of its site.
    patient
        Whose it is: what counts as independent. A study without a patient's identifier is taken
        for a patient of its own.
    created
        When it was read.
    waited
        Seconds from its coming in.
    milliseconds
        That reading it took.
    bundle
        Identity of the bundle.
    status, findings
        Of the reading; codes of the quality findings.
    probability
        Of pneumonia, where it was read.
    values
        Of the statistics that are compared, as far as they are known.
    """

    image: str
    sha256: str
    site: str
    patient: tuple[str, str] = field(repr=False)
    created: datetime
    waited: float
    milliseconds: float
    bundle: str
    status: str
    finding: str | None
    codes: tuple[str, ...]
    values: dict[str, float]

    @property
    def probability(self) -> float | None:
        """Of pneumonia, where it was read."""
        return self.values.get("probability")

    @property
    def unread(self) -> bool:
        """Whether it was rejected or failed."""
        return self.status in UNREAD


def observe(
    session: Session, begin: datetime, end: datetime, site: str | None
) -> list[Observation]:
    """Return what was read from a moment on and before another, the first first.

    Parameters
    ----------
    session
        To look with.
    begin, end
        The moments.
    site
        Identifier of one site; None for all.
    """
    statement = (
        select(
            Image.id,
            Image.sha256,
            Image.received,
            Study.id,
            Study.site_id,
            Study.patient_id,
            StoredReading,
        )
        .join(Image, Image.id == StoredReading.image_id)
        .join(Study, Study.id == Image.study_id)
        .where(StoredReading.created >= begin, StoredReading.created < end)
        .order_by(StoredReading.created, StoredReading.id)
    )
    if site is not None:
        statement = statement.where(Study.site_id == site)
    return [
        _observation(image, sha256, received, patient_of(site_id, patient, study), site_id, reading)
        for image, sha256, received, study, site_id, patient, reading in session.execute(statement)
    ]


def patient_of(site: str, patient: str | None, study: str) -> tuple[str, str]:
    """Return what tells one patient from another."""
    return (site, f"patient {patient}") if patient is not None else (site, f"study {study}")


def one_of_each_patient(observations: Iterable[Observation]) -> Iterator[Observation]:
    """Yield the first image of each patient; a file that came again is nobody's second time."""
    patients: set[tuple[str, str]] = set()
    files: set[str] = set()
    for one in observations:
        if one.patient not in patients and one.sha256 not in files:
            yield one
        patients.add(one.patient)
        files.add(one.sha256)


def _observation(
    image: str,
    sha256: str,
    received: datetime,
    patient: tuple[str, str],
    site: str,
    reading: StoredReading,
) -> Observation:
    read = {"probability": reading.probability, "distance": reading.distance}
    values = {name: value for name, value in read.items() if value is not None}
    return Observation(
        image=image,
        sha256=sha256,
        site=site,
        patient=patient,
        created=reading.created,
        waited=(reading.created - received).total_seconds(),
        milliseconds=reading.milliseconds,
        bundle=reading.bundle,
        status=reading.status,
        finding=reading.finding,
        codes=tuple(str(one["code"]) for one in reading.quality),
        values=values | (reading.inputs or {}),
    )
