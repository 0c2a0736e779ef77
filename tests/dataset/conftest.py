"""Server on this host that offers files by path, and imitates Kaggle."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import pytest

from pneumoscope.support import download


@dataclass
class Site:
    """Files that the server offers by path, and its behaviour as Kaggle."""

    files: dict[str, bytes] = field(default_factory=dict)
    kaggle_status: int = 200
    most: int | None = None
    digest: bytes | None = None
    address: str = ""
    sent: int = 0
    ranges: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self):
        self.serve(self.site.files.get(self.path))

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.site.kaggle_status != 200:
            self.reply(self.site.kaggle_status, b"", {})
        elif self.path.endswith("/GetDataset"):
            answer = json.dumps({"currentVersionNumber": 2}).encode()
            self.reply(200, answer, {"Content-Type": "application/json"})
        else:
            self.send_response(302)
            self.send_header("Location", "http://localhost/archive.zip")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def serve(self, body: bytes | None):
        if body is None:
            return self.reply(404, b"", {})
        headers = {"Accept-Ranges": "bytes", "ETag": '"one"', "Content-Type": "application/zip"}
        if self.site.digest:
            headers["x-goog-hash"] = "md5=" + base64.b64encode(self.site.digest).decode()
        asked = self.headers.get("Range", "bytes=0-")
        self.site.ranges.append(asked)
        first = int(asked.removeprefix("bytes=").removesuffix("-"))
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
        return self.reply(206 if first else 200, body[first:], headers)

    def reply(self, status: int, body: bytes, headers: dict[str, str]):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.site.most])
        self.site.sent += len(body[: self.site.most])

    def log_message(self, *_):
        pass


@pytest.fixture
def site(start_server: Callable[[type], str]) -> Site:
    site = Site()
    site.address = start_server(type("SiteHandler", (Handler,), {"site": site}))
    return site


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "_RETRY_SECONDS", (0.01, 0.01, 0.01))
