"""Alerts, each one row in the database from its beginning to its end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from pneumoscope.clinic import audit
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.monitoring.tables import Alert
from pneumoscope.clinic.storage.tables import Site
from pneumoscope.support.errors import ClinicError

SERVER = "pneumoscope"
"""Name of the server in the audit trail, as the actor that begins and ends alerts."""


class AlertRule(StrEnum):
    """Rule that raises an alert; see `pneumoscope.clinic.monitoring.rules` for the thresholds."""

    QUEUE = "queue"
    DRIFT = "drift"
    LARGE_DRIFT = "large drift"
    CHANGE = "change"
    UNREAD = "unread"
    AGREEMENT = "agreement"


@dataclass(frozen=True, slots=True)
class AlertCondition:
    """Condition that calls for an alert."""

    rule: AlertRule
    site: str | None
    """Identifier of the site; None if it concerns the whole server."""
    subject: str
    """Statistic concerned; empty if the rule has only one."""
    message: str
    """Description for people."""
    bundle: str | None = None
    """Identity of the bundle whose readings are concerned; None for those of all bundles."""

    @property
    def key(self) -> tuple[str, str | None, str | None, str]:
        """Rule, site, bundle and subject: they identify the same condition at the next check."""
        return self.rule, self.site, self.bundle, self.subject


def update_alerts(
    session: Session,
    conditions: Iterable[AlertCondition],
    rules: Sequence[AlertRule],
    now: datetime,
) -> None:
    """Begin an alert for each new condition, and end the alerts whose condition is gone.

    Alerts of rules other than the given ones, which were checked, stay as they are.
    """
    # The lock serialises concurrent checks; inserts that refer to a site do not wait for it.
    session.execute(select(Site.id).order_by(Site.id).with_for_update(key_share=True))
    new = {condition.key: condition for condition in conditions}
    open_alerts = session.scalars(select(Alert).where(Alert.ended.is_(None), Alert.rule.in_(rules)))
    for alert in open_alerts.all():
        if new.pop((alert.rule, alert.site_id, alert.bundle, alert.subject), None) is None:
            alert.ended = now
            _record(session, Action.END_ALERT, alert, now)
    for condition in new.values():
        alert = Alert(
            rule=condition.rule,
            site_id=condition.site,
            bundle=condition.bundle,
            subject=condition.subject,
            message=condition.message,
            began=now,
        )
        session.add(alert)
        session.flush()
        _record(session, Action.BEGIN_ALERT, alert, now)


def list_alerts(session: Session, limit: int) -> Sequence[Alert]:
    """Return the open alerts and, after them, those that ended; each the newest first."""
    return session.scalars(
        select(Alert).order_by(Alert.ended.is_not(None), Alert.began.desc(), Alert.id).limit(limit)
    ).all()


def acknowledge_alert(session: Session, alert: Alert, user: str, now: datetime) -> None:
    """Record that a user takes care of an alert, or raise ClinicError if one did already."""
    if alert.acknowledged is not None:
        raise ClinicError("this alert was already acknowledged; nothing more is to be done")
    alert.acknowledged, alert.acknowledged_by = now, user
    audit.record(session, user, Action.ACKNOWLEDGE_ALERT, f"alert {alert.id}", {}, now)


def _record(session: Session, action: Action, alert: Alert, now: datetime) -> None:
    detail = {
        "rule": alert.rule,
        "subject": alert.subject,
        "site": alert.site_id,
        "bundle": alert.bundle,
    }
    audit.record(session, SERVER, action, f"alert {alert.id}", detail, now)
