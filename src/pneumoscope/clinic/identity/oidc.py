"""OpenID Connect client for the hospital's single sign-on.

It uses the authorization code flow with PKCE, state and nonce (Authlib); joserfc verifies the
signatures.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from authlib.common.security import is_secure_transport
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from httpx2 import HTTPError
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.identity.oidc_settings import OidcSettings
from pneumoscope.support.errors import ClinicError

CALLBACK_PATH = "/v1/oidc/callback"
"""Path of the redirect URI, which must be registered with the identity provider."""

_ALGORITHMS = [kind + size for kind in ("RS", "PS", "ES") for size in ("256", "384", "512")]
"""Public-key signature algorithms only: neither ``none`` nor HMAC with a shared secret."""

_METADATA_SECONDS = 600.0
"""Time for which the issuer's metadata and keys are cached, and so a withdrawn key is accepted."""

_TIMEOUT_SECONDS = 10.0
"""Timeout of requests to the issuer."""

_LEEWAY_SECONDS = 60
"""Tolerated difference between the issuer's clock and this host's."""

log = logging.getLogger(__name__)


class IssuerError(ClinicError):
    """Identity provider that cannot be reached, or whose answer cannot be trusted."""


@dataclass(frozen=True, slots=True)
class ExternalUser:
    """User authenticated by the identity provider."""

    subject: str
    """Identifier at the issuer, which never changes."""
    name: str
    """Name to show, which may change."""
    role: Role | None
    """Role that the claim maps to; None if it maps to none."""


@dataclass(frozen=True, slots=True)
class _Metadata:
    """Metadata of the issuer, from its discovery document."""

    authorization_url: str
    token_url: str
    keys: KeySet
    client_authentication: str
    fetched: float


class Provider:
    """OpenID Provider: the hospital's single sign-on.

    References
    ----------
    OpenID Connect Core 1.0 and Discovery 1.0, 2014, errata 2 of 2023; RFC 7636, Proof Key for Code
    Exchange, 2015; RFC 9700, Best Current Practice for OAuth 2.0 Security, 2025.
    """

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._cached: _Metadata | None = None

    @property
    def issuer(self) -> str:
        """Issuer URL, which distinguishes its users from those of other issuers."""
        return self._settings.issuer

    def authorization_url(self, state: str, nonce: str, verifier: str) -> str:
        """Return the URL to which a browser is redirected to sign in.

        Raises
        ------
        IssuerError
            If the issuer's metadata cannot be fetched or are invalid.
        """
        metadata = self._metadata()
        with self._client(metadata) as client:
            url, _ = client.create_authorization_url(
                metadata.authorization_url, state=state, code_verifier=verifier, nonce=nonce
            )
        return str(url)

    def fetch_user(self, code: str, nonce: str, verifier: str) -> ExternalUser:
        """Exchange an authorization code for the ID token and return its user.

        Raises
        ------
        IssuerError
            If the issuer rejects the code, or its ID token is invalid.
        """
        try:
            metadata = self._metadata()
            with self._client(metadata) as client:
                response = client.fetch_token(metadata.token_url, code=code, code_verifier=verifier)
            claims = self._verify_claims(response, nonce)
        except (OAuthError, HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            log.warning("single sign-on failed: %s", type(error).__name__)
            raise IssuerError(
                "the single sign-on gave no valid proof of who you are; sign in again, and if "
                "that does not help, ask its administrators"
            ) from error
        return self._user_of_claims(claims)

    def _user_of_claims(self, claims: Mapping[str, Any]) -> ExternalUser:
        claim = claims.get(self._settings.claim)
        values = claim if isinstance(claim, list) else [claim]
        role = next((role for value, role in self._settings.roles if value in values), None)
        subject = str(claims["sub"])
        return ExternalUser(subject, str(claims.get("preferred_username") or subject), role)

    def _verify_claims(self, response: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        token = response["id_token"]
        try:
            decoded = self._decode(token, self._metadata().keys)
        except (InvalidKeyIdError, BadSignatureError):  # the issuer may have new keys
            decoded = self._decode(token, self._metadata(refresh=True).keys)
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            {
                "iss": {"essential": True, "value": self._settings.issuer},
                "aud": {"essential": True, "value": self._settings.client_id},
            },
            {
                "nonce": nonce,
                "client_id": self._settings.client_id,
                "access_token": response.get("access_token"),
            },
        )
        claims.validate(leeway=_LEEWAY_SECONDS)
        return dict(claims)

    def _decode(self, token: str, keys: KeySet) -> jwt.Token:
        return jwt.decode(
            token, keys, registry=JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
        )

    def _metadata(self, *, refresh: bool = False) -> _Metadata:
        metadata = self._cached
        if metadata is None or refresh or time.monotonic() > metadata.fetched + _METADATA_SECONDS:
            try:
                metadata = self._cached = self._fetch_metadata()
            except (HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
                log.warning("cannot fetch the single sign-on's metadata: %s", type(error).__name__)
                raise IssuerError(
                    "the single sign-on cannot be reached, or its configuration is invalid; try "
                    "again, and if that does not help, ask its administrators"
                ) from error
        return metadata

    def _fetch_metadata(self) -> _Metadata:
        with OAuth2Client(timeout=_TIMEOUT_SECONDS) as client:
            document = _fetch_json(client, get_well_known_url(self._settings.issuer, external=True))
            if document["issuer"] != self._settings.issuer:
                raise ValueError("the document is of another issuer")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not is_secure_transport(document[name]):
                    raise ValueError(f"{name} is not an https:// address")
            keys = KeySet.import_key_set(_fetch_json(client, document["jwks_uri"]))
        # In the body if possible: implementations disagree on non-ASCII characters in the header.
        post = "client_secret_post"
        methods = document.get("token_endpoint_auth_methods_supported", [])
        return _Metadata(
            document["authorization_endpoint"],
            document["token_endpoint"],
            keys,
            post if post in methods else "client_secret_basic",
            time.monotonic(),
        )

    def _client(self, metadata: _Metadata) -> OAuth2Client:
        return OAuth2Client(
            self._settings.client_id,
            self._settings.client_secret,
            token_endpoint_auth_method=metadata.client_authentication,
            scope="openid profile",
            redirect_uri=self._settings.address + CALLBACK_PATH,
            code_challenge_method="S256",
            timeout=_TIMEOUT_SECONDS,
        )


def _fetch_json(client: OAuth2Client, url: str) -> Any:
    response = client.request("GET", url, withhold_token=True)
    if response.status_code != HTTPStatus.OK:
        raise ValueError(f"the issuer answers with status {response.status_code}")
    return response.json()
