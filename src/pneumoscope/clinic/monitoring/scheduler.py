"""Scheduler of the alert rules: the queue every minute, all rules once a day."""

import logging
import threading
from datetime import UTC, date, datetime

from pneumoscope.clinic.monitoring.overview import Baseline
from pneumoscope.clinic.monitoring.rules import check_queue, check_rules
from pneumoscope.clinic.settings import Clinic

_QUEUE_CHECK_SECONDS = 60.0

log = logging.getLogger(__name__)


class MonitoringScheduler:
    """Thread that checks a clinic's alert rules while its server runs."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._last_check: date | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for its end."""
        self._stopping.set()
        self._thread.join()

    def run_due_checks(self, now: datetime) -> None:
        """Check all rules if they were not checked on this day, or the queue alone."""
        today = now.astimezone(UTC).date()
        if today == self._last_check:
            check_queue(self._clinic.database, now)
        else:
            baseline = Baseline.of(self._clinic.bundle, self._clinic.settings)
            check_rules(self._clinic.database, baseline, now)
            self._last_check = today

    def _run(self) -> None:
        while not self._stopping.wait(_QUEUE_CHECK_SECONDS):
            try:
                self.run_due_checks(datetime.now(UTC))
            except Exception as error:
                # The type alone: a database's message may quote patient data.
                log.error("the monitoring check failed: %s", type(error).__name__)
