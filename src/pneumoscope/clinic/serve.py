"""A clinic's server: the application, and the workers that read what it takes in."""

import logging
import socket
import threading
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

import uvicorn
from sqlalchemy import select

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.api.routes.readings import DEFAULT_SITE
from pneumoscope.clinic.api.routes.web_page import is_built
from pneumoscope.clinic.api.slow_clients import SlowClientTimeout
from pneumoscope.clinic.identity.second_factor import seal_plain
from pneumoscope.clinic.identity.setup_link import setup_token
from pneumoscope.clinic.logs import log_in_one_format
from pneumoscope.clinic.monitoring.watch import Watch
from pneumoscope.clinic.privacy.purge import purge_due
from pneumoscope.clinic.queue.worker_processes import Workers
from pneumoscope.clinic.settings import Clinic, Settings
from pneumoscope.clinic.storage.tables import Site
from pneumoscope.clinic.worklist.listeners import Listeners
from pneumoscope.support.errors import ClinicError
from pneumoscope.support.terminal import results

_DAY = 24 * 60 * 60.0
"""Seconds between two looks at what is to be purged."""

log = logging.getLogger(__name__)


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until the process is told to end.

    Parameters
    ----------
    settings
        Of the clinic.
    host, port
        Where to listen.
    workers
        Processes that read.

    Raises
    ------
    ClinicError
        If the data cannot be opened or the port is taken.
    """
    log_in_one_format()
    with ExitStack() as stack:
        clinic = Clinic.open(settings)
        stack.callback(clinic.close)
        listener = stack.enter_context(_listen(host, port))
        address = f"http://{host}:{listener.getsockname()[1]}"
        _greet(clinic, address)
        without_secret = replace(settings, sign_on=None)
        stack.callback(Workers(without_secret, workers).stop)
        stack.callback(_Purger(clinic).stop)
        watch = Watch(clinic)
        watch.start()
        stack.callback(watch.stop)
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


def prepare(clinic: Clinic) -> str | None:
    """Make the default site at the first start; return the setup token while there is no user."""
    with clinic.database.writing() as session:
        if session.scalar(select(Site).limit(1)) is None:
            session.add(Site(name=DEFAULT_SITE))
        seal_plain(session, clinic.vault)
        return setup_token(session, datetime.now(UTC))


class _Server(uvicorn.Server):
    """Ends live updates when it is told to end: it waits for what is open."""

    listeners: Listeners

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.listeners.close()
        await super().shutdown(sockets)


class _Purger:
    """Purges what is due, at the start and every day."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; what is being purged is purged to its end."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                now = datetime.now(UTC)
                done = purge_due(self._clinic.database, self._clinic.store, "the server", now)
                log.info("purged: %s", done)
            except Exception as error:  # whatever it is, tomorrow is another day
                log.error("purging failed: %s", type(error).__name__)
            if self._stopping.wait(_DAY):
                return


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise ClinicError(
            f"{host}:{port}: cannot be listened on ({error.strerror}); choose another --port or "
            "--host, or end the server that has it"
        ) from error
    # Connections inherit it, and asyncio sets it only on sockets that name their protocol. Without
    # it an answer's body waits until the client acknowledges its headers, 40 ms on Linux.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    return listener


def _greet(clinic: Clinic, address: str) -> None:
    token = prepare(clinic)
    results.print(f"pneumoscope is served at {address}", soft_wrap=True)
    if not is_built():
        results.print("It was installed without its web page: the API is under /v1.")
    if token is not None:
        # After the '#', so that it is in no log: browsers keep that part to themselves.
        results.print(
            "First start. Make the first administrator within 24 hours, at this address (what "
            f"follows the # is the token for POST /v1/setup):\n{address}/setup#{token}",
            soft_wrap=True,
        )
