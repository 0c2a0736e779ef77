"""OpenID Connect: what the hospital's single sign-on says of who signs in.

The authorization code flow with PKCE, state and nonce, by Authlib; signatures by joserfc.
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
from pneumoscope.clinic.settings import SignOn
from pneumoscope.support.errors import ClinicError

CALLBACK = "/v1/oidc/callback"
"""Where the single sign-on sends browsers back to; it must know this address."""

_ALGORITHMS = [kind + size for kind in ("RS", "PS", "ES") for size in ("256", "384", "512")]
"""Those with a public key: neither ``none``, nor one that signs with a key that all know."""

_KEPT_FOR = 600.0
"""Seconds that the issuer's documents are kept: a key that it gives up holds no longer here."""

_PATIENCE = 10.0
"""Seconds for an answer of the issuer's."""

_LEEWAY = 60
"""Seconds that its clock may differ from ours."""

log = logging.getLogger(__name__)


class IssuerError(ClinicError):
    """The single sign-on cannot be reached, or what it says cannot be trusted."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who has signed in there; ``role`` is None where nothing that is said of them tells one."""

    subject: str
    name: str
    role: Role | None


@dataclass(frozen=True, slots=True)
class _Issuer:
    """What the issuer says of itself."""

    authorization: str
    token: str
    keys: KeySet
    authentication: str
    fetched: float


class Provider:
    """The hospital's single sign-on.

    Parameters
    ----------
    settings
        Where it is, and as what it knows this clinic.

    References
    ----------
    OpenID Connect Core 1.0 and Discovery 1.0, 2014, errata 2 of 2023; RFC 7636, Proof Key for Code
    Exchange, 2015; RFC 9700, Best Current Practice for OAuth 2.0 Security, 2025.
    """

    def __init__(self, settings: SignOn) -> None:
        self._settings = settings
        self._known: _Issuer | None = None

    @property
    def issuer(self) -> str:
        """Its address, by which what it says of people is told from what others say."""
        return self._settings.issuer

    def authorization_url(self, state: str, nonce: str, verifier: str) -> str:
        """Return where a browser is to be sent to.

        Raises
        ------
        IssuerError
            If the issuer cannot be reached, or is another one.
        """
        issuer = self._issuer()
        with self._client(issuer) as client:
            url, _ = client.create_authorization_url(
                issuer.authorization, state=state, code_verifier=verifier, nonce=nonce
            )
        return str(url)

    def person(self, code: str, nonce: str, verifier: str) -> Person:
        """Return who has signed in, by the code that their browser came back with.

        Raises
        ------
        IssuerError
            If the issuer does not take the code, or its ID token is not in order.
        """
        try:
            with self._client(self._issuer()) as client:
                answer = client.fetch_token(
                    client.metadata["token_endpoint"], code=code, code_verifier=verifier
                )
            claims = self._claims(answer, nonce)
        except (OAuthError, HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            log.warning("single sign-on: %s", type(error).__name__)
            raise IssuerError(
                "the single sign-on did not say who you are in a way that can be trusted; sign in "
                "again, and if that does not help, ask those who keep it"
            ) from error
        return self._person(claims)

    def _person(self, claims: Mapping[str, Any]) -> Person:
        said = claims.get(self._settings.claim)
        held = said if isinstance(said, list) else [said]
        role = next((role for value, role in self._settings.roles if value in held), None)
        subject = str(claims["sub"])
        return Person(subject, str(claims.get("preferred_username") or subject), role)

    def _claims(self, answer: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        token = answer["id_token"]
        try:
            decoded = self._decoded(token, self._issuer().keys)
        except (InvalidKeyIdError, BadSignatureError):  # there may be new keys
            decoded = self._decoded(token, self._issuer(anew=True).keys)
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
                "access_token": answer.get("access_token"),
            },
        )
        claims.validate(leeway=_LEEWAY)
        return dict(claims)

    def _decoded(self, token: str, keys: KeySet) -> jwt.Token:
        return jwt.decode(
            token, keys, registry=JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
        )

    def _issuer(self, *, anew: bool = False) -> _Issuer:
        known = self._known
        if known is None or anew or time.monotonic() > known.fetched + _KEPT_FOR:
            try:
                known = self._known = self._fetched()
            except (HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
                log.warning("single sign-on: %s", type(error).__name__)
                raise IssuerError(
                    "the single sign-on cannot be reached, or does not say what it should; try "
                    "again, and if that does not help, ask those who keep it"
                ) from error
        return known

    def _fetched(self) -> _Issuer:
        with OAuth2Client(timeout=_PATIENCE) as client:
            said = _document(client, get_well_known_url(self._settings.issuer, external=True))
            if said["issuer"] != self._settings.issuer:
                raise ValueError("another issuer")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not is_secure_transport(said[name]):
                    raise ValueError("an address that is not safe")
            keys = KeySet.import_key_set(_document(client, said["jwks_uri"]))
        # In the body where that may be: in a header letters beyond ASCII are read in several ways.
        post = "client_secret_post"
        methods = said.get("token_endpoint_auth_methods_supported", [])
        authentication = post if post in methods else "client_secret_basic"
        return _Issuer(
            said["authorization_endpoint"],
            said["token_endpoint"],
            keys,
            authentication,
            time.monotonic(),
        )

    def _client(self, issuer: _Issuer) -> OAuth2Client:
        return OAuth2Client(
            self._settings.client_id,
            self._settings.client_secret,
            token_endpoint_auth_method=issuer.authentication,
            token_endpoint=issuer.token,
            scope="openid profile",
            redirect_uri=self._settings.address + CALLBACK,
            code_challenge_method="S256",
            timeout=_PATIENCE,
        )


def _document(client: OAuth2Client, url: str) -> Any:
    answer = client.request("GET", url, withhold_token=True)
    if answer.status_code != HTTPStatus.OK:
        raise ValueError("no such document")
    return answer.json()
