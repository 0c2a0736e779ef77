"""Run directories: their contents, and resuming after a kill, a full disk or Ctrl-C."""

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from pneumoscope.dataset import Manifest, Split, open_dataset
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.metrics import measure
from pneumoscope.models.vgg16 import load_vgg16
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RunError, RunInterruptedError, StorageError, WeightsError
from pneumoscope.training import ExampleStore, Recipe, Run, evaluate_run, make_recipe, train
from pneumoscope.training.evaluate import is_evaluated
from pneumoscope.training.trainer import Trainer

from ..conftest import drawn_figures
from .conftest import quick


def test_a_run_holds_all_inputs_and_results(store: ExampleStore, tmp_path: Path) -> None:
    with drawn_figures():
        run = train(store, quick("model_6"), tmp_path / "run")
        evaluate_run(run, store)
    folder = tmp_path / "run"
    assert Recipe.read(folder / "recipe.yaml") == quick("model_6")
    assert Manifest.read(folder / "manifest.parquet").fingerprint == store.manifest.fingerprint
    record = json.loads((folder / "run.json").read_text())
    assert record["finished"]
    assert record["manifest_fingerprint"] == store.manifest.fingerprint
    assert "random weights" in record["initial_weights"]["origin"]
    assert record["initial_weights"]["digest"] == load_vgg16("none", 0).digest
    assert {"python", "device", "git_commit", "packages"} <= set(record["environment"])
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for split, n in (("validation", 8), ("test", 16)):
        table = Predictions.read(folder / "predictions" / f"{split}.csv")
        assert len(table.files) == n
        stored = json.loads((folder / "metrics" / f"{split}.json").read_text())
        assert stored["auc"] == measure(table).value("auc")
        for figure in ("confusion", "roc", "precision_recall"):
            assert (folder / "figures" / f"{split}_{figure}.png").stat().st_size > 1000
    assert (folder / "figures" / "history.png").stat().st_size > 1000
    assert "epoch 3/3" in (folder / "train.log").read_text()
    assert len(load_file(folder / "checkpoints" / "final.safetensors")) > 26
    first = (folder / "predictions" / "test.csv").read_text()
    again = Run.open(folder)
    evaluate_run(again, ExampleStore(again.manifest(), ArrayCache(tmp_path / "another_cache")))
    assert (folder / "predictions" / "test.csv").read_text() == first


@pytest.mark.parametrize("balance", ["sampler", "acquisition"])
def test_class_balance_sets_sampling_weights(
    balance: str, store: ExampleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainers: list[Trainer] = []
    monkeypatch.setattr(
        Trainer, "finished", property(lambda self: bool(trainers.append(self)) or True)
    )
    train(store, quick("model_1", f"class_balance={balance}"), tmp_path / "run")
    learned, weights = trainers[0].train, trainers[0]._sampling_weights
    assert weights is not None
    assert weights.shape == (len(learned),)
    if balance == "sampler":
        ill = learned.labels == 1
        assert weights[ill].sum() == pytest.approx(weights[~ill].sum())


def test_every_reading_of_the_test_split_is_recorded(store: ExampleStore, run: Run) -> None:
    readings = run.folder / "test_readings.csv"
    assert not readings.exists()
    assert not (run.folder / "predictions" / "test.csv").exists()
    for count in (1, 2):
        evaluate_run(run, store)
        rows = list(csv.DictReader(readings.open()))
        assert len(rows) == count
        assert rows[-1]["images"] == "16"


def weights(folder: Path) -> bytes:
    return (folder / "checkpoints" / "final.safetensors").read_bytes()


def test_killed_and_resumed_ends_with_the_weights_of_an_uninterrupted_run(
    store: ExampleStore, small_dataset: Path, tmp_path: Path
) -> None:
    settings = ["image_size=64", "epochs=6", "augmentation.rotation=5", "early_stopping=null"]
    words = ["--model=model_4", *(word for setting in settings for word in ("--set", setting))]
    process = subprocess.Popen(
        [sys.executable, "-m", "pneumoscope", "train", small_dataset, "--out", tmp_path, *words],
        stderr=subprocess.DEVNULL,
    )
    killed, whole = tmp_path / "model_4", tmp_path / "whole"
    until = time.monotonic() + 120
    while not (killed / "history.csv").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    run = Run.open(killed)
    assert not run.record.finished
    done = len(run.history())
    assert 1 <= done < 6
    recipe = make_recipe("model_4", assignments=settings)
    train(store, recipe, killed, resume=True)
    train(store, recipe, whole)
    assert weights(killed) == weights(whole)
    assert f"resumed after epoch {done}" in (killed / "train.log").read_text()

    def losses(folder: Path) -> list[tuple[float, float]]:
        return [(epoch.loss, epoch.val_loss) for epoch in Run.open(folder).history()]

    assert losses(killed) == losses(whole)


def stop_in_epoch(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException) -> None:
    """Raise an error at the beginning of an epoch."""
    original = Trainer.run_epoch

    def struck(self: Trainer, on_batches: Callable[[int, float], None]) -> object:
        if len(self.history) + 1 == number:
            raise error
        return original(self, on_batches)

    monkeypatch.setattr(Trainer, "run_epoch", struck)


def test_an_interruption_says_how_to_continue(
    store: ExampleStore, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 2, KeyboardInterrupt())
        with pytest.raises(RunInterruptedError, match=r"finished epochs are kept.*--resume"):
            train(store, quick(), tmp_path / "run")
    run = train(store, quick(), tmp_path / "run", resume=True)
    assert [epoch.epoch for epoch in run.history()] == [1, 2, 3]
    assert weights(tmp_path / "run") == weights(uninterrupted)


def test_the_best_epoch_is_kept_even_if_the_training_was_interrupted_after_it(
    store: ExampleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights are those of a training that ended with that epoch."""
    settings = ["weight_average=0.5", "learning_rate=0.003", "epochs=5", "early_stopping=null"]
    best = quick("model_1", *settings, "keep=best")
    whole = train(store, best, tmp_path / "whole")
    losses = [epoch.val_loss for epoch in whole.history()]
    kept = 1 + losses.index(min(losses))
    assert kept < 5, losses
    assert whole.record.kept_epoch == kept
    shorter = quick("model_1", *settings, f"epochs={kept}")
    assert train(store, shorter, tmp_path / "shorter").record.kept_epoch == kept
    assert weights(tmp_path / "whole") == weights(tmp_path / "shorter")
    predictions = "predictions/validation.csv"
    assert (tmp_path / "whole" / predictions).read_text() == (
        tmp_path / "shorter" / predictions
    ).read_text()
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, kept + 1, KeyboardInterrupt())
        with pytest.raises(RunInterruptedError):
            train(store, best, tmp_path / "run")
    train(store, best, tmp_path / "run", resume=True)
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    assert f"the weights after epoch {kept} are kept" in (tmp_path / "run/train.log").read_text()


def test_a_full_disk_keeps_the_last_finished_epoch(
    store: ExampleStore, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(1000))
    original = os.fsync

    def full(handle: int) -> None:
        if "last.pt" in os.readlink(f"/proc/self/fd/{handle}") and next(calls) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"last\.pt.*No space left.*Free some space"):
            train(store, quick(), tmp_path / "run")
    assert not list(tmp_path.rglob("*.part"))
    train(store, quick(), tmp_path / "run", resume=True)
    assert weights(tmp_path / "run") == weights(uninterrupted)


def test_a_disk_that_fills_up(
    store: ExampleStore, tmp_path: Path, pneumoscope: Callable[..., object], small_dataset: Path
) -> None:
    place = tmp_path / "small_disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a small disk to fill")
    try:
        outcome = pneumoscope(
            *("train", small_dataset, "--model", "model_4", "--out", place / "runs"),
            *("--set", "image_size=64", "--set", "epochs=2"),
        )
        assert outcome.code == 1
        assert "No space left" in outcome.err
        assert "Free some space" in outcome.err
        assert "Traceback" not in outcome.err
        assert not list(place.rglob("*.part"))
        assert json.loads((place / "runs/model_4/run.json").read_text())["finished"] is False
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_folder_in_use_is_refused_and_left_alone(store: ExampleStore, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    with pytest.raises(StorageError, match=r"run: the folder is not empty.*--resume"):
        train(store, quick(), tmp_path / "run")
    with pytest.raises(StorageError, match="not empty"):
        train(store, quick(), tmp_path / "run", resume=True)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_a_run_of_another_version_is_refused(store: ExampleStore, run: Run) -> None:
    record = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps({**record, "format": 99}))
    with pytest.raises(RunError, match=r"format 99.*reads formats 3 to 5"):
        Run.open(run.folder)
    with pytest.raises(RunError, match="format 99"):
        train(store, quick("model_1", "epochs=2"), run.folder, resume=True)


def test_a_run_of_version_0_1_is_read_and_resumed(
    store: ExampleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ("class_balance=acquisition", "augmentation.random_erasing=1", "epochs=2")
    recipe = quick("model_6", *more)
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 2, KeyboardInterrupt())
        with pytest.raises(RunInterruptedError):
            train(store, recipe, tmp_path / "run")
    path = tmp_path / "run" / "recipe.yaml"
    text = path.read_text().replace("format: 2\n", "").replace("random_erasing:", "erase:")
    path.write_text(text.replace("class_balance: acquisition", "class_balance: machines"))
    path = tmp_path / "run" / "run.json"
    record = json.loads(path.read_text())
    backbone = record.pop("initial_weights")
    del record["kept_epoch"]
    path.write_text(json.dumps(record | {"format": 3, "backbone": backbone}))
    run = Run.open(tmp_path / "run")
    assert run.recipe == recipe
    assert run.record.initial_weights.digest == backbone["digest"]
    assert train(store, recipe, tmp_path / "run", resume=True).record.finished


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"format": 3}', '{"format": 4}', '{"format": 5}']
)
def test_a_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=str(tmp_path)):
        Run.open(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_damaged_weights_are_named(store: ExampleStore, run: Run, damage: str) -> None:
    path = run.weights_path
    path.write_bytes(path.read_bytes()[:-9])
    if damage == "gone":
        path.unlink()
    with pytest.raises(RunError, match=path.name):
        evaluate_run(run, store)


@pytest.mark.parametrize("content", ["", "epoch,loss\n1,high\n"])
def test_a_damaged_history_is_named(store: ExampleStore, run: Run, content: str) -> None:
    (run.folder / "history.csv").write_text(content)
    with pytest.raises(RunError, match=r"history\.csv"):
        evaluate_run(run, store)


def test_missing_weights_leave_no_folder(store: ExampleStore, tmp_path: Path) -> None:
    missing = quick("model_5").model_copy(update={"weights": str(tmp_path / "vgg16.h5")})
    with pytest.raises(WeightsError):
        train(store, missing, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    train(store, quick("model_1"), tmp_path / "run")  # the folder is still free


def test_resuming_with_other_pretrained_weights_is_refused(
    store: ExampleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 2, KeyboardInterrupt())
        with pytest.raises(RunInterruptedError):
            train(store, quick("model_5"), tmp_path / "run")
    monkeypatch.setattr("pneumoscope.models.vgg16.load_vgg16", lambda *_: load_vgg16("none", 9))
    with pytest.raises(RunError, match="other pretrained weights"):
        train(store, quick("model_5"), tmp_path / "run", resume=True)


def test_a_file_at_the_run_s_path_is_refused(store: ExampleStore, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(StorageError, match="run: the folder is not empty"):
        train(store, quick("model_1"), tmp_path / "run")
    assert (tmp_path / "run").read_text() == "a file"


def test_resuming_with_other_settings_or_data_is_refused(
    store: ExampleStore, small_dataset: Path, run: Run, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"another recipe \(learning_rate differ\)"):
        train(store, quick("model_1", "epochs=2", "learning_rate=0.1"), run.folder, resume=True)
    other = ExampleStore(open_dataset(small_dataset, seed=1), ArrayCache(tmp_path / "cache"))
    with pytest.raises(RunError, match="other data or another split"):
        train(other, quick("model_1", "epochs=2"), run.folder, resume=True)


def test_a_finished_run_goes_on_to_more_epochs_as_if_it_had_been_asked_for_so_many(
    store: ExampleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ["keep=best", "early_stopping=null", "augmentation.flip=true"]
    longer = quick("model_4", *settings, "epochs=4")
    run = train(store, quick("model_4", *settings, "epochs=2"), tmp_path / "run")
    evaluate_run(run, store)
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 4, KeyboardInterrupt())
        with pytest.raises(RunInterruptedError):
            train(store, longer, tmp_path / "run", resume=True)
    assert not list(run.folder.glob("metrics/*")) + list(run.folder.glob("predictions/*"))
    with pytest.raises(RunError, match="has not finished"):
        evaluate_run(Run.open(run.folder), store)
    run = train(store, longer, tmp_path / "run", resume=True)
    whole = train(store, longer, tmp_path / "whole")
    for name in ("recipe.yaml", "predictions/validation.csv", "metrics/validation.json"):
        assert (run.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert weights(run.folder) == weights(whole.folder)
    assert run.record.kept_epoch == whole.record.kept_epoch
    assert [epoch.val_loss for epoch in run.history()] == [
        epoch.val_loss for epoch in whole.history()
    ]
    assert not (run.folder / "metrics" / "test.json").exists()
    assert len(list(csv.DictReader((run.folder / "test_readings.csv").open()))) == 1


def test_more_epochs_do_not_undo_early_stopping(
    store: ExampleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "_validation_loss", lambda *_: 1.0)
    short, longer = (
        quick("model_1", "early_stopping.patience=1", f"epochs={epochs}") for epochs in (2, 9)
    )
    run = train(store, short, tmp_path / "run")
    assert not run.record.stopped_early
    evaluate_run(run, store)
    before = weights(run.folder)
    run = train(store, longer, tmp_path / "run", resume=True)
    assert run.record.stopped_early
    assert len(run.history()) == 2
    assert weights(run.folder) == before
    assert is_evaluated(run, Split.TEST)  # no further reading of the test split is needed


@pytest.mark.parametrize(
    ("settings", "epochs", "reason"),
    [
        ([], 1, r"has 2 finished epochs already, more than epochs=1"),
        (["one_cycle={}", "early_stopping=null"], 3, r"planned for 2 epochs.*--set start=.*run"),
        ([], 3, r"last\.pt: missing"),
        ([], 3, r"last\.pt: the checkpoint cannot be read"),
    ],
)
def test_a_run_that_cannot_go_on_is_refused_and_left_alone(
    settings: list[str],
    epochs: int,
    reason: str,
    store: ExampleStore,
    run: Run,
    tmp_path: Path,
) -> None:
    if settings:
        run = train(store, quick("model_1", *settings, "epochs=2"), tmp_path / "other")
    if "missing" in reason:
        run.checkpoint_path.unlink()
    if "cannot be read" in reason:
        run.checkpoint_path.write_bytes(run.checkpoint_path.read_bytes()[:1000])
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match=reason):
        train(store, quick("model_1", *settings, f"epochs={epochs}"), run.folder, resume=True)
    assert before == {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}


def test_a_damaged_checkpoint_is_named(
    store: ExampleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 2, KeyboardInterrupt())
        with pytest.raises(RunError):
            train(store, quick(), tmp_path / "run")
    path = tmp_path / "run" / "checkpoints" / "last.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RunError, match=r"last\.pt: the checkpoint cannot be read"):
        train(store, quick(), tmp_path / "run", resume=True)


def test_an_unfinished_run_is_not_evaluated(store: ExampleStore, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", quick(), store.manifest)
    with pytest.raises(RunError, match="has not finished"):
        evaluate_run(run, store)


def test_no_patient_is_named_in_the_log(store: ExampleStore, run: Run) -> None:
    log = (run.folder / "train.log").read_text()
    assert not any(entry.group in log for entry in store.manifest.entries)


def test_a_run_of_another_lung_finder_is_refused(small_dataset: Path, tmp_path: Path) -> None:
    recipe = make_recipe("compact", assignments=["framing=lungs"])
    run = Run.create(tmp_path / "run", recipe, open_dataset(small_dataset))
    run.require_same_lung_finder()
    other = run.update_record(lung_finder="0" * 64)
    with pytest.raises(RunError, match=r"run: was trained with another lung finder"):
        other.require_same_lung_finder()
