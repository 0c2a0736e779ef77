"""What a clinic's server is started with, and what its parts share."""

from dataclasses import dataclass
from pathlib import Path

from pneumoscope.clinic.database import Database
from pneumoscope.clinic.store import FileStore
from pneumoscope.errors import ClinicError
from pneumoscope.reader import Bundle, find_bundle


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person decides.

    Parameters
    ----------
    data
        Folder that holds everything but a database elsewhere.
    database
        URL of SQLAlchemy; None for a file of SQLite in ``data``.
    bundle
        Name or folder of the bundle to read with.
    operating_point
        At which findings are made.
    most_bytes
        Of one request: larger ones are refused before they are kept.
    """

    data: Path
    database: str | None = None
    bundle: str = "default"
    operating_point: str = "screening"
    most_bytes: int = 500_000_000

    @property
    def database_url(self) -> str:
        """The database, wherever it is."""
        return self.database or f"sqlite:///{self.data.absolute() / 'clinic.db'}"


@dataclass(frozen=True, slots=True)
class Clinic:
    """What the parts of a server share: its settings, its bundle, its database and its files."""

    settings: Settings
    bundle: Bundle
    database: Database
    store: FileStore

    @classmethod
    def open(cls, settings: Settings) -> "Clinic":
        """Open a clinic's data, made at the first time.

        Raises
        ------
        ClinicError
            If the folder or the database cannot be used, or the bundle has no such operating point.
        BundleError
            If the bundle is missing or damaged.
        """
        bundle = Bundle.open(find_bundle(settings.bundle))
        points = bundle.record.operating_points
        if settings.operating_point not in points:
            raise ClinicError(
                f"--at {settings.operating_point}: the bundle has no such operating point; choose "
                f"{', '.join(points)}"
            )
        try:
            settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ClinicError(
                f"{settings.data}: cannot be made ({error.strerror}); name a folder that may be "
                "written to"
            ) from error
        database = Database(settings.database_url)
        return cls(settings, bundle, database, FileStore(settings.data / "files"))

    def close(self) -> None:
        """Close the database."""
        self.database.close()
