"""Experiments that are killed at any moment, and resumed."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics

# Each experiment runs in a process of its own, forked from one that has imported everything.
# Figures are not drawn, as in all tests, and intervals are those of 100 resamples.
KILLED = """
import json, os, sys
import pneumoscope.workflows.experiment
import torch._dynamo  # as training does
import pneumoscope.report.html
from pneumoscope.cli import main
from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics
from tests.conftest import UndrawnCanvas

pneumoscope.report.html.FigureCanvasAgg = UndrawnCanvas
bootstrap_metrics.__defaults__ = (100, 0)

def run(writes, cache, words):
    os.environ["XDG_CACHE_HOME"] = cache
    sync, left = os.fsync, writes
    def kill(handle):
        nonlocal left
        left -= 1
        if left < 0:
            os._exit(9)  # no clean-up of any kind, as after kill -9 or a power cut
        sync(handle)
    os.fsync = kill
    try:
        main(words)
    except SystemExit as ended:
        sys.stdout.flush()
        os._exit(ended.code or 0)  # a fork cannot join the threads of the process it comes from

for arguments in json.load(sys.stdin):
    child = os.fork()
    if not child:
        run(*arguments)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

# While an epoch is stored, features are cached, and the first Run is evaluated on the test split.
WRITES = (22, 55, 94)
ALL_WRITES = 10_000


@pytest.fixture(scope="module")
def words(small_dataset: Path) -> list[str]:
    settings = ["--set", "image_size=64", "--set", "epochs=2", "--set", "weights=none"]
    return ["experiment", str(small_dataset), "--model=model_1", "--model=model_5", *settings]


@pytest.fixture(scope="module")
def folders(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Return the folders of experiments that were killed after a number of writes, or never."""
    out = {writes: tmp_path_factory.mktemp("killed") / "out" for writes in (*WRITES, ALL_WRITES)}
    runs = [
        (writes, str(at.parent / "cache"), [*words, "--out", str(at)]) for writes, at in out.items()
    ]
    process = subprocess.run(
        [sys.executable, "-c", KILLED], input=json.dumps(runs), capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    codes = [line for line in process.stdout.splitlines() if line in ("0", "9")]
    assert codes == ["9"] * len(WRITES) + ["0"]
    return out


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("writes", WRITES)
def test_an_experiment_killed_at_any_moment_resumes_to_the_same_end(
    words: list[str],
    folders: dict[int, Path],
    pneumoscope: Callable,
    monkeypatch: pytest.MonkeyPatch,
    writes: int,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folders[writes].parent / "cache"))
    monkeypatch.setattr(bootstrap_metrics, "__defaults__", (100, 0))
    outcome = pneumoscope(*words, "--out", folders[writes], "--resume")
    assert outcome.code == 0, outcome.err
    resumed, uninterrupted = contents(folders[writes]), contents(folders[ALL_WRITES])
    assert set(resumed) == set(uninterrupted)  # no file is missing or left half written
    same = [name for name in resumed if name.endswith((".safetensors", ".png"))]
    same += [name for name in resumed if "predictions" in name or "metrics" in name]
    assert len(same) == 2 * (1 + 7 + 2 + 2)
    assert [name for name in same if resumed[name] != uninterrupted[name]] == []
