"""The clinic's application: all routes, guarded."""

from fastapi import FastAPI
from sqlalchemy import select

import pneumoscope
from pneumoscope.clinic.api.middleware import LimitBody, SecurityHeaders
from pneumoscope.clinic.api.problems import PROBLEMS, answer_errors, describe_errors
from pneumoscope.clinic.api.rate_limits import Quotas
from pneumoscope.clinic.api.refusal_log import LogRefusals, counter
from pneumoscope.clinic.api.routes import (
    account,
    administration,
    events,
    exports,
    images,
    judgements,
    model,
    monitoring,
    readings,
    retention,
    sessions,
    single_sign_on,
    studies,
    web_page,
)
from pneumoscope.clinic.api.security import TheClinic, sees_hidden_readings
from pneumoscope.clinic.identity.oidc import Provider
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import Site
from pneumoscope.clinic.worklist.listeners import Listeners

ABOUT = """\
Radiographs in, readings out. A reading is a second opinion by software on radiographs of patients
like those it learned from: not a diagnosis, and not a medical device.

Sign in with an API token (`Authorization: Bearer pns_...`). Errors are `application/problem+json`.
"""


def create_app(clinic: Clinic) -> FastAPI:
    """Return the application of a clinic.

    Parameters
    ----------
    clinic
        Open; whoever opened it closes it.
    """
    # Its pages of documentation would load scripts from elsewhere; the description itself is there.
    app = FastAPI(
        title="pneumoscope",
        version=pneumoscope.__version__,
        description=ABOUT,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=PROBLEMS,
    )
    describe_errors(app)
    app.state.clinic = clinic
    app.state.quotas = Quotas()
    app.state.refused = counter()
    app.state.listeners = Listeners(clinic.database, sees_hidden_readings)
    app.state.provider = clinic.settings.sign_on and Provider(clinic.settings.sign_on)
    answer_errors(app)
    parts = (
        sessions,
        single_sign_on,
        account,
        readings,
        studies,
        images,
        judgements,
        model,
        events,
        exports,
        retention,
        administration,
        monitoring,
        web_page,
    )
    for part in parts:
        app.include_router(part.router)
    app.mount("/assets", web_page.Assets())
    app.add_api_route("/health", _health, tags=["health"])
    app.add_middleware(LimitBody, most_bytes=clinic.settings.most_bytes)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(LogRefusals, refused=app.state.refused)
    return app


def _health(clinic: TheClinic) -> dict[str, str]:
    """Say that the server runs and reaches its database; asks nobody to sign in."""
    with clinic.database.reading() as session:
        session.execute(select(Site.id).limit(1))
    return {"status": "ok", "version": pneumoscope.__version__}
