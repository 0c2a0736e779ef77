"""Settings of the hospital's single sign-on (OpenID Connect)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from authlib.common.security import is_secure_transport

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.support.errors import ClinicError

OIDC_SECRET_VARIABLE = "PNEUMOSCOPE_OIDC_SECRET"
"""Environment variable that holds the client secret if no file does."""


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Connection to an identity provider, and the mapping of its claims to roles."""

    issuer: str
    """Issuer URL of the identity provider, exactly as in its discovery document."""
    client_id: str
    client_secret: str = field(repr=False)
    """Credentials of this clinic at the identity provider."""
    address: str
    """URL at which browsers reach this clinic."""
    claim: str
    """Claim of the ID token that decides the role: a string or a list of strings."""
    roles: tuple[tuple[str, Role], ...]
    """Pairs of claim value and role, in order of precedence: the first value held decides."""

    @classmethod
    def from_options(
        cls,
        issuer: str | None,
        client_id: str | None,
        secret_file: Path | None,
        address: str | None,
        claim: str,
        roles: Sequence[str],
    ) -> "OidcSettings | None":
        """Build the settings from command-line options; None if single sign-on is not configured.

        Each of the roles is written VALUE=ROLE. Without a file, the secret is read from the
        environment variable.

        Raises
        ------
        ClinicError
            If an option is missing or malformed, the secret cannot be read, or a URL is not
            https:// (http:// is allowed on this host).

        Examples
        --------
        >>> secret = getfixture("tmp_path") / "secret"
        >>> _ = secret.write_text("s3cret")
        >>> issuer, clinic = "https://login.example", "https://clinic.example"
        >>> OidcSettings.from_options(
        ...     issuer, "pneumoscope", secret, clinic, "groups", ["doctors=clinician"]
        ... ).roles
        (('doctors', <Role.CLINICIAN: 'clinician'>),)
        """
        if not (issuer or client_id or secret_file or address or roles):
            return None
        if not (issuer and client_id and address and roles):
            raise ClinicError(
                "single sign-on needs all of --oidc-issuer, --oidc-client, --oidc-role and "
                "--address; give those that are missing"
            )
        for option, url in (("--oidc-issuer", issuer), ("--address", address)):
            if not is_secure_transport(url):
                raise ClinicError(f"{option} {url} is not secure; give an https:// address")
        mappings = tuple(_parse_role_mapping(mapping) for mapping in roles)
        secret = _read_secret(secret_file)
        return cls(issuer, client_id, secret, address.rstrip("/"), claim, mappings)


def _parse_role_mapping(mapping: str) -> tuple[str, Role]:
    value, _, role = mapping.rpartition("=")
    if not value or role not in set(Role) - {Role.SERVICE}:
        raise ClinicError(
            f"--oidc-role {mapping} is not VALUE=ROLE; ROLE must be clinician, reviewer or "
            "administrator"
        )
    return value, Role(role)


def _read_secret(file: Path | None) -> str:
    try:
        secret = (
            os.environ.get(OIDC_SECRET_VARIABLE, "") if file is None else file.read_text("utf-8")
        )
    except (OSError, UnicodeDecodeError) as error:
        raise ClinicError(
            f"{file}: cannot read the client secret; check that --oidc-secret-file names a "
            "readable UTF-8 text file"
        ) from error
    if not secret.strip():
        raise ClinicError(
            "no client secret; put it into a file and give --oidc-secret-file, or set the "
            f"environment variable {OIDC_SECRET_VARIABLE}"
        )
    return secret.strip()
