"""Scheduler of the alert rules: the queue every minute, all rules once a day."""

from datetime import UTC, date, datetime

from pneumoscope.clinic.monitoring.overview import baselines_of
from pneumoscope.clinic.monitoring.rules import check_queue, check_rules
from pneumoscope.clinic.settings import Clinic


class MonitoringScheduler:
    """Alert rules of a clinic, with the day on which they were last checked."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._last_check: date | None = None

    def run_due_checks(self, now: datetime) -> None:
        """Check all rules if they were not checked on this day, or the queue alone."""
        today = now.astimezone(UTC).date()
        if today == self._last_check:
            check_queue(self._clinic.database, now)
        else:
            check_rules(self._clinic.database, baselines_of(self._clinic), now)
            self._last_check = today
