"""Errors over HTTP: application/problem+json (RFC 9457), never a traceback."""

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

MEDIA_TYPE = "application/problem+json"

PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, description in (
        ("4XX", "The request is refused; the detail says why and what to do"),
        ("5XX", "The server failed"),
    )
}
"""Error responses of every route, for the OpenAPI description."""

log = logging.getLogger(__name__)


class Problem(BaseModel):
    """Error, with what is wrong and what to do in ``detail`` (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = []


class ProblemError(Exception):
    """Error that is answered as a problem: ``detail`` says what is wrong and what to do.

    The extensions are further members of the problem.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.extensions = extensions


def problem_response(
    status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None, **extensions: Any
) -> JSONResponse:
    """Return the response of an error; see `ProblemError` for the parameters.

    Examples
    --------
    >>> response = problem_response(HTTPStatus.NOT_FOUND, "there is no such study")
    >>> response.body
    b'{"type":"about:blank","title":"Not Found","status":404,"detail":"there is no such study"}'
    """
    body = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    return JSONResponse(body | extensions, status, headers, MEDIA_TYPE)


def add_error_handlers(app: FastAPI) -> None:
    """Make an application answer every error with a problem."""

    @app.exception_handler(ProblemError)
    def _problem(_request: Request, error: ProblemError) -> JSONResponse:
        return problem_response(error.status, error.detail, error.headers, **error.extensions)

    @app.exception_handler(RequestValidationError)
    def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        body = getattr(request.scope.get("route"), "body_field", None)
        expected = body and body.field_info.media_type
        sent = request.headers.get("content-type", "").split(";")[0].lower()
        if expected and sent != expected:
            detail = f"the body must be {expected}; set the header Content-Type to it"
            accept = {"Accept": expected}
            return problem_response(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, accept)
        # The place and the message, but not the value: it may be a password or identify a patient.
        errors = [
            {"where": ".".join(map(str, item["loc"])), "what": item["msg"]}
            for item in error.errors()
        ]
        detail = "; ".join(f"{item['where']}: {item['what']}" for item in errors)
        return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)

    @app.exception_handler(HTTPException)
    def _http(_request: Request, error: HTTPException) -> JSONResponse:
        return problem_response(HTTPStatus(error.status_code), str(error.detail), error.headers)

    @app.exception_handler(PneumoscopeError)
    def _own(request: Request, error: PneumoscopeError) -> JSONResponse:
        if isinstance(error, StorageError):
            log.error("%s %s: %s", request.method, route_path(request), error)
            detail = "the server cannot store or find a file; its log says why"
            return problem_response(HTTPStatus.INSUFFICIENT_STORAGE, detail)
        unreadable = isinstance(error, UnreadableRadiographError)
        status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE if unreadable else HTTPStatus.BAD_REQUEST
        return problem_response(status, str(error))

    @app.exception_handler(Exception)
    def _unexpected(request: Request, error: Exception) -> JSONResponse:
        # The type and the place alone: a message may quote what was sent.
        log.error("%s %s: %s", request.method, route_path(request), type(error).__name__)
        detail = "the server failed; please report the line of its log"
        return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def route_path(request: HTTPConnection) -> str:
    """Return the path template of a route; the path itself may contain identifiers."""
    return getattr(request.scope.get("route"), "path", "an unknown route")
