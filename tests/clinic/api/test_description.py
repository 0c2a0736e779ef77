"""OpenAPI description: its names, and answers to requests generated from it."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable

import jsonschema_rs
import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import RateLimitItemPerMinute
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from sqlalchemy import select

from pneumoscope.clinic.api import rate_limits
from pneumoscope.clinic.api.openapi import openapi_json
from pneumoscope.clinic.api.rate_limits import RateLimits
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import User
from pneumoscope.clinic.worklist import listeners

from ..conftest import on_both_databases

As = Callable[[Role], TestClient]

VERBS = {
    "acknowledge",
    "begin",
    "check",
    "complete",
    "confirm",
    "correct",
    "create",
    "delete",
    "end",
    "finish",
    "get",
    "list",
    "purge",
    "reset",
    "revoke",
    "search",
    "stream",
    "update",
    "restore",
    "withdraw",
}
"""First words of operation ids."""

FEW, MANY = 3, 400
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]


@pytest.fixture(autouse=True)
def _no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """End live updates at once, for which this client would wait, and lift the rate limit."""
    monkeypatch.setattr(listeners, "MAX_LISTENING_SECONDS", 0.0)
    monkeypatch.setattr(rate_limits, "MAX_REQUESTS", RateLimitItemPerMinute(10**9))


@pytest.fixture
def known(
    clinic: Clinic, as_: As, phantoms: list[bytes], read_all: Callable[[], int]
) -> dict[str, str]:
    """Return identifiers that exist, by the names of path parameters."""
    sent = [("files", ("a.png", phantoms[0], "image/png"))]
    about = json.dumps({"patient_id": "P-1", "birth_date": "1957-11-03"})
    service = as_(Role.SERVICE)
    submission = service.post("/v1/readings", files=sent, data={"about": about}).json()
    read_all()
    administrator = as_(Role.ADMINISTRATOR)
    site = administrator.get("/v1/sites").json()[0]["id"]
    with clinic.database.reading() as session:
        user = session.scalars(select(User.id).where(User.role == Role.SERVICE)).one()
    return {
        "image_id": submission["images"][0]["id"],
        "study_id": submission["images"][0]["study"],
        "job_id": submission["job"],
        "site_id": site,
        "user_id": user,
    }


def test_operation_ids_are_unique_and_begin_with_a_verb() -> None:
    operations = [
        operation
        for path in json.loads(openapi_json())["paths"].values()
        for operation in path.values()
    ]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names)) > 50
    for name in names:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", name)
        assert name.split("_")[0] in VERBS, name
    for operation in operations:
        assert 0 < len(operation["summary"]) <= 90, operation["operationId"]


def test_the_description_needs_no_clinic_and_is_reproducible(anonymous: TestClient) -> None:
    command = [sys.executable, "-m", "pneumoscope.clinic.api.openapi"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == f"{openapi_json()}\n"
    assert json.loads(printed) == anonymous.get("/v1/openapi.json").json()


@pytest.mark.parametrize(
    "url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.thorough)], indirect=True
)
@pytest.mark.parametrize("role", [None, Role.CLINICIAN, Role.ADMINISTRATOR])
@pytest.mark.parametrize(
    "examples",
    [
        settings(max_examples=FEW, derandomize=True),
        pytest.param(settings(max_examples=MANY), marks=pytest.mark.thorough),
    ],
    ids=["few", "many"],
)
def test_answers_match_the_description(
    role: Role | None,
    examples: settings,
    anonymous: TestClient,
    as_: As,
    known: dict[str, str],
    subtests: pytest.Subtests,
) -> None:
    client = anonymous if role is None else as_(role)
    description = schemathesis.openapi.from_asgi("/v1/openapi.json", anonymous.app)
    problem = anonymous.get("/v1/openapi.json").json()["components"]["schemas"]["Problem"]
    for operation in description.get_all_operations():

        @settings(examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.one_of(*(operation.ok().as_strategy(generation_mode=mode) for mode in MODES)))
        def ask(case: schemathesis.Case) -> None:
            for name, value in (case.path_parameters or {}).items():  # half of them exist
                if name in known and isinstance(value, str) and value[-1:] < "8":
                    case.path_parameters[name] = known[name]
            answer = case.call(headers=dict(client.headers))
            case.validate_response(answer, checks=CHECKS)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == ["application/problem+json"]
                jsonschema_rs.validate(problem, answer.json())
                assert answer.json()["status"] == answer.status_code

        with subtests.test(operation.ok().label):
            ask()


def cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


@on_both_databases
def test_text_that_cannot_be_stored_is_refused(as_: As) -> None:
    administrator = as_(Role.ADMINISTRATOR)
    json_body = {"Content-Type": "application/json"}
    for path, body in (
        ("/v1/session", r'{"name": "\ud800", "password": "x"}'),
        ("/v1/session", r'{"name": "a\u0000", "password": "\u0000"}'),
        ("/v1/session", r'{"name": "a", "password": "\udfff"}'),
        ("/v1/password", r'{"token": "a", "password": "\ud800 and 20 words"}'),
        ("/v1/sites", r'{"name": "\ud800"}'),
        ("/v1/studies/search", r'{"text": "\ud800"}'),
        ("/v1/studies/search", r'{"cursor": "\ud800"}'),
        ("/v1/patients/purge", r'{"patient_id": "\u0000"}'),
        ("/v1/exports", '{"since": "0001-01-01T00:00:00+14:00"}'),
        ("/v1/exports", '{"until": "9999-12-31T23:59:59-14:00"}'),
    ):
        answer = administrator.post(path, content=body, headers=json_body)
        assert answer.status_code == 422, (path, body, answer.text)


@on_both_databases
def test_invalid_cursors_are_refused(as_: As) -> None:
    for invalid in (
        cursor(0.5, "0001-01-01T00:00:00+14:00", "00"),
        cursor(10**300, "2026-01-01T00:00:00", "00"),
        cursor(10**350, "2026-01-01T00:00:00+00:00", "00"),
    ):
        answer = as_(Role.REVIEWER).post("/v1/studies/search", json={"cursor": invalid[:500]})
        assert answer.status_code == 400, answer.text


def test_a_file_name_in_no_encoding_is_no_server_error(as_: As) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="\xff\xfe.png"\r\n'
        b"Content-Type: image/png\r\n\r\nnothing\r\n--x--\r\n"
    )
    multipart = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = as_(Role.SERVICE).post("/v1/readings", content=body, headers=multipart)
    assert answer.status_code in (400, 415), answer.text


def test_bodies_of_another_media_type_are_refused(as_: As) -> None:
    administrator = as_(Role.ADMINISTRATOR)
    paths = administrator.get("/v1/openapi.json").json()["paths"]
    with_body = {
        (method, path, *route["requestBody"]["content"])
        for path, methods in paths.items()
        for method, route in methods.items()
        if "requestBody" in route
    }
    assert ("post", "/v1/readings", "multipart/form-data") in with_body
    media_types = {None, "text/plain", "application/json", "application/x-www-form-urlencoded"}
    for method, path, expected in with_body:
        url = re.sub(r"{\w+}", "0" * 32, path)
        for media_type in media_types - {expected}:
            administrator.app.state.rate_limits = RateLimits()
            headers = {"Content-Type": media_type} if media_type else {}
            answer = administrator.request(method, url, content=b"{}", headers=headers)
            assert answer.status_code == 415, (method, path, media_type)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["accept"] == expected
            assert expected in answer.json()["detail"]
