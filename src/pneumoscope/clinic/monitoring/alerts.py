"""What somebody should look at: kept from its beginning to its end, so that it is raised once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from pneumoscope.clinic import audit
from pneumoscope.clinic.storage.tables import Alert, Site
from pneumoscope.support.errors import ClinicError

SERVER = "pneumoscope"
"""Who begins and ends alerts, in the audit trail."""


class Rule(StrEnum):
    """Why an alert is raised; the thresholds are in `pneumoscope.clinic.monitoring.rules`."""

    QUEUE = "queue"
    DRIFT = "drift"
    LARGE_DRIFT = "large drift"
    CHANGE = "change"
    UNREAD = "unread"
    AGREEMENT = "agreement"


@dataclass(frozen=True, slots=True)
class Concern:
    """A reason for an alert.

    Parameters
    ----------
    rule
        Which.
    site
        Identifier of the site; None of what concerns the whole server.
    subject
        The statistic, where the rule has several.
    message
        What was found.
    """

    rule: Rule
    site: str | None
    subject: str
    message: str

    @property
    def key(self) -> tuple[str, str | None, str]:
        """What makes it the same concern at the next look."""
        return self.rule, self.site, self.subject


def settle(
    session: Session, concerns: Iterable[Concern], rules: Sequence[Rule], now: datetime
) -> None:
    """Begin an alert for each concern that has none, and end those without a concern any more.

    Parameters
    ----------
    session
        In a transaction that writes.
    concerns
        All that there are now.
    rules
        That were looked at: alerts of others stay as they are.
    now
        The moment.
    """
    # Of two looks at once, one waits here; what else refers to sites does not.
    session.execute(select(Site.id).order_by(Site.id).with_for_update(key_share=True))
    wanted = {one.key: one for one in concerns}
    open_alerts = session.scalars(select(Alert).where(Alert.ended.is_(None), Alert.rule.in_(rules)))
    for alert in open_alerts.all():
        if wanted.pop((alert.rule, alert.site_id, alert.subject), None) is None:
            alert.ended = now
            _record(session, "end alert", alert, now)
    for one in wanted.values():
        alert = Alert(
            rule=one.rule, site_id=one.site, subject=one.subject, message=one.message, began=now
        )
        session.add(alert)
        session.flush()
        _record(session, "begin alert", alert, now)


def alerts(session: Session, most: int) -> Sequence[Alert]:
    """Return the alerts that stand, and after them the last that ended, the newest first."""
    return session.scalars(
        select(Alert).order_by(Alert.ended.is_not(None), Alert.began.desc(), Alert.id).limit(most)
    ).all()


def acknowledge(session: Session, alert: Alert, user: str, now: datetime) -> None:
    """Note that somebody knows of an alert and sees to it.

    Raises
    ------
    ClinicError
        If somebody did so before.
    """
    if alert.acknowledged is not None:
        raise ClinicError("this alert was acknowledged already; nothing more is to be done")
    alert.acknowledged, alert.acknowledged_by = now, user
    audit.record(session, user, "acknowledge alert", f"alert {alert.id}", {}, now)


def _record(session: Session, action: str, alert: Alert, now: datetime) -> None:
    detail = {"rule": alert.rule, "subject": alert.subject, "site": alert.site_id}
    audit.record(session, SERVER, action, f"alert {alert.id}", detail, now)
