"""Retention periods of studies, and the selection of expired studies."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.privacy.tables import installation
from pneumoscope.clinic.queue.tasks import has_waiting_image
from pneumoscope.clinic.storage.tables import Image, Judgement, StoredReading, Study


class Retained(StrEnum):
    """Data with a retention period: the files alone, or all identifying data of a study."""

    PIXELS = "pixels"
    STUDY = "study"


@dataclass(frozen=True, slots=True)
class Retention:
    """Retention periods in days since the last change of a study; None for ever."""

    pixels_days: int | None = None
    """Period after which files and heat maps are purged."""
    studies_days: int | None = None
    """Period after which these and all identifying data are purged: patient, accession number,
    UIDs, file names and free text."""

    def cutoff(self, retained: Retained, now: datetime) -> datetime | None:
        """Return the time before which unchanged studies are expired; None if they never expire.

        Examples
        --------
        >>> Retention(studies_days=30).cutoff(Retained.STUDY, datetime(2026, 12, 1))
        datetime.datetime(2026, 11, 1, 0, 0)
        """
        days = self.pixels_days if retained is Retained.PIXELS else self.studies_days
        return None if days is None else now - timedelta(days=days)


def current_retention(session: Session) -> Retention:
    """Return the retention periods that are set; by default, everything is kept for ever.

    The session must be in a write transaction, which `installation` needs.

    Examples
    --------
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> with database.writing() as session:
    ...     set_retention(session, Retention(pixels_days=365))
    ...     print(current_retention(session))
    Retention(pixels_days=365, studies_days=None)
    """
    row = installation(session)
    return Retention(row.pixels_days, row.studies_days)


def set_retention(session: Session, retention: Retention) -> None:
    """Set the retention periods."""
    row = installation(session)
    row.pixels_days, row.studies_days = retention.pixels_days, retention.studies_days


def is_expired(retained: Retained, cutoff: datetime) -> list[ColumnElement[bool]]:
    """Return the SQL conditions of studies to purge.

    None of their images may wait to be read, or have been read or judged since the cutoff.
    """
    of_study = Image.study_id == Study.id
    unpurged = select(Image.id).where(of_study, Image.purged.is_(None))
    return [
        Study.purged.is_(None),
        Study.received < cutoff,
        *(
            ~select(table.image_id).join(Image).where(of_study, table.created >= cutoff).exists()
            for table in (StoredReading, Judgement)
        ),
        ~has_waiting_image(),
        *([unpurged.exists()] if retained is Retained.PIXELS else []),
    ]
