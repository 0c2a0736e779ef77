"""The clinic's database: SQLite, or PostgreSQL by URL; opened, migrated, in transactions."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session

from pneumoscope.clinic.storage.write_lock import WriteLock
from pneumoscope.support.errors import ClinicError

MIGRATIONS = Path(__file__).parent / "migrations"

_PATIENCE = 30.0
"""Seconds that a transaction waits for SQLite's one writer."""

_KEPT = 5
_THREADS = 40
"""In which a server answers (anyio's default): who only reads must not wait for a connection."""


class Database:
    """A database whose tables are those of this version.

    Parameters
    ----------
    url
        Of SQLAlchemy: ``sqlite:///clinic.db``, ``postgresql+psycopg://user@host/name``.

    Raises
    ------
    ClinicError
        If it cannot be opened, or is of a newer version.

    Examples
    --------
    >>> from sqlalchemy import select
    >>> from pneumoscope.clinic.storage.tables import Site
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> with database.writing() as session:
    ...     session.add(Site(name="Ward 1"))
    >>> with database.reading() as session:
    ...     print(session.scalars(select(Site.name)).all())
    ['Ward 1']
    """

    def __init__(self, url: str) -> None:
        try:
            self._writes = create_engine(
                url,
                connect_args=_connect_arguments(url),
                pool_size=_KEPT,
                max_overflow=_THREADS - _KEPT,
            )
            self._turns = _turns(self._writes)
            if self.is_sqlite:
                _set_up_sqlite(self._writes)
            self._reads = self._writes.execution_options(read_only=True)
            self._migrate()
        except (ArgumentError, TypeError, NoSuchModuleError, ImportError, DBAPIError) as error:
            raise ClinicError(
                f"the database {_without_password(url)} cannot be opened ({_cause(error)}); name "
                "one as sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME, and see that its "
                "folder or server is there"
            ) from error

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite."""
        return self._writes.dialect.name == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield a session in a transaction that is kept if the block ends well."""
        with (
            self._turn(),
            Session(self._writes, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session that changes nothing, and waits for no writer."""
        with Session(self._reads, expire_on_commit=False) as session:
            yield session

    def close(self) -> None:
        """Close all connections."""
        self._writes.dispose()

    def _turn(self) -> AbstractContextManager[None]:
        return nullcontext() if self._turns is None else self._turns.taken()

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self._writes.begin() as connection:
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise ClinicError(
                    f"the database {self._writes.url.render_as_string()} was used by another "
                    f"version of pneumoscope ({error}); use that version, or a newer one"
                ) from error


def lock(session: Session, name: str) -> None:
    """Wait until no other transaction holds a name, and hold it to the end of this one.

    Parameters
    ----------
    session
        In a transaction that writes.
    name
        Of whatever is to be kept from being changed by two at a time.

    Notes
    -----
    Advisory locks of PostgreSQL, whose keys are numbers of 64 bits: two names may, once in a blue
    moon, wait for each other. SQLite has one transaction at a time that writes, from its BEGIN on.
    """
    connection = session.connection()  # begins, if nothing has been asked yet
    if connection.dialect.name == "postgresql":
        key = int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(key)))


def _turns(engine: Engine) -> WriteLock | None:
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    return WriteLock(Path(file)) if file else None


def _connect_arguments(url: str) -> dict[str, Any]:
    return {"timeout": _PATIENCE} if make_url(url).get_backend_name() == "sqlite" else {}


def _set_up_sqlite(engine: Engine) -> None:
    """Have writers take turns from the start of a transaction, and readers wait for nobody."""

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin below, not when the driver likes
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",  # what is purged does not stay in free space
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("read_only")
        # A transaction that reads first and then writes could not wait for its turn any more.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "(not a URL)"


def _cause(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
