"""Bundles on a simulated Hugging Face hub."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import yaml
from huggingface_hub import constants

from pneumoscope.reader import Bundle

TOKEN = "hf_secretsecretsecret"
NAME = "ward/lungs"


@dataclass
class Hub:
    """Private repository of the hub, by its commits, and the requests that were made."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def files(self, revision: str) -> dict[str, bytes] | None:
        head = list(self.commits)[-1:] if revision == "main" else [revision]
        return self.commits.get(head[0]) if head else None

    def commit(self, lines: bytes) -> str:
        files = dict(self.files("main") or {})
        for line in map(json.loads, lines.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.large[value["oid"]]
        digest = hashlib.sha1(lines + str(len(self.commits)).encode()).hexdigest()
        self.commits[digest] = files
        return digest

    def handler(hub) -> type[BaseHTTPRequestHandler]:  # noqa: N805  # `self` is the request's
        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.get(body=False)

            def do_GET(self) -> None:
                self.get(body=True)

            def get(self, body: bool) -> None:
                hub.asked.append(f"{self.command} {self.path}")
                match = re.fullmatch(rf"/{NAME}/resolve/([^/]+)/(.+)", self.path)
                if not match or not self.is_owner():
                    return self.answer(404, {}, ("X-Error-Code", "RepoNotFound"))
                files = hub.files(match[1])
                if files is None:
                    return self.answer(404, {}, ("X-Error-Code", "RevisionNotFound"))
                commit = list(hub.commits)[-1] if match[1] == "main" else match[1]
                if match[2] not in files:
                    missing = ("X-Error-Code", "EntryNotFound")
                    return self.answer(404, {}, missing, ("X-Repo-Commit", commit))
                content = files[match[2]]
                self.send_response(200)
                self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
                self.send_header("X-Repo-Commit", commit)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                return self.wfile.write(content if body else b"") and None

            def do_PUT(self) -> None:
                hub.large[self.path.rpartition("/")[2]] = self.read()
                self.answer(200, {})

            def do_POST(self) -> None:
                content = self.read()
                hub.asked.append(f"{self.command} {self.path}")
                here = f"http://{self.headers['Host']}"
                if self.path == "/api/validate-yaml":
                    return self.answer(200, {"errors": [], "warnings": []})
                if not self.is_owner():
                    return self.answer(401, {"error": f"bad {self.headers['Authorization']}"})
                if self.path == "/api/repos/create":
                    assert json.loads(content)["visibility"] == "private"
                    return self.answer(200, {"url": f"{here}/{NAME}"})
                if self.path == f"/api/models/{NAME}/preupload/main":
                    paths = [file["path"] for file in json.loads(content)["files"]]
                    modes = {name: "lfs" if name.endswith("onnx") else "regular" for name in paths}
                    return self.answer(
                        200,
                        {
                            "files": [
                                {"path": name, "uploadMode": modes[name], "shouldIgnore": False}
                                for name in paths
                            ]
                        },
                    )
                if self.path == f"/{NAME}.git/info/lfs/objects/batch":
                    objects = json.loads(content)["objects"]
                    for item in objects:
                        href = {"href": f"{here}/upload/{item['oid']}"}
                        item["actions"] = {"upload": href}
                    return self.answer(200, {"objects": objects, "transfer": "basic"})
                assert self.path == f"/api/models/{NAME}/commit/main"
                commit = hub.commit(content)
                url = f"{here}/{NAME}/commit/{commit}"
                return self.answer(200, {"commitUrl": url, "commitOid": commit})

            def is_owner(self) -> bool:
                return self.headers["Authorization"] == f"Bearer {TOKEN}"

            def read(self) -> bytes:
                return self.rfile.read(int(self.headers["Content-Length"]))

            def answer(self, code: int, content: object, *headers: tuple[str, str]) -> None:
                text = json.dumps(content).encode()
                self.send_response(code)
                for name, value in (*headers, ("Content-Length", str(len(text)))):
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def hub(start_server: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Return a simulated hub that the client of this process talks to, with the owner's token."""
    simulated = Hub()
    address = start_server(simulated.handler())
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return simulated


def test_a_bundle_is_pushed_with_its_card_and_pulled_whole(
    pneumoscope: Callable, hub: Hub, exported: Path, tmp_path: Path
) -> None:
    pushed = pneumoscope("bundles", "push", exported, NAME)
    assert pushed.code == 0, pushed.err
    (first,) = hub.commits
    assert f"/{NAME}/commit/{first}" in pushed.out
    files = hub.commits[first]
    bundle = Bundle.open(exported)
    assert files.keys() == {*bundle.record.files, "bundle.yaml", "bundle.yaml.sha256", "README.md"}
    _, header, card = files["README.md"].decode().split("---\n", 2)
    metadata = yaml.safe_load(header)
    assert metadata["library_name"] == "pneumoscope"
    assert metadata["pipeline_tag"] == "image-classification"
    assert "synthetic" in metadata["tags"]
    assert card.strip() == (exported / "MODEL_CARD.md").read_text().strip()
    for revision in ("", f"@{first}"):
        out = tmp_path / f"pulled{len(revision)}"
        pulled = pneumoscope("bundles", "pull", f"{NAME}{revision}", "--out", out)
        assert pulled.code == 0, pulled.err
        assert bundle.identity in pulled.out
        assert Bundle.open(out).digest == bundle.digest
        assert not (out / "README.md").exists()
    assert pneumoscope("bundles", out).code == 0


def test_a_changed_file_is_refused_and_nothing_is_written(
    pneumoscope: Callable, hub: Hub, exported: Path, tmp_path: Path
) -> None:
    assert pneumoscope("bundles", "push", exported, NAME).code == 0
    (files,) = hub.commits.values()
    record = files["bundle.yaml"].replace(b"  model.onnx", b"  ../model.onnx")
    for number, (changed, complaint) in enumerate(
        (
            ({"model.onnx": files["model.onnx"][:-1] + b"x"}, "model.onnx: changed"),
            ({"model.onnx": None}, "an incomplete one"),
            ({"bundle.yaml": record}, "its list of files is wrong (../model.onnx"),
        )
    ):
        commit = {name: text for name, text in (files | changed).items() if text is not None}
        hub.commits[f"{number:040x}"] = commit
        outcome = pneumoscope("bundles", "pull", NAME, "--out", tmp_path / "out")
        assert outcome.code == 1
        assert outcome.err.startswith(f"Error: {NAME}: ")
        assert complaint in outcome.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("pull", "ward/none", "--out", "out"), "there is no such repository"),
        (("pull", f"{NAME}@v9", "--out", "out"), "there is no such revision"),
        (("pull", "lungs", "--out", "out"), "as USER/NAME"),
        (("push", "adults", "a/b/c"), "as USER/NAME"),
    ],
)
def test_what_the_hub_lacks_is_an_error_with_a_remedy(
    words: tuple[str, ...],
    complaint: str,
    pneumoscope: Callable,
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    hub.commit(b"")
    outcome = pneumoscope("bundles", *words)
    assert outcome.code == 1
    assert complaint in outcome.err
    assert not (tmp_path / "out").exists()


def test_without_the_right_token_or_the_hub_there_is_an_error_that_shows_no_token(
    pneumoscope: Callable, hub: Hub, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrongwrong")
    for words in (("push", exported, NAME), ("pull", NAME, "--out", tmp_path / "out")):
        outcome = pneumoscope("bundles", *words)
        assert outcome.code == 1
        assert "HF_TOKEN" in outcome.err
        assert "hf_wrongwrong" not in outcome.err + outcome.out
    monkeypatch.delenv("HF_TOKEN")
    asked = len(hub.asked)
    assert "no token of the hub is known" in pneumoscope("bundles", "push", exported, NAME).err
    assert len(hub.asked) == asked
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    offline = pneumoscope("bundles", "pull", NAME, "--out", tmp_path / "out")
    assert offline.code == 1
    assert "the hub cannot be reached" in offline.err
