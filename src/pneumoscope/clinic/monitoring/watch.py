"""What looks by itself: at the queue every minute, at everything once a day."""

import logging
import threading
from datetime import UTC, date, datetime

from pneumoscope.clinic.monitoring.overview import Yardstick
from pneumoscope.clinic.monitoring.rules import look, look_at_queue
from pneumoscope.clinic.settings import Clinic

_PAUSE = 60.0
"""Seconds between two looks at the queue."""

log = logging.getLogger(__name__)


class Watch:
    """Looks at a clinic as long as its server runs.

    Parameters
    ----------
    clinic
        Open.
    """

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._looked: date | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join()

    def step(self, now: datetime) -> None:
        """Look at what is due."""
        today = now.astimezone(UTC).date()
        if today == self._looked:
            look_at_queue(self._clinic.database, now)
        else:
            look(self._clinic.database, Yardstick.of(self._clinic.settings), now)
            self._looked = today

    def _run(self) -> None:
        while not self._stopping.wait(_PAUSE):
            try:
                self.step(datetime.now(UTC))
            except Exception as error:
                # The kind alone: a message of the database may quote what is in it.
                log.error("monitoring could not look: %s", type(error).__name__)
