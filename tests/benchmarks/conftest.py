"""A benchmark called as a person calls it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import postgres
from benchmarks.keras_environment import keras_python

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def run_benchmark(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, list]]:
    """Run a benchmark at its smallest size and return its tables' rows by title."""

    def run(name: str, *words: object, out: Path | None = None) -> dict[str, list]:
        out = out or tmp_path_factory.mktemp("out")
        command = [sys.executable, "-m", f"benchmarks.{name}", "--smallest", "--out", out, *words]
        done = subprocess.run(map(str, command), cwd=CHECKOUT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout == (out / f"{name}.md").read_text()
        content = json.loads((out / f"{name}.json").read_text())
        assert f"benchmarks.{name} --smallest" in content["about"]["command"]
        assert f"- torch: {content['about']['torch']}" in done.stdout
        return {table["title"]: table["rows"] for table in content["tables"]}

    return run


@pytest.fixture(scope="session")
def keras_env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install Keras; without a registry skip, or fail where everything must be there."""
    folder = tmp_path_factory.mktemp("keras") / "env"
    try:
        keras_python(folder)
    except subprocess.CalledProcessError:
        ask = [sys.executable, "-m", "pip", "index", "versions", "tensorflow-cpu"]
        if subprocess.run(ask, capture_output=True).returncode == 0:
            raise
        reason = "pip reaches no package registry for tensorflow-cpu"
        if os.environ.get("PNEUMOSCOPE_REQUIRE_PROGRAMS"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """Return the folder of PostgreSQL's programs; skip, or fail where all must be there."""
    found = postgres.programs()
    if found is None:
        reason = "PostgreSQL is not installed (see tests/system-packages.txt)"
        if os.environ.get("PNEUMOSCOPE_REQUIRE_PROGRAMS"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found
