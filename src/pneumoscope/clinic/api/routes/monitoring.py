"""Monitoring: overview, alerts, and metrics for Prometheus."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.fields import Identifier, Text
from pneumoscope.clinic.api.responses import column_values, file_response, get_or_404
from pneumoscope.clinic.api.security import Administrator, ClinicDep, Overseer, require_role
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.identity.accounts import Actor, Role
from pneumoscope.clinic.monitoring import alerts, rules
from pneumoscope.clinic.monitoring.alerts import AlertRule
from pneumoscope.clinic.monitoring.overview import (
    MonitoringOverview,
    MonitoringQuery,
    baselines_of,
    monitoring_overview,
)
from pneumoscope.clinic.monitoring.prometheus import prometheus_metrics
from pneumoscope.clinic.monitoring.tables import Alert as AlertRow
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage import tables

router = APIRouter(tags=["monitoring"])

Operator = Annotated[Actor, Depends(require_role(Role.ADMINISTRATOR, Role.SERVICE))]

MAX_LISTED_ALERTS = 200


class Alert(BaseModel):
    """Alert; ``site`` is null if it concerns the whole server, and ``ended`` while it is open.

    ``bundle`` is null if it concerns the readings of all bundles.
    """

    id: str
    rule: AlertRule
    site: str | None
    bundle: str | None
    subject: str
    message: str
    began: datetime
    ended: datetime | None
    acknowledged: datetime | None
    acknowledged_by: str | None


def _query(
    days: Annotated[int, Query(ge=1, le=366, description="days in a period")] = 28,
    windows: Annotated[int, Query(ge=1, le=26, description="number of periods")] = 6,
    site: Annotated[Identifier | None, Query(description="identifier; default: all sites")] = None,
    bundle: Annotated[
        Text | None, Query(max_length=200, description="identity; default: the first in use")
    ] = None,
) -> MonitoringQuery:
    return MonitoringQuery(days, windows, site, bundle)


QueryDep = Annotated[MonitoringQuery, Depends(_query)]


@router.get("/metrics", response_class=Response, responses=file_response(CONTENT_TYPE_LATEST))
def get_metrics(clinic: ClinicDep, _: Operator, request: Request) -> Response:
    """Return current metrics in Prometheus' text format."""
    text = prometheus_metrics(clinic.database, request.app.state.refusals)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/monitoring")
def get_monitoring(clinic: ClinicDep, _: Overseer, query: QueryDep) -> MonitoringOverview:
    """Return the monitoring overview.

    It has volume, times, refusals, and, of one bundle, drift from its reference population and
    agreement.
    """
    return _overview(clinic, query)[0]


@router.get("/v1/monitoring/report", response_class=HTMLResponse)
def get_monitoring_page(clinic: ClinicDep, _: Overseer, query: QueryDep) -> HTMLResponse:
    """Return the monitoring overview as a page with plots, in one file."""
    # Imported here because Matplotlib takes a second to load, and the workers do not need it.
    from pneumoscope.clinic.monitoring.page import OpenAlert, render_monitoring_page

    overview, site = _overview(clinic, query)
    with clinic.database.reading() as session:
        rows = alerts.list_alerts(session, MAX_LISTED_ALERTS)
        open_alerts = [OpenAlert.of(row) for row in rows if row.ended is None]
    page = render_monitoring_page(overview, site, open_alerts)
    return HTMLResponse(page, headers={"Content-Security-Policy": _content_security_policy(page)})


@router.get("/v1/monitoring/alerts")
def list_alerts(clinic: ClinicDep, _: Overseer) -> list[Alert]:
    """List the open alerts and, after them, the latest that ended."""
    with clinic.database.reading() as session:
        return [_alert_response(row) for row in alerts.list_alerts(session, MAX_LISTED_ALERTS)]


@router.post("/v1/monitoring/check")
def check_alert_rules(clinic: ClinicDep, overseer: Overseer) -> list[Alert]:
    """Check the alert rules now, without waiting for the daily check; return the open alerts."""
    now = datetime.now(UTC)
    rules.check_rules(clinic.database, baselines_of(clinic), now)
    with clinic.database.writing() as session:
        audit.record(session, overseer.name, Action.CHECK_MONITORING, "monitoring", {}, now)
        rows = alerts.list_alerts(session, MAX_LISTED_ALERTS)
        return [_alert_response(row) for row in rows if row.ended is None]


@router.post("/v1/monitoring/alerts/{alert_id}/acknowledgement")
def acknowledge_alert(clinic: ClinicDep, actor: Administrator, alert_id: Identifier) -> Alert:
    """Acknowledge an alert; it stays open until its condition ends."""
    with clinic.database.writing() as session:
        alert = get_or_404(session, AlertRow, alert_id, for_update=True)
        alerts.acknowledge_alert(session, alert, actor.name, datetime.now(UTC))
        return _alert_response(alert)


def _alert_response(row: AlertRow) -> Alert:
    site = None if row.site is None else row.site.name
    return Alert(**column_values(row, Alert), site=site)


def _overview(clinic: Clinic, query: MonitoringQuery) -> tuple[MonitoringOverview, str]:
    """Return the overview and the name of its site."""
    with clinic.database.reading() as session:
        site = "all sites"
        if query.site is not None:
            site = get_or_404(session, tables.Site, query.site).name
        return monitoring_overview(session, baselines_of(clinic), query, datetime.now(UTC)), site


def _content_security_policy(page: str) -> str:
    """Return the content security policy of a page in one file: its own styles, no scripts."""
    styles = (
        base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        for style in re.findall("<style>(.*?)</style>", page, re.DOTALL)
    )
    hashes = " ".join(f"'sha256-{digest}'" for digest in styles)
    return (
        f"default-src 'none'; style-src {hashes}; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
