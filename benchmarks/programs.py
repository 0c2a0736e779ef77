"""Runs of the notebook's program and ours, each once in a measured process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.comparison import NOTEBOOK, Result, Task, WholeExperiment, label
from benchmarks.report import CHECKOUT
from pneumoscope.dataset import Manifest, Split
from pneumoscope.support.files import atomic_folder, write_text
from pneumoscope.support.terminal import messages
from pneumoscope.training import Run
from pneumoscope.training.evaluate import read_predictions

KERAS_FOLDERS = {Split.TRAIN: "train", Split.VALIDATION: "val", Split.TEST: "test"}
KERAS_PROGRAM = CHECKOUT / "benchmarks" / "keras_notebook.py"
MEASURED_PROCESS = CHECKOUT / "benchmarks" / "measured_process.py"
OUR_PROGRAM = [sys.executable, "-m", "pneumoscope"]

Outcome = TypeVar("Outcome", Result, WholeExperiment)


@dataclass(frozen=True)
class Workplace:
    """Inputs of the programs, and the folder of their results.

    Parameters
    ----------
    source, manifest
        The dataset, and its manifest as a file.
    images
        The manifest's splits as folders of links (see `link_images`).
    python
        Interpreter of the notebook's program.
    results
        Folder for a JSON file and a log of each program.
    """

    source: Path
    manifest: Path
    images: Path
    python: Path
    results: Path


@dataclass(frozen=True)
class Usage:
    """Duration of a process in seconds, and its peak resident memory."""

    seconds: float
    peak_mb: float


Program = Callable[[Task, Workplace, Path], Outcome]
"""Function that runs a task in an empty scratch folder."""


def run_once(
    task: Task, place: Workplace, kind: type[Outcome], program: Program[Outcome]
) -> Outcome:
    """Return the stored result of a task, or run it now and store the result."""
    path = place.results / f"{_name(task)}.json"
    if path.exists():
        fields = json.loads(path.read_text())
        if fields["task"] == asdict(task):
            return kind(**fields | {"task": task})
    messages.print(f"{task.model}, seed {task.seed}: {label(task.program)}")
    with tempfile.TemporaryDirectory(dir=place.results) as scratch:
        outcome = program(task, place, Path(scratch))
    write_text(path, json.dumps(asdict(outcome)) + "\n")
    messages.print(f"  {outcome.seconds:.0f} s")
    return outcome


def train_once(task: Task, place: Workplace, scratch: Path) -> Result:
    """Train and evaluate one model in either program."""
    return (
        _train_keras(task, place, scratch)
        if task.program == NOTEBOOK
        else _train_ours(task, place, scratch)
    )


def experiment_once(task: Task, place: Workplace, scratch: Path) -> WholeExperiment:
    """Run our whole experiment, from the source to the report."""
    _, *models = task.model.split("+")
    words = ["experiment", place.source, "--out", scratch / "out", *_settings(task)]
    words += [f"--model={model}" for model in models]
    usage = _run_ours(words, task, place, scratch)
    runs = {model: Run.open(scratch / "out" / "runs" / model) for model in models}
    epochs = {model: len(run.history()) for model, run in runs.items()}
    return WholeExperiment(task, usage.seconds, usage.peak_mb, epochs)


def link_images(manifest: Manifest, folder: Path) -> None:
    """Link the splits of a manifest into the ``split/CLASS`` folders that Keras reads."""
    if folder.exists():
        return
    with atomic_folder(folder) as new:
        for split, name in KERAS_FOLDERS.items():
            for number, entry in enumerate(manifest.of(split)):
                # Numbered, since folders of the source may hold images of the same name.
                link = new / name / entry.label.name / f"{number:06}-{Path(entry.path).name}"
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to((manifest.root / entry.path).resolve())


def run_measured(
    command: Sequence[object], log: Path, scratch: Path, environment: Mapping[str, str]
) -> Usage:
    """Run a command, and return its duration and peak memory.

    Raises
    ------
    RuntimeError
        If it fails; its output is in ``log``.
    """
    report = scratch / "usage.json"
    words = [str(word) for word in (sys.executable, MEASURED_PROCESS, report, *command)]
    with log.open("w") as output:
        process = subprocess.run(
            words, stdout=output, stderr=subprocess.STDOUT, env=os.environ | environment
        )
    if process.returncode:
        raise RuntimeError(f"{log}: a program failed; this file has its output")
    return Usage(**json.loads(report.read_text()))


def _train_keras(task: Task, place: Workplace, scratch: Path) -> Result:
    result = scratch / "result.json"
    command = [place.python, KERAS_PROGRAM, place.images, "--model", task.model, "--out", result]
    command += ["--epochs", task.epochs, "--seed", task.seed]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_HOME": str(scratch)}
    usage = run_measured(command, _log(task, place), scratch, environment)
    return Result(task, usage.seconds, usage.peak_mb, **json.loads(result.read_text()))


def _train_ours(task: Task, place: Workplace, scratch: Path) -> Result:
    words = ["train", place.manifest, "--model", task.model, "--out", scratch, "--test"]
    usage = _run_ours([*words, *_settings(task)], task, place, scratch)
    run = Run.open(scratch / task.model)
    tested = read_predictions(run, Split.TEST)
    return Result(
        task,
        usage.seconds,
        usage.peak_mb,
        [epoch.seconds for epoch in run.history()],
        tested.labels.tolist(),
        tested.probabilities.tolist(),
    )


def _run_ours(words: list[object], task: Task, place: Workplace, scratch: Path) -> Usage:
    """Run our command line with an empty cache, so that decoding and VGG16's pass count.

    Matplotlib's list of the host's fonts does not count: it is made once and kept.
    """
    environment = {
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "MPLCONFIGDIR": str(place.results / "matplotlib"),
    }
    return run_measured([*OUR_PROGRAM, *words], _log(task, place), scratch, environment)


def _settings(task: Task) -> list[str]:
    words = ["--weights", "none", "--seed", str(task.seed), "--set", f"precision={task.program}"]
    return words if not task.epochs else [*words, "--set", f"epochs={task.epochs}"]


def _log(task: Task, place: Workplace) -> Path:
    return place.results / f"{_name(task)}.log"


def _name(task: Task) -> str:
    return f"{task.model}-{task.program}-seed{task.seed}"
