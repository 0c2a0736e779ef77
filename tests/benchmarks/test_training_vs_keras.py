"""The notebook's program and ours, with tensorflow-cpu installed for the test."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import programs, training_vs_keras
from benchmarks.comparison import Task
from benchmarks.keras_environment import keras_python
from benchmarks.programs import KERAS_PROGRAM, Workplace, link_images, run_measured
from benchmarks.training_vs_keras import COMPARED, covered
from pneumoscope.dataset import Label, Split, open_dataset
from pneumoscope.models import (
    NOTEBOOK_MODELS,
    Precision,
    count_parameters,
    describe_network,
)

pytestmark = pytest.mark.timeout(1800)


@pytest.mark.thorough
def test_both_programs_are_measured_and_results_are_reused(
    run_benchmark: Callable, keras_env: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a host whose fastest precision is float32, the only one to run then."""
    monkeypatch.setattr(training_vs_keras, "fastest_precision", lambda: Precision.FLOAT32)
    tables = run_benchmark("training_vs_keras", "--keras-env", keras_env, out=tmp_path)
    programs = ["notebook", "ours, float32"]
    models = tables["Models"]
    assert [(row["model"], row["program"]) for row in models] == [("model_1", p) for p in programs]
    assert [row["program"] for row in tables["The whole experiment"]] == programs
    assert [row["goal"] for row in tables["Goals"]] == ["model_1, an epoch: times faster"]
    for row in models:
        assert row["times faster"] == models[0]["s an epoch, median"] / row["s an epoch, median"]
        assert 0 < row["s an epoch, median"] < row["s to the end"]
        assert row["peak memory MB"] > 200

    results = tmp_path / "training_vs_keras"
    manifest = open_dataset(results / "phantoms")
    stored = {path: path.read_bytes() for path in results.glob("*-seed0.json")}
    assert len(stored) == len(programs) + 1  # the model's programs, and the experiment
    for content in map(json.loads, stored.values()):
        if "labels" in content:
            truth = sorted(entry.label for entry in manifest.of(Split.TEST))
            assert sorted(content["labels"]) == truth
            assert len(content["epoch_seconds"]) == content["task"]["epochs"] == 1
            assert all(0 <= probability <= 1 for probability in content["probabilities"])

    again = run_benchmark("training_vs_keras", "--keras-env", keras_env, out=tmp_path)
    assert again == tables
    assert {path: path.read_bytes() for path in results.glob("*-seed0.json")} == stored


COUNT = """
import json, keras_notebook as program
size = (program.SIZE, program.SIZE, 3)
print(json.dumps({
    name: program.Sequential([program.Input(size), *build()]).count_params()
    for name, build in program.MODELS.items()
}))
"""


@pytest.mark.thorough
def test_both_programs_have_the_same_networks(keras_env: Path) -> None:
    process = subprocess.run(
        [keras_python(keras_env), "-c", COUNT],
        cwd=KERAS_PROGRAM.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(process.stdout) == {
        name: count_parameters(describe_network(NOTEBOOK_MODELS[name])).total for name in COMPARED
    }


def test_all_programs_run_in_each_precision_and_split_by_the_first_seed(
    small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our experiment splits by its seed, and the models' programs learn from the manifest."""
    tasks: list[Task] = []

    def record(task: Task, *_: object) -> None:
        tasks.append(task)

    monkeypatch.setattr(training_vs_keras, "fastest_precision", lambda: Precision.BFLOAT16)
    monkeypatch.setattr(training_vs_keras, "keras_python", lambda _: Path("python"))
    monkeypatch.setattr(training_vs_keras, "run_once", record)
    words = [str(small_dataset), "--seeds", "3", "0", "--models", "model_1", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["training_vs_keras", *words])
    training_vs_keras.compare(training_vs_keras.read_options())
    assert {task.data for task in tasks} == {open_dataset(small_dataset, seed=3).fingerprint}
    assert {task.seed for task in tasks if "experiment" in task.model} == {3}
    programs = [(task.program, task.model) for task in tasks if task.seed == 3]
    assert programs == [
        ("notebook", "model_1"),
        ("bfloat16", "model_1"),
        ("bfloat16", "experiment+model_1"),
        ("float32", "model_1"),
        ("float32", "experiment+model_1"),
    ]


def test_our_runs_have_an_empty_cache_but_a_shared_list_of_fonts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: dict[str, str] = {}

    def run(*words: object) -> None:
        environment.update(words[-1])
        raise RuntimeError

    monkeypatch.setattr(programs, "run_measured", run)
    place = Workplace(tmp_path, tmp_path, tmp_path, tmp_path, results=tmp_path / "results")
    scratch = place.results / "scratch"
    with pytest.raises(RuntimeError):
        programs.train_once(Task("float32", "model_1", 0, 1, "data"), place, scratch)
    assert Path(environment["XDG_CACHE_HOME"]).is_relative_to(scratch)
    assert not Path(environment["MPLCONFIGDIR"]).is_relative_to(scratch)


def test_both_programs_see_the_same_files_and_splits(small_dataset: Path, tmp_path: Path) -> None:
    manifest = open_dataset(small_dataset)
    link_images(manifest, tmp_path / "links")
    for split, folder in zip(Split, ("train", "val", "test"), strict=True):
        for label in Label:
            linked = [
                path.resolve() for path in (tmp_path / "links" / folder / label.name).iterdir()
            ]
            expected = [small_dataset / e.path for e in manifest.of(split) if e.label is label]
            assert sorted(linked) == sorted(path.resolve() for path in expected)


def test_model_7_stands_for_all_with_vgg16() -> None:
    assert covered(["model_2"]) == ["model_2"]
    assert covered(["model_1", "model_7"]) == ["model_1", "model_5", "model_6", "model_7"]
    assert covered(COMPARED) == list(NOTEBOOK_MODELS)


def test_memory_is_that_of_the_command_and_not_of_its_caller(tmp_path: Path) -> None:
    ours = b"1" * 200_000_000
    small = run_measured(["true"], tmp_path / "log", tmp_path, {})
    assert small.peak_mb < 100 < len(ours) / 1e6
    allocate = "content = b'1' * 200_000_000"
    large = run_measured([sys.executable, "-c", allocate], tmp_path / "log", tmp_path, {})
    assert 200 < large.peak_mb < 300


def test_a_program_that_fails_names_its_log(tmp_path: Path) -> None:
    fail = [sys.executable, "-c", "raise SystemExit('no such image')"]
    with pytest.raises(RuntimeError, match=r"programs\.log"):
        run_measured(fail, tmp_path / "programs.log", tmp_path, {})
    assert "no such image" in (tmp_path / "programs.log").read_text()
