"""Errors over HTTP: application/problem+json, as RFC 9457 has it, never a traceback."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from pneumoscope.support.errors import PneumoscopeError, StorageError, UnreadableRadiographError

PROBLEM = "application/problem+json"

PROBLEMS: dict[int | str, dict[str, Any]] = {
    kind: {
        "description": what,
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for kind, what in (("4XX", "What is wrong and what to do"), ("5XX", "The server is at fault"))
}
"""The errors of every route, for its description."""

log = logging.getLogger(__name__)


class Problem(BaseModel):
    """What is wrong and what to do (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = []


class ProblemError(Exception):
    """An answer that is an error.

    Parameters
    ----------
    status
        Of HTTP.
    detail
        What is wrong and what to do.
    headers
        Of the answer.
    more
        Members of the problem besides those of every problem.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.more = more


def problem(
    status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """Return an answer that is an error.

    Examples
    --------
    >>> answer = problem(HTTPStatus.NOT_FOUND, "there is no such study")
    >>> answer.body
    b'{"type":"about:blank","title":"Not Found","status":404,"detail":"there is no such study"}'
    """
    body = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    return JSONResponse(body | more, status, headers, PROBLEM)


def describe_errors(app: FastAPI) -> None:
    """Have an application's description know what `PROBLEMS` refer to."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        description = describe()
        schemas = description.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema()
        return description

    app.openapi = openapi  # type: ignore[method-assign]


def answer_errors(app: FastAPI) -> None:
    """Have an application answer every error with a problem."""

    @app.exception_handler(ProblemError)
    def _problem(_request: Request, error: ProblemError) -> JSONResponse:
        return problem(error.status, error.detail, error.headers, **error.more)

    @app.exception_handler(RequestValidationError)
    def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        wanted = _media_type(request)
        if wanted and request.headers.get("content-type", "").split(";")[0].lower() != wanted:
            said = f"the body has to be {wanted}; name it so in the header Content-Type"
            return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, said, {"Accept": wanted})
        # Where and what, but not what was sent: that may be a password or a patient.
        found = [
            {"where": ".".join(map(str, one["loc"])), "what": one["msg"]} for one in error.errors()
        ]
        said = "; ".join(f"{one['where']}: {one['what']}" for one in found)
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, said, errors=found)

    @app.exception_handler(HTTPException)
    def _http(_request: Request, error: HTTPException) -> JSONResponse:
        return problem(HTTPStatus(error.status_code), str(error.detail), error.headers)

    @app.exception_handler(PneumoscopeError)
    def _ours(request: Request, error: PneumoscopeError) -> JSONResponse:
        if isinstance(error, StorageError):
            log.error("%s %s: %s", request.method, route_of(request), error)
            detail = "the server cannot keep or find a file; its log says why"
            return problem(HTTPStatus.INSUFFICIENT_STORAGE, detail)
        unreadable = isinstance(error, UnreadableRadiographError)
        status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE if unreadable else HTTPStatus.BAD_REQUEST
        return problem(status, str(error))

    @app.exception_handler(Exception)
    def _unexpected(request: Request, error: Exception) -> JSONResponse:
        # The kind and the place alone: a message may quote what came in.
        log.error("%s %s: %s", request.method, route_of(request), type(error).__name__)
        return problem(
            HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says where, please report"
        )


def _media_type(request: Request) -> str | None:
    """Return of what kind the body is to be, by the route."""
    body = getattr(request.scope.get("route"), "body_field", None)
    return body and body.field_info.media_type


def route_of(request: HTTPConnection) -> str:
    """Return a route as it is written in the code: what stands in a path may name a patient."""
    return getattr(request.scope.get("route"), "path", "an unknown route")
