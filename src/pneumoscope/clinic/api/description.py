"""OpenAPI description: summaries, and the schemas that no route refers to."""

from typing import Any

from fastapi import FastAPI

from pneumoscope.clinic.api.problems import Problem
from pneumoscope.clinic.api.request_metadata import RequestMetadata

TEXT = """\
Radiographs in, readings out. A reading is a second opinion by software on radiographs of patients
like those it learned from: not a diagnosis, and not a medical device.

Sign in with an API token (`Authorization: Bearer pns_...`). Errors are `application/problem+json`.
"""


def complete_description(app: FastAPI) -> None:
    """Add summaries and schemas to the description that an application makes of itself.

    The first line of a route's docstring is its summary, and the rest its description.
    """
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        description = describe()
        for operations in description["paths"].values():
            for operation in operations.values():
                summary, _, rest = operation.pop("description").partition("\n")
                operation["summary"] = summary.rstrip(".")
                if rest:
                    operation["description"] = rest.strip()
        for schema in (Problem, RequestMetadata):
            description["components"]["schemas"][schema.__name__] = schema.model_json_schema()
        return description

    app.openapi = openapi  # type: ignore[method-assign]
