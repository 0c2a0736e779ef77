"""What loggers are told, and that none of them stops a training."""

import json
from pathlib import Path

import numpy as np
import pytest

from pneumoscope.dataset import Split
from pneumoscope.support.errors import RunError, RunInterruptedError
from pneumoscope.training import ExampleStore, Recipe, Run, make_recipe, train
from pneumoscope.training.history import Epoch
from pneumoscope.training.loggers.training_logger import ExampleImages, epoch_metrics
from pneumoscope.training.trainer import Trainer


class Recorder:
    """Logger that remembers its calls, and fails in one of them if it is told to."""

    title = "Recorder"

    def __init__(self, fails_in: str = "") -> None:
        self.fails_in, self.calls = fails_in, []

    def _record(self, call: str, value: object) -> None:
        self.calls.append((call, value))
        if call == self.fails_in:
            raise ConnectionError("no such server\nmore")

    def start(self, run: Run, images: ExampleImages) -> str:
        self.images = images
        self._record("start", run.folder.name)
        return "memory"

    def log_epoch(self, epoch: Epoch) -> None:
        self._record("epoch", epoch)

    def finish(self, *, completed: bool) -> None:
        self._record("finish", completed)

    @property
    def names(self) -> list[str]:
        return [call for call, _ in self.calls]


def recipe(*settings: str) -> Recipe:
    return make_recipe("model_1", assignments=["image_size=64", "epochs=2", *settings])


def test_a_logger_gets_each_epoch_as_the_history_has_it(
    store: ExampleStore, tmp_path: Path
) -> None:
    logger = Recorder()
    run = train(store, recipe(), tmp_path / "run", loggers=[logger])
    history = run.history()
    assert logger.calls == [
        ("start", "run"),
        *(("epoch", epoch) for epoch in history),
        ("finish", True),
    ]
    pixels = store.pixels(Split.TRAIN, recipe())
    for label, name in enumerate(("NORMAL", "PNEUMONIA")):
        assert len(logger.images[name]) == 4
        rows = pixels.rows[pixels.labels == label]
        for image in logger.images[name]:
            assert any(np.array_equal(image, pixels.inputs[row]) for row in rows)


def test_the_accuracy_is_that_of_the_final_evaluation(store: ExampleStore, tmp_path: Path) -> None:
    run = train(store, recipe(), tmp_path / "run")
    stored = json.loads((run.folder / "metrics" / "validation.json").read_text())
    metrics = epoch_metrics(run.history()[-1])
    for name in ("accuracy", "recall", "auc"):
        assert metrics[f"validation/{name}"] == stored[name]


@pytest.mark.parametrize("place", ["start", "epoch", "finish"])
def test_a_logger_that_fails_warns_and_is_left_out(
    place: str, store: ExampleStore, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    broken, sound = Recorder(place), Recorder()
    run = train(store, recipe(), tmp_path / "run", loggers=[broken, sound])
    assert run.record.finished
    assert broken.names[-1] == place
    assert broken.names.count(place) == 1
    assert sound.names == ["start", "epoch", "epoch", "finish"]
    shown = " ".join(capsys.readouterr().err.split())
    assert shown.count("run is not logged any further (ConnectionError: no such server)") == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RunError("diverged")])
def test_a_resumed_training_is_logged_from_its_first_epoch(
    error: BaseException, store: ExampleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Trainer.run_epoch

    def struck(self: Trainer, *arguments: object) -> Epoch:
        if self.history:
            raise error
        return original(self, *arguments)

    first, second = Recorder(), Recorder()
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run_epoch", struck)
        with pytest.raises((RunInterruptedError, RunError)):
            train(store, recipe(), tmp_path / "run", loggers=[first])
    assert first.names == ["start", "epoch", "finish"]
    assert first.calls[-1] == ("finish", False)
    run = train(store, recipe(), tmp_path / "run", resume=True, loggers=[second])
    assert tuple(epoch for call, epoch in second.calls if call == "epoch") == run.history()


def test_a_history_without_accuracy_is_read(store: ExampleStore, tmp_path: Path) -> None:
    """Versions up to 0.2.0 wrote it so."""
    run = train(store, recipe(), tmp_path / "run")
    lines = run.history_path.read_text().splitlines()
    run.history_path.write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")
    assert [epoch.val_accuracy for epoch in run.history()] == [None, None]
    assert "validation/accuracy" not in epoch_metrics(run.history()[0])
