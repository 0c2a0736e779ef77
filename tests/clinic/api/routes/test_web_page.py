"""Web page: how its files are served; and the model that it describes."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.api.routes import web_page
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.reader import Bundle, find_bundle

As = Callable[[Role], TestClient]

ROUTES = Path(__file__).parents[4] / "frontend" / "src" / "routes.ts"
"""Declares the addresses of the pages."""


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that stands for the built page."""
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html><title>pneumoscope</title>")
    (web / "assets" / "index-a1b2.js").write_text("export {};")
    (tmp_path / "secret.txt").write_text("not for browsers")
    monkeypatch.setattr(web_page, "WEB", web)
    return web


@pytest.fixture
def browser(built: Path, clinic: Clinic) -> TestClient:
    """Return a client of a server with that page."""
    return TestClient(create_app(clinic), base_url="https://clinic.test")


def test_the_page_is_served_at_its_addresses_without_caching(
    built: Path, browser: TestClient
) -> None:
    declared = re.findall(r'^  \w+: "(/.*)",$', ROUTES.read_text(), re.MULTILINE)
    assert len(declared) > 5
    for path in [route.replace("{study_id}", "0" * 32) for route in declared]:
        answer = browser.get(path)
        assert answer.text == (built / "index.html").read_text(), path
        assert answer.headers["cache-control"] == "no-cache"
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
    assert browser.get("/nowhere").status_code == 404


def test_assets_are_cached_for_a_year(browser: TestClient) -> None:
    answer = browser.get("/assets/index-a1b2.js")
    assert answer.text == "export {};"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/javascript")
    missing = browser.get("/assets/index-c3d4.js")
    assert (missing.status_code, missing.headers["cache-control"]) == (404, "no-store")


def test_style_links_are_those_of_the_page(built: Path) -> None:
    assert web_page.style_links() == ""
    icon, style = '<link rel="icon" href="/assets/a.svg">', '<link rel="stylesheet" href="/a.css">'
    script = '<script type="module" src="/assets/a.js"></script>'
    (built / "index.html").write_text(f"<head>{icon}{script}\n{style}</head>")
    assert web_page.style_links() == icon + style


@pytest.mark.parametrize("path", ["../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt"])
def test_only_the_pages_files_are_served(browser: TestClient, path: str) -> None:
    assert browser.get(f"/assets/{path}").status_code == 404


def test_the_api_works_without_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anonymous: TestClient
) -> None:
    monkeypatch.setattr(web_page, "WEB", tmp_path / "nothing")
    answer = anonymous.get("/")
    assert answer.status_code == 404
    assert re.search(r"without its web page.*/v1", answer.json()["detail"])
    assert anonymous.get("/health").status_code == 200


def test_the_models_limits_and_metrics_are_those_of_its_bundle(as_: As) -> None:
    shown, _adults = as_(Role.CLINICIAN).get("/v1/models").json()
    bundle = Bundle.open(find_bundle("default"))
    point = bundle.record.operating_points["screening"]
    assert shown["bundle"] == bundle.identity
    assert shown["limitations"] == list(bundle.record.limitations)
    assert shown["applies_to"] == bundle.record.population.describe_ages()
    assert shown["population"] == bundle.record.training_data.population
    operating_point = shown["operating_point"]
    assert [operating_point[name] for name in ("threshold", "low", "high")] == [
        point.threshold,
        point.low,
        point.high,
    ]
    assert operating_point["measured_on"] == ("test" if point.tested else "validation")
    sensitivity = (point.tested or point.measured)["sensitivity"]
    assert operating_point["metrics"]["sensitivity"]["value"] == sensitivity.value
