"""A PostgreSQL server of our own, for as long as it is needed."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, text


def programs() -> Path | None:
    """Return the folder of the programs of PostgreSQL, or None if it is not installed."""
    found = shutil.which("pg_ctl")
    places = [Path(found).parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


@contextmanager
def postgres_server(installed: Path, *, durable: bool) -> Iterator[str]:
    """Start a server in a folder of its own; yield its URL, in which ``{name}`` is the database's.

    Parameters
    ----------
    installed
        Folder of its programs.
    durable
        Whether what is committed must survive the end of the machine; tests need not wait for that.
    """
    place = Path("/tmp") / f"pneumoscope-postgres-{uuid4().hex[:8]}"  # a socket's path is short
    place.mkdir()
    as_user: list[object] = []
    if os.geteuid() == 0:  # which the server refuses
        user = "postgres" if _exists("postgres") else "nobody"
        shutil.chown(place, user)
        as_user = ["setpriv", f"--reuid={user}", "--clear-groups", "--inh-caps=-all"]
    control = [*as_user, installed / "pg_ctl", "-D", place / "data", "-w"]
    initdb = [installed / "initdb", "-D", place / "data", "-U", "test", "-A", "trust", "--no-sync"]
    options = f"-k {place} -c listen_addresses='' -c fsync={'on' if durable else 'off'}"
    try:
        _run([*as_user, *initdb])
        _run([*control, "-o", options, "-l", place / "log", "start"])
        try:
            yield f"postgresql+psycopg://test@/{{name}}?host={place}"
        finally:
            _run([*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(place, ignore_errors=True)


def make_database(server: str, name: str) -> str:
    """Make an empty database on a server, and return its URL."""
    engine = create_engine(server.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.format(name=name)


def _exists(user: str) -> bool:
    return any(one.pw_name == user for one in pwd.getpwall())


def _run(command: list[object]) -> None:
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, cwd="/")
