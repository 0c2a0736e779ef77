"""The clinic's figures: for whoever keeps it running, and for whoever answers for its readings."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.fields import Identifier
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.responses import answers_with
from pneumoscope.clinic.api.security import Administrator, TheClinic, require_role
from pneumoscope.clinic.identity.accounts import Actor, Role
from pneumoscope.clinic.monitoring.alerts import Rule, acknowledge, alerts
from pneumoscope.clinic.monitoring.overview import Asked, Overview, Yardstick, overview
from pneumoscope.clinic.monitoring.prometheus import metrics
from pneumoscope.clinic.monitoring.rules import look
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import Alert, Site

router = APIRouter(tags=["monitoring"])

Keeper = Annotated[Actor, Depends(require_role(Role.ADMINISTRATOR, Role.SERVICE))]
Watcher = Annotated[Actor, Depends(require_role(Role.REVIEWER, Role.ADMINISTRATOR))]

_MOST = 200
"""Alerts that are listed."""


class AlertView(BaseModel):
    """An alert; ``site`` is null where it concerns the whole server."""

    id: str
    rule: Rule
    site: str | None
    subject: str
    message: str
    began: datetime
    ended: datetime | None
    acknowledged: datetime | None
    acknowledged_by: str | None

    @classmethod
    def of(cls, alert: Alert) -> "AlertView":
        """Show an alert."""
        named = {name: getattr(alert, name) for name in cls.model_fields if name != "site"}
        return cls(site=None if alert.site is None else alert.site.name, **named)


def _asked(
    days: Annotated[int, Query(ge=1, le=366, description="of one window")] = 28,
    windows: Annotated[int, Query(ge=1, le=26, description="one before the other")] = 6,
    site: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$", description="all if none")] = None,
) -> Asked:
    return Asked(days, windows, site)


TheAsked = Annotated[Asked, Depends(_asked)]


@router.get("/metrics", response_class=Response, responses=answers_with(CONTENT_TYPE_LATEST))
def show(clinic: TheClinic, _: Keeper, request: Request) -> Response:
    """Return the figures of now for Prometheus."""
    found = metrics(clinic.database, request.app.state.refused)
    return Response(found, media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/monitoring")
def figures(clinic: TheClinic, _: Watcher, asked: TheAsked) -> Overview:
    """Return volume, times, rejections, shifts from the bundle's population, and agreement."""
    return _overview(clinic, asked)[0]


@router.get("/v1/monitoring/report", response_class=HTMLResponse)
def report(clinic: TheClinic, _: Watcher, asked: TheAsked) -> HTMLResponse:
    """Return the same as a page with plots, in one file."""
    # Matplotlib takes a second to load, and no worker needs it.
    from pneumoscope.clinic.monitoring.page import Standing, render

    found, site = _overview(clinic, asked)
    with clinic.database.reading() as session:
        open_alerts = [
            Standing(one.site.name if one.site else "the server", one.rule, one.message, one.began)
            for one in alerts(session, _MOST)
            if one.ended is None
        ]
    page = render(found, site, open_alerts)
    return HTMLResponse(page, headers={"Content-Security-Policy": _policy(page)})


@router.get("/v1/monitoring/alerts")
def listed(clinic: TheClinic, _: Watcher) -> list[AlertView]:
    """Return the alerts that stand, and after them the last that ended."""
    with clinic.database.reading() as session:
        return [AlertView.of(one) for one in alerts(session, _MOST)]


@router.post("/v1/monitoring/look")
def look_now(clinic: TheClinic, watcher: Watcher) -> list[AlertView]:
    """Look now instead of waiting for the look of the day; return the alerts that stand."""
    now = datetime.now(UTC)
    look(clinic.database, Yardstick.of(clinic.bundle, clinic.settings), now)
    with clinic.database.writing() as session:
        audit.record(session, watcher.name, "look at monitoring", "monitoring", {}, now)
        return [AlertView.of(one) for one in alerts(session, _MOST) if one.ended is None]


@router.post("/v1/monitoring/alerts/{alert_id}/acknowledgement")
def note(clinic: TheClinic, administrator: Administrator, alert_id: Identifier) -> AlertView:
    """Say that somebody knows of an alert; it ends when its reason does."""
    with clinic.database.writing() as session:
        alert = session.get(Alert, alert_id, with_for_update=True)
        if alert is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such alert")
        acknowledge(session, alert, administrator.name, datetime.now(UTC))
        return AlertView.of(alert)


def _overview(clinic: Clinic, asked: Asked) -> tuple[Overview, str]:
    """Return the figures, and the name of the site."""
    with clinic.database.reading() as session:
        site = None if asked.site is None else session.get(Site, asked.site)
        if asked.site is not None and site is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such site")
        yardstick = Yardstick.of(clinic.bundle, clinic.settings)
        found = overview(session, yardstick, asked, datetime.now(UTC))
        return found, "all sites" if site is None else site.name


def _policy(page: str) -> str:
    """Return the content security policy of a page that is one file: its own style, no script."""
    styles = (
        base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        for style in re.findall("<style>(.*?)</style>", page, re.DOTALL)
    )
    hashes = " ".join(f"'sha256-{one}'" for one in styles)
    return (
        f"default-src 'none'; style-src {hashes}; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
