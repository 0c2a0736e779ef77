"""The tutorial's commands and programs, as a stranger would type them."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
BLOCKS = re.compile(r"^```python\n([\s\S]+?)^```|((?:^ {4}\S.*\n(?:^ {8}.*\n)*)+)", re.M)
WRITTEN = (
    *("summary/summary.html", "experiment/report.html", "experiment/results.json", "ward.parquet"),
    *("runs/compact/run.json", "bundle/MODEL_CARD.md", "readings.csv", "validation/report.html"),
    "evaluation/report.html",
)


def test_the_tutorial_runs_as_it_stands(
    pneumoscope: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    commands = programs = 0
    for block in BLOCKS.finditer(PAGE.read_text()):
        program, typed = block.groups()
        if program is not None:
            exec(compile(program, str(PAGE), "exec"), {})
            programs += 1
            continue
        for line in typed.replace("\\\n", " ").strip().splitlines():
            name, *words = shlex.split(line)
            assert name == "pneumoscope"
            outcome = pneumoscope(*words)
            # `read` says by its exit code that some images were not read.
            assert outcome.code in ((0, 1) if words[0] == "read" else (0,)), (line, outcome.err)
            commands += 1
    assert (commands, programs) == (13, 2)
    for file in WRITTEN:
        assert (tmp_path / file).exists(), file
