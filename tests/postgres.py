"""A temporary PostgreSQL server, for tests and benchmarks."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, text


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs, or None if it is not installed."""
    pg_ctl = shutil.which("pg_ctl")
    folders = [Path(pg_ctl).parent] if pg_ctl else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@contextmanager
def postgres_server(programs: Path, *, durable: bool) -> Iterator[str]:
    """Start a server in a temporary folder; yield its URL, with ``{name}`` for the database.

    Parameters
    ----------
    programs
        Folder of PostgreSQL's programs.
    durable
        Whether commits are flushed to the disk (fsync), which tests need not wait for.
    """
    folder = Path("/tmp") / f"pneumoscope-postgres-{uuid4().hex[:8]}"  # socket paths are short
    folder.mkdir()
    run_as: list[object] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = "postgres" if _user_exists("postgres") else "nobody"
        shutil.chown(folder, user)
        run_as = ["setpriv", f"--reuid={user}", "--clear-groups", "--inh-caps=-all"]
    pg_ctl = [*run_as, programs / "pg_ctl", "-D", folder / "data", "-w"]
    initdb = [programs / "initdb", "-D", folder / "data", "-U", "test", "-A", "trust", "--no-sync"]
    options = f"-k {folder} -c listen_addresses='' -c fsync={'on' if durable else 'off'}"
    try:
        _run([*run_as, *initdb])
        _run([*pg_ctl, "-o", options, "-l", folder / "log", "start"])
        try:
            yield f"postgresql+psycopg://test@/{{name}}?host={folder}"
        finally:
            _run([*pg_ctl, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create_database(server: str, name: str) -> str:
    """Create an empty database on a server and return its URL."""
    engine = create_engine(server.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.format(name=name)


def _user_exists(name: str) -> bool:
    return any(user.pw_name == name for user in pwd.getpwall())


def _run(command: list[object]) -> None:
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, cwd="/")
