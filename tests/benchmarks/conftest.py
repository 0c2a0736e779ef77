"""Fixtures of the benchmarks' tests: a benchmark's smallest run, and an environment with Keras."""

import inspect
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.keras_environment import keras_python
from pneumoscope.dataset import Manifest, open_dataset

MAIN_BLOCK = 'if __name__ == "__main__":\n    main()\n'


@pytest.fixture(scope="session")
def run_benchmark(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, list]]:
    """Run a benchmark at its smallest size and return its tables' rows by title.

    It runs in this process, since importing PyTorch takes longer than most benchmarks.
    """

    def run(name: str, *words: object, out: Path | None = None) -> dict[str, list]:
        out = out or tmp_path_factory.mktemp("out")
        module = import_module(f"benchmarks.{name}")
        assert inspect.getsource(module).endswith(MAIN_BLOCK)
        argv = [name, "--smallest", "--out", str(out), *map(str, words)]
        with pytest.MonkeyPatch.context() as patched, redirect_stdout(io.StringIO()) as output:
            patched.setattr("sys.argv", argv)
            try:
                module.main()
            except SystemExit as ended:
                if ended.code:
                    raise AssertionError(ended.code) from ended
        assert output.getvalue() == (out / f"{name}.md").read_text()
        content = json.loads((out / f"{name}.json").read_text())
        assert f"benchmarks.{name} --smallest" in content["about"]["command"]
        assert f"- torch: {content['about']['torch']}" in output.getvalue()
        return {table["title"]: table["rows"] for table in content["tables"]}

    return run


@pytest.fixture(scope="session")
def keras_env(made_once: Callable[..., Path]) -> Path:
    """Install Keras; without a package registry skip, or fail where all programs are required."""
    try:
        with pytest.MonkeyPatch.context() as patched:
            # To pip, "off" means "do not compile", which takes as long as installing.
            patched.setenv("PIP_NO_COMPILE", "off")
            return made_once("keras", keras_python)
    except subprocess.CalledProcessError:
        query = [sys.executable, "-m", "pip", "index", "versions", "tensorflow-cpu"]
        if subprocess.run(query, capture_output=True).returncode == 0:
            raise
        reason = "pip reaches no package registry for tensorflow-cpu"
        if os.environ.get("PNEUMOSCOPE_REQUIRE_PROGRAMS"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def opened_before(children: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the opening of the children's dataset, which takes longer than the rest."""

    def opened(source: Path, *more: Path) -> Manifest:
        return children if source.resolve() == children.root else open_dataset(source, *more)

    for module in ("adults", "adults_data", "refusal_limits"):
        monkeypatch.setattr(f"benchmarks.{module}.open_dataset", opened)
