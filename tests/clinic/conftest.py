"""Fixtures of the clinic: database tests run on SQLite and on a real PostgreSQL server."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from argon2 import PasswordHasher

from pneumoscope.clinic import settings
from pneumoscope.clinic.identity import passwords
from pneumoscope.clinic.identity import tables as _identity  # noqa: F401 (registers)
from pneumoscope.clinic.monitoring import tables as _monitoring  # noqa: F401 (registers)
from pneumoscope.clinic.monitoring.overview import Baseline
from pneumoscope.clinic.privacy import tables as _privacy  # noqa: F401 (registers its tables)
from pneumoscope.clinic.settings import Settings
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.table_base import Table
from pneumoscope.clinic.storage.unknown_age import UnknownAge
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.reader import AnyReader, Bundle, Reader, find_bundle

from ..postgres import create_database, postgres_server
from .running import Server, start
from .simulated import Simulated

Readers = Mapping[UnknownAge, AnyReader]

EMPTY_TABLES = "; ".join(
    [
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        "SET session_replication_role = replica",  # suspends foreign keys
        *(f'DELETE FROM "{name}"' for name in Table.metadata.tables),
        "SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false)"
        " FROM pg_sequences",
    ]
)
"""Resets a PostgreSQL database to its state after the migrations, and ends all connections."""


@pytest.fixture(scope="session")
def postgres(postgres_programs: Path) -> Iterator[str]:
    """Yield the URL of a temporary PostgreSQL server, without a database's name."""
    with postgres_server(postgres_programs, durable=False) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/clinic.db"
    return create_database(request.getfixturevalue("postgres"), f"without_tables_{uuid4().hex}")


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file with the tables of this version, to be copied."""
    file = tmp_path_factory.mktemp("tables") / "clinic.db"
    Database(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def postgres_tables(postgres: str) -> str:
    """Return the URL of a PostgreSQL database with the tables of this version, to be reused."""
    url = create_database(postgres, "with_tables")
    Database(url).close()
    return url


def make_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a migrated database without rows, of the kind that the parameter names.

    The tables are reused, since the migrations take longer than most tests.
    """
    if request.param == "sqlite":
        file = shutil.copyfile(request.getfixturevalue("sqlite_tables"), tmp_path / "clinic.db")
        yield f"sqlite:///{file}"
        return
    tables: str = request.getfixturevalue("postgres_tables")
    yield tables
    with psycopg.connect(tables.replace("+psycopg", "")) as connection:
        connection.execute(EMPTY_TABLES)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a migrated database without rows; tests run on both kinds of database."""
    yield from make_url(request, tmp_path)


on_both_databases = pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
"""Mark of a test in api/ that a database could fail: one that locks, sorts, searches or counts."""


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Yield a migrated database without rows."""
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make password hashing fast; test_passwords checks the real parameters."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(memory_cost=8, parallelism=1))


@pytest.fixture(scope="session", autouse=True)
def _bundles_opened_once() -> Iterator[None]:
    """Let all clinics of this process share the shipped bundles, whose bytes are checked once."""

    class OpenedOnce(Bundle):
        open = staticmethod(cache(Bundle.open))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "Bundle", OpenedOnce)
        yield


@pytest.fixture(scope="session")
def reader() -> Reader:
    """Return a reader with the default bundle that refuses no unlike images, such as phantoms."""
    bundle = Bundle.open(find_bundle("default"))
    record = bundle.record.model_copy(update={"refusal": None})
    return Reader(replace(bundle, record=record), threads=1)


@pytest.fixture(scope="session")
def readers(reader: Reader) -> Readers:
    """Return that reader for each setting of a site."""
    return dict.fromkeys(UnknownAge, reader)


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Return six synthetic radiographs as PNG; the reader flags them."""
    folder = tmp_path_factory.mktemp("phantoms") / "made"
    generate_phantoms(folder, count=30, size=224)
    return [path.read_bytes() for path in sorted(folder.rglob("*.png"))][:6]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = start(tmp_path / "clinic")
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture(scope="session")
def baseline() -> Baseline:
    """Return the baseline of the default bundle."""
    return Baseline.of(Bundle.open(find_bundle("default")), Settings(Path()))


@pytest.fixture
def simulated(database: Database, baseline: Baseline) -> Simulated:
    """Return an empty clinic to be filled with patients."""
    return Simulated(database, baseline)
