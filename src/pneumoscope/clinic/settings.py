"""Settings of a clinic's server, and the resources that its parts share."""

from dataclasses import dataclass
from pathlib import Path

from pneumoscope.clinic.identity.oidc_settings import OidcSettings
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.secret_box import SecretBox
from pneumoscope.reader import AUTO, Bundle, find_bundle, shipped_bundles
from pneumoscope.support.errors import ClinicError


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that the operator chooses."""

    data: Path
    """Folder for files, keys and, by default, the database."""
    database: str | None = None
    """SQLAlchemy URL of the database; None for a SQLite file in ``data``."""
    bundle: str = AUTO
    """Name or folder of the bundle that reads; ``auto`` for the choice by the patient's age."""
    operating_point: str = "screening"
    """Name of the operating point at which findings are made."""
    abstain: bool = False
    """Whether images within the uncertain band get no finding but ``uncertain``."""
    max_request_bytes: int = 500_000_000
    """Largest size of a request."""
    oidc: OidcSettings | None = None
    """Settings of the single sign-on; None if users sign in with passwords only."""
    require_second_factor: bool = False
    """Whether administrators need a second factor in browsers, unless they use the single
    sign-on."""

    @property
    def database_url(self) -> str:
        """URL of the database, with the default filled in."""
        return self.database or f"sqlite:///{self.data.absolute() / 'clinic.db'}"


@dataclass(frozen=True, slots=True)
class Clinic:
    """Resources that the parts of a server share."""

    settings: Settings
    bundles: tuple[Bundle, ...]
    """Bundles that may read a radiograph; several where the patient's age decides."""
    database: Database
    store: FileStore
    secret_box: SecretBox

    @classmethod
    def open(cls, settings: Settings) -> "Clinic":
        """Open a clinic's data; at the first start, create them.

        Raises
        ------
        ClinicError
            If the folder or the database cannot be used, or a bundle lacks the operating point.
        BundleError
            If a bundle is missing or damaged.
        """
        names = shipped_bundles() if settings.bundle == AUTO else [settings.bundle]
        bundles = tuple(Bundle.open(find_bundle(name)) for name in names)
        for bundle in bundles:
            points = bundle.record.operating_points
            if settings.operating_point not in points:
                raise ClinicError(
                    f"--at {settings.operating_point}: the bundle {bundle.identity} has no such "
                    f"operating point; choose one of {', '.join(points)}"
                )
        try:
            settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ClinicError(
                f"{settings.data}: cannot create the data folder ({error.strerror}); give a "
                "writable folder as --data"
            ) from error
        return cls(
            settings,
            bundles,
            Database(settings.database_url),
            FileStore(settings.data / "files"),
            SecretBox(settings.data / "key"),
        )

    def close(self) -> None:
        """Close the database."""
        self.database.close()
