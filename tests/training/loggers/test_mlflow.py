"""MLflow: its database read with SQL, and a real tracking server asked over HTTP."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pneumoscope.dataset import open_dataset
from pneumoscope.support.cache import ArrayCache
from pneumoscope.training import ExampleStore, Run, make_recipe, train
from pneumoscope.training.loggers import open_loggers
from pneumoscope.training.loggers.training_logger import epoch_metrics, recipe_parameters

pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
pytestmark = pytest.mark.thorough  # MLflow takes seconds to import and to make its database


def train_logged(dataset: Path, folder: Path) -> Run:
    store = ExampleStore(open_dataset(dataset), ArrayCache(folder / "cache"))
    recipe = make_recipe("model_1", assignments=["image_size=64", "epochs=2"])
    return train(store, recipe, folder / "run", loggers=open_loggers(["mlflow"]))


def test_the_local_database_holds_history_recipe_and_examples(
    small_dataset: Path, tmp_path: Path
) -> None:
    """In a process of its own: MLflow keeps its address for as long as it is imported."""
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[3]); "
        "from test_mlflow import train_logged; train_logged(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    environment = {name: value for name, value in os.environ.items() if "MLFLOW" not in name}
    subprocess.run(
        [sys.executable, "-c", script, small_dataset, tmp_path, Path(__file__).parent],
        check=True,
        cwd=tmp_path,
        env=environment,
    )
    run = Run.open(tmp_path / "run")
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        (status, name, artifacts), *others = database.execute(
            "select status, runs.name, artifact_uri from runs"
        )
        parameters = dict(database.execute("select key, value from params"))
        metrics = list(database.execute("select step, key, value from metrics"))
    assert (status, name, others) == ("FINISHED", "run", [])
    assert parameters == {name: str(value) for name, value in recipe_parameters(run.recipe).items()}
    expected = {
        (epoch.epoch, name): value
        for epoch in run.history()
        for name, value in epoch_metrics(epoch).items()
    }
    assert {(step, key): value for step, key, value in metrics} == pytest.approx(expected)
    assert len(list((Path(artifacts.removeprefix("file://")) / "examples").glob("*.png"))) == 8


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("mlflow")
    if program is None:
        pytest.skip("no program mlflow is installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen(
        [program, "server", "--port", str(port), "--workers", "1"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address, until = f"http://127.0.0.1:{port}", time.monotonic() + 120
    try:
        while time.monotonic() < until and process.poll() is None:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5)
                break
            except OSError:
                time.sleep(0.5)
        else:
            pytest.skip("'mlflow server' does not start; mlflow-skinny alone has none")
        yield address
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 15)
        process.wait(30)


def test_a_tracking_server_gets_each_epoch(
    server: str, small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "chests")
    run = train_logged(small_dataset, tmp_path)

    def ask(path: str, content: dict | None = None) -> dict:
        request = urllib.request.Request(
            f"{server}/api/2.0/mlflow/{path}",
            None if content is None else json.dumps(content).encode(),
            {"Content-Type": "application/json"},
        )
        return json.load(urllib.request.urlopen(request, timeout=30))

    experiment = ask("experiments/get-by-name?experiment_name=chests")["experiment"]
    (found,) = ask("runs/search", {"experiment_ids": [experiment["experiment_id"]]})["runs"]
    assert found["info"]["status"] == "FINISHED"
    assert found["info"]["run_name"] == "run"
    path = f"metrics/get-history?run_id={found['info']['run_id']}&metric_key=validation/loss"
    points = {int(point.get("step", 0)): point["value"] for point in ask(path)["metrics"]}
    assert points == pytest.approx({epoch.epoch: epoch.val_loss for epoch in run.history()})


def test_an_absent_server_does_not_stop_a_training(
    small_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    run = train_logged(small_dataset, tmp_path)
    assert run.record.finished
    assert "MLflow: run is not logged any further" in " ".join(capsys.readouterr().err.split())
