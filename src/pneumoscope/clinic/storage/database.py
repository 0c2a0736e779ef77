"""The clinic's database, SQLite or PostgreSQL: connections, transactions and migrations."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session

from pneumoscope.clinic.storage.write_lock import WriteLock
from pneumoscope.support.errors import ClinicError

MIGRATIONS = Path(__file__).parent / "migrations"

_BUSY_TIMEOUT_SECONDS = 30.0
"""Time that a transaction waits for SQLite's one writer."""

_POOL_SIZE = 5
_MAX_CONNECTIONS = 40
"""Number of server threads (anyio's default), so that readers never wait for a connection."""


class Database:
    """Database, migrated to the tables of this version when it is opened.

    Parameters
    ----------
    url
        SQLAlchemy URL: ``sqlite:///clinic.db`` or ``postgresql+psycopg://user@host/name``.

    Raises
    ------
    ClinicError
        If the database cannot be opened, or belongs to a newer version.

    Examples
    --------
    >>> from sqlalchemy import select
    >>> from pneumoscope.clinic.storage.tables import Site
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> with database.writing() as session:
    ...     session.add(Site(name="Main hospital"))
    >>> with database.reading() as session:
    ...     print(session.scalars(select(Site.name)).all())
    ['Main hospital']
    """

    def __init__(self, url: str) -> None:
        try:
            sqlite = make_url(url).get_backend_name() == "sqlite"
            self._writes = create_engine(
                url,
                connect_args={"timeout": _BUSY_TIMEOUT_SECONDS} if sqlite else {},
                pool_size=_POOL_SIZE,
                max_overflow=_MAX_CONNECTIONS - _POOL_SIZE,
            )
            self._write_lock = _write_lock(self._writes)
            if self.is_sqlite:
                _set_up_sqlite(self._writes)
            self._reads = self._writes.execution_options(read_only=True)
            self._migrate()
        except (ArgumentError, TypeError, NoSuchModuleError, ImportError, DBAPIError) as error:
            raise ClinicError(
                f"cannot open the database {_without_password(url)} ({_cause(error)}); give "
                "sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME, and check that the file's "
                "folder exists or the server runs"
            ) from error

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        return self._writes.dialect.name == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield a session in a write transaction, committed unless the block raises."""
        with (
            self._write_lock.acquire() if self._write_lock else nullcontext(),
            Session(self._writes, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a read-only session, which waits for no writer."""
        with Session(self._reads, expire_on_commit=False) as session:
            yield session

    def close(self) -> None:
        """Close all connections."""
        self._writes.dispose()

    def _migrate(self) -> None:
        with self._writes.begin() as connection:
            if MigrationContext.configure(connection).get_current_revision() == _newest_revision():
                return
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise ClinicError(
                    f"the database {self._writes.url.render_as_string()} was migrated by another "
                    f"version of pneumoscope ({error}); use that version or a newer one"
                ) from error


@cache
def _newest_revision() -> str | None:
    """Return the newest migration; to find it, all of them are loaded."""
    return ScriptDirectory(MIGRATIONS).get_current_head()


def lock(session: Session, name: str) -> None:
    """Acquire a named lock, held until the transaction ends.

    Notes
    -----
    In PostgreSQL, an advisory lock with a key of 64 bits: two names share a lock with negligible
    probability. SQLite needs none: it has one write transaction at a time, from its BEGIN on.
    """
    connection = session.connection()  # begins the transaction, if it has not begun
    if connection.dialect.name == "postgresql":
        key = int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(key)))


def _write_lock(engine: Engine) -> WriteLock | None:
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    return WriteLock(Path(file)) if file else None


def _set_up_sqlite(engine: Engine) -> None:
    """Serialise writers from the start of their transactions, and let readers wait for nobody."""

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin below, not implicitly in the driver
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",  # purged content is overwritten, not left in free pages
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("read_only")
        # A transaction that reads before it writes could not wait for the write lock any more.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "(not a URL)"


def _cause(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
