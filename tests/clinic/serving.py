"""An application served on a real port, in a thread."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn

from .running import wait_until


@contextmanager
def served(app: object, port: int = 0, **options: object) -> Iterator[int]:
    """Serve an application on 127.0.0.1 and yield its port."""
    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", **options))
    thread = Thread(target=server.run, args=([listener],))
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
