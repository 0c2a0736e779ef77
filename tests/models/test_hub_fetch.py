"""Download of networks from a simulated hub."""

import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from pneumoscope.models.hub import load_pretrained, read_structure

COLOURS = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FETCH = """
import socket
import sys
from pneumoscope.models.hub import load_pretrained
from pneumoscope.support.errors import WeightsError
from huggingface_hub import constants
def fetch(name):
    try:
        pretrained = load_pretrained(name)
    except WeightsError as error:
        return print(error)
    print(pretrained.origin, pretrained.digest, pretrained.structure["mean"], sep="|")
for name in sys.argv[1:]:
    fetch(name)
constants.HF_HUB_OFFLINE = True  # as the environment variable of this name sets it
def refuse(*_):
    raise OSError("nothing is asked of the network")
socket.socket.connect = refuse
fetch(sys.argv[1])
"""


@pytest.fixture
def hub(checkpoint: Path) -> tuple[type[BaseHTTPRequestHandler], list[str]]:
    """Return the handler of a simulated hub with one network, and the requests to it."""
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            asked.append(f"{self.command} {self.path}")
            for revision in ("main", "v1", COMMIT):
                name = self.path.partition(f"/lung/tiny/resolve/{revision}/")[2]
                file = checkpoint / name
                if name and file.is_file():
                    content = file.read_bytes()
                    self.send_response(200)
                    self.send_header("ETag", f'"{len(content)}-{name}"')
                    self.send_header("X-Repo-Commit", COMMIT)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content if body else b"")
                    return
            self.send_response(404)
            there = "/lung/tiny/" in self.path
            self.send_header("X-Error-Code", "EntryNotFound" if there else "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Hub, asked


def test_a_network_is_downloaded_once(
    hub: tuple[type[BaseHTTPRequestHandler], list[str]],
    start_server: Callable,
    checkpoint: Path,
    tmp_path: Path,
) -> None:
    handler, asked = hub
    address = start_server(handler)

    settings = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", FETCH, "lung/tiny", "lung/tiny@v1", "lung/none"]
    done = subprocess.run(command, capture_output=True, text=True, env=settings)
    assert done.returncode == 0, done.stderr
    newest, tagged, missing, offline = done.stdout.splitlines()
    assert "lung/none: no network can be loaded from it" in missing
    for line in (newest, tagged):
        origin, digest, mean = line.split("|")
        assert origin == f"lung/tiny, commit {COMMIT[:12]}"
        assert digest == load_pretrained(str(checkpoint)).digest
        assert mean == str(COLOURS["image_mean"])
    assert sum("GET" in line and "model.safetensors" in line for line in asked) == 1
    assert offline == newest


def test_without_a_preprocessor_colours_are_imagenet_s(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    assert read_structure(str(tmp_path))["mean"] == [0.485, 0.456, 0.406]


def test_its_layers_are_listed_as_varying(pneumoscope: Callable) -> None:
    assert "varies" in pneumoscope("models").out
    outcome = pneumoscope("models", "show", "hub")
    assert outcome.code == 1
    assert "--weights" in outcome.err
