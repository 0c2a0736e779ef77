"""Every test of the clinic runs on SQLite and on a real PostgreSQL server."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from benchmarks.postgres import postgres_server, programs
from pneumoscope.clinic.database import Database
from pneumoscope.dataset.phantoms import generate_phantoms
from pneumoscope.reader import Reader, load

from .running import Server, start


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Start a PostgreSQL server of our own; yield its URL without a database's name."""
    installed = programs()
    if installed is None:
        if os.environ.get("PNEUMOSCOPE_REQUIRE_PROGRAMS"):
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with postgres_server(installed, durable=False) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/clinic.db"
        return
    server: str = request.getfixturevalue("postgres")
    name = f"clinic_{uuid4().hex}"
    ours = server.format(name="postgres").replace("+psycopg", "")
    with psycopg.connect(ours, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield server.format(name=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Yield a database with the tables of this version."""
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def reader() -> Reader:
    """Return the reader with the bundle that comes with the package."""
    return load(threads=1)


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Return six radiographs that are none, as PNG; the reader flags them."""
    folder = tmp_path_factory.mktemp("phantoms") / "made"
    generate_phantoms(folder, count=30, size=224)
    return [path.read_bytes() for path in sorted(folder.rglob("*.png"))][:6]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = start(tmp_path / "clinic")
    yield running
    running.process.kill()
    running.process.wait()
