"""How long studies are kept, and which have been kept long enough."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.privacy.tables import installation
from pneumoscope.clinic.storage.tables import Image, Judgement, StoredReading, Study, Task


class What(StrEnum):
    """What is purged: the files alone, or all that says whose a study is as well."""

    PIXELS = "pixels"
    STUDY = "study"


@dataclass(frozen=True, slots=True)
class Retention:
    """After how many days without a change something is purged; None for never.

    Parameters
    ----------
    pixels_days
        Files and heat maps.
    studies_days
        These, and patient, accession number, UIDs, names of files and free text.
    """

    pixels_days: int | None = None
    studies_days: int | None = None

    def before(self, what: What, now: datetime) -> datetime | None:
        """Return since when a study must not have changed to be purged; None if none is.

        Examples
        --------
        >>> Retention(studies_days=30).before(What.STUDY, datetime(2026, 12, 1))
        datetime.datetime(2026, 11, 1, 0, 0)
        """
        days = self.pixels_days if what is What.PIXELS else self.studies_days
        return None if days is None else now - timedelta(days=days)


def retention(session: Session) -> Retention:
    """Return what an administrator decided; at first everything is kept for ever.

    Parameters
    ----------
    session
        In a transaction that writes.

    Examples
    --------
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> with database.writing() as session:
    ...     keep_for(session, Retention(pixels_days=365))
    ...     print(retention(session))
    Retention(pixels_days=365, studies_days=None)
    """
    found = installation(session)
    return Retention(found.pixels_days, found.studies_days)


def keep_for(session: Session, wanted: Retention) -> None:
    """Decide how long studies are kept from now on."""
    found = installation(session)
    found.pixels_days, found.studies_days = wanted.pixels_days, wanted.studies_days


def due(what: What, before: datetime) -> list[ColumnElement[bool]]:
    """Return what holds of studies that are to be purged.

    None of their images may wait to be read, nor may one have been read or judged since.

    Parameters
    ----------
    what
        Is to be purged.
    before
        The moment.
    """
    of_study = Image.study_id == Study.id
    kept = select(Image.id).where(of_study, Image.purged.is_(None))
    return [
        Study.purged.is_(None),
        Study.received < before,
        *(
            ~select(table.image_id).join(Image).where(of_study, table.created >= before).exists()
            for table in (StoredReading, Judgement)
        ),
        ~waiting(),
        *([kept.exists()] if what is What.PIXELS else []),
    ]


def waiting() -> ColumnElement[bool]:
    """Return whether an image of a study still waits to be read."""
    return select(Task.image_id).join(Image).where(Image.study_id == Study.id).exists()
