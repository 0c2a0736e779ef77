"""A clinic's server: web application, reading workers and background tasks."""

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import uvicorn
from sqlalchemy import select

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.api.routes.readings import DEFAULT_SITE
from pneumoscope.clinic.api.routes.web_page import is_built
from pneumoscope.clinic.api.slow_clients import SlowClientTimeout
from pneumoscope.clinic.identity.second_factor import seal_unsealed_secrets
from pneumoscope.clinic.identity.setup_link import create_setup_token
from pneumoscope.clinic.logs import configure_logging
from pneumoscope.clinic.monitoring.scheduler import MonitoringScheduler
from pneumoscope.clinic.privacy.purge import purge_expired
from pneumoscope.clinic.queue.worker_processes import Workers
from pneumoscope.clinic.settings import Clinic, Settings
from pneumoscope.clinic.storage.tables import Site
from pneumoscope.clinic.worklist.listeners import Listeners
from pneumoscope.support.errors import ClinicError
from pneumoscope.support.terminal import results

_PURGE_INTERVAL_SECONDS = 24 * 60 * 60.0
_QUEUE_CHECK_SECONDS = 60.0

log = logging.getLogger(__name__)


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Run the server until the process is told to end.

    Port 0 stands for any free port; the workers are processes that read images.

    Raises
    ------
    ClinicError
        If the data cannot be opened or the port is taken.
    """
    configure_logging()
    with ExitStack() as stack:
        clinic = Clinic.open(settings)
        stack.callback(clinic.close)
        listener = stack.enter_context(_listen(host, port))
        address = f"http://{host}:{listener.getsockname()[1]}"
        _print_address(clinic, address)
        worker_settings = replace(settings, oidc=None)  # workers need no client secret
        stack.callback(Workers(worker_settings, workers).stop)
        purge = partial(_purge, clinic)
        stack.callback(_RepeatedTask("purge", purge, _PURGE_INTERVAL_SECONDS, delay=0).stop)
        check = MonitoringScheduler(clinic).run_due_checks
        interval = _QUEUE_CHECK_SECONDS
        stack.callback(_RepeatedTask("the monitoring check", check, interval, interval).stop)
        app = create_app(clinic)
        server = _Server(
            uvicorn.Config(
                app,
                http=SlowClientTimeout,
                access_log=False,
                server_header=False,
                log_config=None,
            )
        )
        server.listeners = app.state.listeners
        server.run([listener])


def prepare_database(clinic: Clinic) -> str | None:
    """Add the default site and seal old secrets; return a setup token if nobody administers."""
    with clinic.database.writing() as session:
        if session.scalar(select(Site).limit(1)) is None:
            session.add(Site(name=DEFAULT_SITE))
        seal_unsealed_secrets(session, clinic.secret_box)
        return create_setup_token(session, datetime.now(UTC))


class _Server(uvicorn.Server):
    """uvicorn server that ends live updates on shutdown, for which it would wait for ever."""

    listeners: Listeners

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.listeners.close()
        await super().shutdown(sockets)


class _RepeatedTask:
    """Thread that runs a task at intervals of some seconds, the first time after a delay."""

    def __init__(
        self, name: str, run: Callable[[datetime], None], interval: float, delay: float
    ) -> None:
        self._name = name
        self._run_task = run
        self._interval = interval
        self._delay = delay
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, after the run that has begun."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        delay = self._delay
        while not self._stopping.wait(delay):
            delay = self._interval
            try:
                self._run_task(datetime.now(UTC))
            except Exception as error:  # the next run tries again
                # The type alone: a database's message may quote patient data.
                log.error("%s failed: %s", self._name, type(error).__name__)


def _purge(clinic: Clinic, now: datetime) -> None:
    log.info("purged: %s", purge_expired(clinic.database, clinic.store, "the server", now))


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise ClinicError(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another --port or --host, "
            "or stop the server that uses it"
        ) from error
    # Connections inherit the option; asyncio sets it only on sockets that name their protocol.
    # Without it, a response's body waits for the client to acknowledge its headers: 40 ms on Linux.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    return listener


def _print_address(clinic: Clinic, address: str) -> None:
    token = prepare_database(clinic)
    results.print(f"pneumoscope is served at {address}", soft_wrap=True)
    if not is_built():
        results.print("The web page is not part of this installation; the API is under /v1.")
    if token is not None:
        # After the '#', so that it reaches no log: browsers do not send that part.
        results.print(
            "First start. Create the first administrator within 24 hours, at this address (the "
            f"part after # is the token for POST /v1/setup):\n{address}/setup#{token}",
            soft_wrap=True,
        )
