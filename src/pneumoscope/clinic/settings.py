"""What a clinic's server is started with, and what its parts share."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from authlib.common.security import is_secure_transport

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.secret_box import SecretBox
from pneumoscope.reader import Bundle, find_bundle
from pneumoscope.support.errors import ClinicError

SECRET_VARIABLE = "PNEUMOSCOPE_OIDC_SECRET"
"""The environment's variable with the client secret, where no file has it."""


@dataclass(frozen=True, slots=True)
class SignOn:
    """The hospital's single sign-on, by OpenID Connect.

    Parameters
    ----------
    issuer
        Its address, as its own discovery document has it.
    client_id, client_secret
        That it knows this clinic by.
    address
        Of this clinic, as browsers reach it.
    claim
        Of the ID token: a text, or a list of them, that tells the role.
    roles
        What the claim has to hold for which role; the first that it holds counts.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    address: str
    claim: str
    roles: tuple[tuple[str, Role], ...]

    @classmethod
    def given(
        cls,
        issuer: str | None,
        client_id: str | None,
        secret_file: Path | None,
        address: str | None,
        claim: str,
        roles: Sequence[str],
    ) -> "SignOn | None":
        """Put together what a person gave, each of ``roles`` as VALUE=ROLE; None if it is nothing.

        Raises
        ------
        ClinicError
            If something is missing, or addresses are not safe to use.

        Examples
        --------
        >>> secret = getfixture("tmp_path") / "secret"
        >>> _ = secret.write_text("s3cret")
        >>> issuer, clinic = "https://login.example", "https://clinic.example"
        >>> given = SignOn.given(issuer, "us", secret, clinic, "groups", ["doctors=clinician"])
        >>> given.roles
        (('doctors', <Role.CLINICIAN: 'clinician'>),)
        """
        if not (issuer or client_id or secret_file or address or roles):
            return None
        if not (issuer and client_id and address and roles):
            raise ClinicError(
                "single sign-on is not complete; give --oidc-issuer, --oidc-client, --oidc-role "
                "and --address"
            )
        for name, url in (("--oidc-issuer", issuer), ("--address", address)):
            if not is_secure_transport(url):
                raise ClinicError(f"{name} {url}: is not safe; give an address of https://")
        mapped = tuple(_mapped(one) for one in roles)
        return cls(issuer, client_id, _secret(secret_file), address.rstrip("/"), claim, mapped)


def _mapped(given: str) -> tuple[str, Role]:
    value, _, role = given.rpartition("=")
    if not value or role not in set(Role) - {Role.SERVICE}:
        raise ClinicError(
            f"--oidc-role {given}: is not VALUE=ROLE; the role is clinician, reviewer or "
            "administrator"
        )
    return value, Role(role)


def _secret(file: Path | None) -> str:
    try:
        secret = os.environ.get(SECRET_VARIABLE, "") if file is None else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ClinicError(f"{file}: the client secret cannot be read from it; see to it") from error
    if not secret.strip():
        raise ClinicError(
            f"there is no client secret; put it into a file and give --oidc-secret-file, or into "
            f"the environment's {SECRET_VARIABLE}"
        )
    return secret.strip()


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
    sign_on
        The hospital's single sign-on; None if people sign in with passwords alone.
    second_factor
        Whether who administers in a browser must have one, or come by the single sign-on.
    """

    data: Path
    database: str | None = None
    bundle: str = "default"
    operating_point: str = "screening"
    most_bytes: int = 500_000_000
    sign_on: SignOn | None = None
    second_factor: bool = False

    @property
    def database_url(self) -> str:
        """The database, wherever it is."""
        return self.database or f"sqlite:///{self.data.absolute() / 'clinic.db'}"


@dataclass(frozen=True, slots=True)
class Clinic:
    """What the parts of a server share: settings, bundle, database, files, and the key."""

    settings: Settings
    bundle: Bundle
    database: Database
    store: FileStore
    vault: SecretBox

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
        store, vault = FileStore(settings.data / "files"), SecretBox(settings.data / "key")
        return cls(settings, bundle, database, store, vault)

    def close(self) -> None:
        """Close the database."""
        self.database.close()
