"""OpenID Connect issuer for tests, over HTTP and with real signatures.

It follows the specifications (codes work once, for the client, redirect URI and verifier of their
request), with the standard library and joserfc, and can be made to break them.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey

CLIENT, SECRET = "pneumoscope", "s3cret-of-the-clinic"
ODD_SECRET = "s3cret: with ÿ & %20+"

Claims = dict[str, Any]


@cache
def rsa_key(kid: str, number: int = 0) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


def ec_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})


class Issuer:
    """Issuer with one user: ``person`` has the claims, ``sign`` makes the ID token."""

    def __init__(self) -> None:
        self.keys: list[Key] = [rsa_key("first")]
        self.person: Claims = {"sub": "f1d2", "preferred_username": "Ada", "groups": ["doctors"]}
        self.sign: Callable[[Claims], str] = self.signed
        self.refuses = False
        self.secret = SECRET
        self.has_page = False
        """Whether to show a page that forwards the browser, as real issuers do."""
        self.fetched: list[str] = []
        """Requested paths."""
        self.discovery: Claims = {}
        """Changes of the discovery document."""
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}/staff"

    def signed(self, claims: Claims) -> str:
        """Sign with the newest key."""
        key = self.keys[-1]
        return jwt.encode({"alg": key.alg or "", "kid": key.kid}, claims, key)

    @contextmanager
    def running(self) -> Iterator["Issuer"]:
        thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.stop()
            thread.join()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def document(self) -> Claims:
        endpoints = {"authorization_endpoint": "authorize", "token_endpoint": "token"}
        return {
            "issuer": self.url,
            **{name: f"{self.url}/{place}" for name, place in endpoints.items()},
            "jwks_uri": f"{self.url}/keys",
            # An issuer may support more than this clinic accepts.
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        } | self.discovery

    def jwks(self) -> Claims:
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    def authorize(self, query: dict[str, str]) -> str:
        """Return the URL that the browser is redirected to."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert "openid" in query["scope"].split()
        assert query["code_challenge_method"] == "S256"
        parameters = {"state": query["state"]}
        if self.refuses:
            parameters |= {"error": "access_denied", "error_description": "<b>no</b>"}
        else:
            parameters["code"] = token_urlsafe()
            self._codes[parameters["code"]] = query
        return f"{query['redirect_uri']}?{urlencode(parameters)}"

    def token(self, authorization: str | None, form: dict[str, str]) -> Claims | None:
        """Return the response to a code, which works once; None if the request is invalid."""
        query = self._codes.pop(form["code"], None)
        if authorization is not None:
            basic = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":", 1)
            client = [unquote_plus(part) for part in basic]
        else:
            client = [form["client_id"], form["client_secret"]]
        if client != [CLIENT, self.secret]:
            return None
        if query is None or query["redirect_uri"] != form["redirect_uri"]:
            return None
        challenge = sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() != query["code_challenge"]:
            return None
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300}
        claims |= {"nonce": query["nonce"]} | self.person
        response = {"access_token": token_urlsafe(), "token_type": "Bearer"}
        return response | {"id_token": self.sign(claims)}


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            path = url.path.removeprefix("/staff")
            issuer.fetched.append(path)
            if path == "/authorize" and issuer.has_page:
                target = escape(issuer.authorize(_flat(url.query)))
                icon = '<link rel="icon" href="data:,">'  # otherwise browsers request one
                refresh = f'<meta http-equiv="refresh" content="0;url={target}">'
                self._send(200, icon + refresh, "text/html")
            elif path == "/authorize":
                self.send_response(302)
                self.send_header("Location", issuer.authorize(_flat(url.query)))
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif path == "/keys":
                self._send_json(200, issuer.jwks())
            elif path == "/.well-known/openid-configuration":
                self._send_json(200, issuer.document())
            else:
                self._send_json(404, {})

        def do_POST(self) -> None:
            form = _flat(self.rfile.read(int(self.headers["Content-Length"])).decode())
            response = issuer.token(self.headers.get("Authorization"), form)
            if response is None:
                self._send_json(400, {"error": "invalid_grant"})
            else:
                self._send_json(200, response)

        def _send_json(self, status: int, content: Claims) -> None:
            self._send(status, json.dumps(content), "application/json")

        def _send(self, status: int, content: str, media_type: str) -> None:
            body = content.encode()
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    return Handler


def _flat(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
