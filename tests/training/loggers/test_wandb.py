"""Weights & Biases: the file of an offline run, read back as its format is published."""

import json
import struct
from pathlib import Path

import pytest

from pneumoscope.dataset import open_dataset
from pneumoscope.support.cache import ArrayCache
from pneumoscope.training import ExampleStore, make_recipe, train
from pneumoscope.training.loggers import open_loggers
from pneumoscope.training.loggers.training_logger import epoch_metrics, recipe_parameters

pytest.importorskip("wandb", reason="wandb is not installed")


def read_records(path: Path) -> list:
    """Read a log in LevelDB's format, after a header of 7 bytes, with a message in each record."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, records, message, place = path.read_bytes(), [], b"", 7
    while place + 7 <= len(content):
        if (left := 32_768 - place % 32_768) < 7:  # the end of a block is padded
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        message += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            records.append(Record.FromString(message))
            message = b""
    return records


def test_an_offline_run_holds_history_recipe_and_examples(
    small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_PROJECT", "chests")
    store = ExampleStore(open_dataset(small_dataset), ArrayCache(tmp_path / "cache"))
    recipe = make_recipe("model_1", assignments=["image_size=64", "epochs=2"])
    run = train(store, recipe, tmp_path / "run", loggers=open_loggers(["wandb"]))
    (path,) = (run.folder / "wandb").glob("offline-run-*/*.wandb")
    records = read_records(path)
    (begun,) = (record.run for record in records if record.HasField("run"))
    assert (begun.project, begun.display_name) == ("chests", "run")
    config = {item.key: json.loads(item.value_json) for item in begun.config.update}
    assert recipe_parameters(recipe).items() <= config.items()
    rows = [
        {
            item.key or "/".join(item.nested_key): json.loads(item.value_json)
            for item in record.history.item
        }
        for record in records
        if record.HasField("history")
    ]
    for row, epoch in zip(rows, run.history(), strict=True):
        assert row["_step"] == epoch.epoch
        assert epoch_metrics(epoch).items() <= row.items()
    assert rows[0]["examples/NORMAL/count"] == rows[0]["examples/PNEUMONIA/count"] == 4
    assert "examples/NORMAL/count" not in rows[1]
    (exit_record,) = (record.exit for record in records if record.HasField("exit"))
    assert exit_record.exit_code == 0
