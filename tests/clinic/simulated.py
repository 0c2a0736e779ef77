"""Simulated clinic: readings of patients drawn from a reference population, and judgements."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Role, create_user
from pneumoscope.clinic.monitoring.overview import Baseline
from pneumoscope.clinic.monitoring.reference import STATISTICS
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Image, Judgement, Site, StoredReading, Study, User
from pneumoscope.clinic.worklist.judgements import JudgementAnswer
from pneumoscope.reader.reading import finding_at

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)

Change = Callable[[dict[str, float]], dict[str, float]]
"""Change of a patient's statistics."""


def unchanged(values: dict[str, float]) -> dict[str, float]:
    return values


def brighter(by: float) -> Change:
    return lambda values: values | {"brightness": values["brightness"] + by}


class Simulated:
    """Simulated clinic in a database; the same seed gives the same clinic."""

    def __init__(self, database: Database, baseline: Baseline, seed: int = 0) -> None:
        self.database = database
        self.baseline = baseline
        self.now = NOW
        self._rng = np.random.default_rng(seed)

    def site(self, name: str) -> str:
        """Return the identifier of a site, created on demand with a clinician who judges there."""
        with self.database.writing() as session:
            row = session.scalar(select(Site).where(Site.name == name))
            if row is None:
                row = Site(id=self._id(), name=name, displayed=True)
                session.add(row)
                create_user(session, f"clinician of {name}".lower(), Role.CLINICIAN, None, NOW)
            return row.id

    def run(
        self,
        first: int,
        last: int,
        patients: int,
        site: str = "Ward",
        change: Change = unchanged,
        rejected: float = 0.05,
        judged: float = 0.0,
        agree: float = 0.9,
        bundle: str | None = None,
    ) -> None:
        """Add patients on each day, from ``first`` days ago to ``last`` days ago."""
        site_id = self.site(site)
        with self.database.writing() as session:
            clinician = session.scalars(
                select(User).where(User.name == f"clinician of {site}".lower())
            ).one()
            judgements = []
            for days_ago in range(first, last - 1, -1):
                day = self.now - timedelta(days_ago)
                for _ in range(patients):
                    refused = self._rng.random() < rejected
                    image = self._image(site_id, day, refused, change)
                    if bundle is not None:
                        image.reading.bundle = bundle
                    session.add(image)
                    if not refused and self._rng.random() < judged:
                        judgements.append(self._judgement(image, clinician, day, agree))
            session.flush()  # the images before their judgements
            session.add_all(judgements)

    def _image(self, site: str, day: datetime, refused: bool, change: Change) -> Image:
        reference, point = self.baseline.reference, self.baseline.point
        values = change(
            {name: float(self._rng.choice(reference.values[name])) for name in STATISTICS}
        )
        probability, distance = values.pop("probability"), values.pop("distance")
        received = day - timedelta(seconds=float(self._rng.gamma(2, 4)))
        image = Image(
            id=self._id(),
            study=Study(id=self._id(), site_id=site, patient_id=self._id(), received=received),
            sha256=self._id() * 2,
            name="a.dcm",
            media_type="application/dicom",
            size=1,
            received=received,
        )
        image.reading = StoredReading(
            id=self._id(),
            created=day,
            bundle=self.baseline.bundle,
            status="rejected" if refused else "read",
            operating_point=self.baseline.name,
            finding=None if refused else str(finding_at(probability, point)),
            probability=None if refused else probability,
            refusal="lateral" if refused else None,
            findings={},
            reasons=[],
            quality=[{"code": "lateral", "severity": "reject", "message": ""}] if refused else [],
            distance=None if refused else distance,
            inputs=values,
            milliseconds=float(self._rng.gamma(9, 6)),
        )
        return image

    def _judgement(self, image: Image, clinician: User, day: datetime, agree: float) -> Judgement:
        answer = JudgementAnswer.AGREE if self._rng.random() < agree else JudgementAnswer.DISAGREE
        return Judgement(
            id=self._id(),
            image_id=image.id,
            user_id=clinician.id,
            version=1,
            answer=answer,
            created=day + timedelta(hours=1),
        )

    def _id(self) -> str:
        return UUID(bytes=self._rng.bytes(16)).hex
