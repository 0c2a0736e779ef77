"""FastAPI application of a clinic: routes and middleware."""

from fastapi import FastAPI
from sqlalchemy import select

import pneumoscope
from pneumoscope.clinic.api.description import TEXT, complete_description
from pneumoscope.clinic.api.middleware import LimitBody, SecurityHeaders
from pneumoscope.clinic.api.problems import PROBLEM_RESPONSES, add_error_handlers
from pneumoscope.clinic.api.rate_limits import RateLimits
from pneumoscope.clinic.api.refusal_log import LogRefusals, refusal_counter
from pneumoscope.clinic.api.routes import (
    account,
    corrections,
    events,
    exports,
    images,
    judgements,
    leases,
    models,
    monitoring,
    readings,
    retention,
    sessions,
    single_sign_on,
    sites,
    studies,
    users,
    web_page,
)
from pneumoscope.clinic.api.security import ClinicDep, sees_hidden_readings
from pneumoscope.clinic.identity.oidc import Provider
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import Site
from pneumoscope.clinic.worklist.listeners import Listeners


def create_app(clinic: Clinic) -> FastAPI:
    """Return the application that serves an open clinic, which the caller closes."""
    app = create_routes()
    app.state.clinic = clinic
    app.state.rate_limits = RateLimits()
    app.state.refusals = refusal_counter()
    app.state.listeners = Listeners(clinic.database, sees_hidden_readings)
    app.state.provider = clinic.settings.oidc and Provider(clinic.settings.oidc)
    add_error_handlers(app)
    app.mount("/assets", web_page.Assets())
    app.add_middleware(LimitBody, max_bytes=clinic.settings.max_request_bytes)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(LogRefusals, refusals=app.state.refusals)
    return app


def create_routes() -> FastAPI:
    """Return an application that has all routes and their description, but no clinic to serve."""
    # FastAPI's documentation pages would load scripts from other hosts; the description does not.
    app = FastAPI(
        title="pneumoscope",
        version=pneumoscope.__version__,
        description=TEXT,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=PROBLEM_RESPONSES,
        generate_unique_id_function=lambda route: route.name,  # the operation id
    )
    complete_description(app)
    modules = (
        sessions,
        single_sign_on,
        account,
        readings,
        studies,
        images,
        judgements,
        corrections,
        leases,
        models,
        events,
        exports,
        retention,
        users,
        sites,
        monitoring,
        web_page,
    )
    for module in modules:
        app.include_router(module.router)
    app.add_api_route("/health", get_health, tags=["health"])
    return app


def get_health(clinic: ClinicDep) -> dict[str, str]:
    """Check that the server runs and reaches its database; needs no sign-in."""
    with clinic.database.reading() as session:
        session.execute(select(Site.id).limit(1))
    return {"status": "ok", "version": pneumoscope.__version__}
