"""A small OpenID Connect issuer of our own, over HTTP and with real signatures.

It keeps what the specifications ask of one (codes that work once, for the client, address and
verifier that they were asked for with), by the standard library and joserfc, and lies on demand.
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

CLIENT, SECRET = "pneumoscope", "s3cret-of-the-ward"
ODD_SECRET = "s3cret: with ÿ & %20+"

Claims = dict[str, Any]


@cache
def rsa_key(kid: str, number: int = 0) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


def ec_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})


class Issuer:
    """Somebody is signed in there, whose claims are ``person``; ``sign`` makes their ID token."""

    def __init__(self) -> None:
        self.keys: list[Key] = [rsa_key("first")]
        self.person: Claims = {"sub": "f1d2", "preferred_username": "Ada", "groups": ["doctors"]}
        self.sign: Callable[[Claims], str] = self.signed
        self.refuses = False
        self.secret = SECRET
        self.has_page = False
        """Whether it shows a page, from which people go on, as all do but those of tests."""
        self.fetched: list[str] = []
        """Paths that were asked for."""
        self.discovery: Claims = {}
        """What it says of itself otherwise."""
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}/staff"

    def signed(self, claims: Claims) -> str:
        """Sign with the newest key, as an issuer does."""
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
            # An issuer may support more than this clinic takes.
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        } | self.discovery

    def jwks(self) -> Claims:
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Return where the browser goes back to."""
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        back = {"state": asked["state"]}
        if self.refuses:
            back |= {"error": "access_denied", "error_description": "<b>no</b>"}
        else:
            back["code"] = token_urlsafe()
            self._codes[back["code"]] = asked
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def token(self, authorization: str | None, sent: dict[str, str]) -> Claims | None:
        """Return the answer to a code, or None if it is not in order; a code works once."""
        known = self._codes.pop(sent["code"], None)
        if authorization is not None:
            basic = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":", 1)
            who = [unquote_plus(part) for part in basic]
        else:
            who = [sent["client_id"], sent["client_secret"]]
        if who != [CLIENT, self.secret]:
            return None
        if known is None or known["redirect_uri"] != sent["redirect_uri"]:
            return None
        hashed = sha256(sent["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(hashed).rstrip(b"=").decode() != known["code_challenge"]:
            return None
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300}
        claims |= {"nonce": known["nonce"]} | self.person
        answer = {"access_token": token_urlsafe(), "token_type": "Bearer"}
        return answer | {"id_token": self.sign(claims)}


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            path = url.path.removeprefix("/staff")
            issuer.fetched.append(path)
            if path == "/authorize" and issuer.has_page:
                back = escape(issuer.authorize(_flat(url.query)))
                icon = '<link rel="icon" href="data:,">'  # else browsers ask for one
                refresh = f'<meta http-equiv="refresh" content="0;url={back}">'
                self._send(200, icon + refresh, "text/html")
            elif path == "/authorize":
                self.send_response(302)
                self.send_header("Location", issuer.authorize(_flat(url.query)))
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif path == "/keys":
                self._answer(200, issuer.jwks())
            elif path == "/.well-known/openid-configuration":
                self._answer(200, issuer.document())
            else:
                self._answer(404, {})

        def do_POST(self) -> None:
            sent = _flat(self.rfile.read(int(self.headers["Content-Length"])).decode())
            answer = issuer.token(self.headers.get("Authorization"), sent)
            if answer is None:
                self._answer(400, {"error": "invalid_grant"})
            else:
                self._answer(200, answer)

        def _answer(self, status: int, content: Claims) -> None:
            self._send(status, json.dumps(content), "application/json")

        def _send(self, status: int, content: str, kind: str) -> None:
            body = content.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    return Handler


def _flat(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
