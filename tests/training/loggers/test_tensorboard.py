"""TensorBoard: event files, read back with TensorBoard's own reader."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.dataset import open_dataset
from pneumoscope.support.cache import ArrayCache
from pneumoscope.training import ExampleStore, make_recipe, train
from pneumoscope.training.loggers import open_loggers
from pneumoscope.training.loggers.training_logger import example_images, recipe_parameters

pytest.importorskip("tensorboard", reason="tensorboard is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_the_event_file_holds_history_recipe_and_examples(
    small_dataset: Path, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    store = ExampleStore(open_dataset(small_dataset), ArrayCache(tmp_path / "cache"))
    short, longer = (
        make_recipe("model_1", assignments=["image_size=64", f"epochs={epochs}"])
        for epochs in (1, 2)
    )
    for recipe in (short, longer):
        loggers = open_loggers(["tensorboard"])
        run = train(store, recipe, tmp_path / "run", resume=True, loggers=loggers)
    events = EventAccumulator(str(run.folder / "tensorboard"), {"images": 0, "tensors": 0})
    events.Reload()
    history = run.history()
    for tag, column in {
        "train/loss": "loss",
        "train/recall": "recall",
        "validation/loss": "val_loss",
        "validation/accuracy": "val_accuracy",
        "validation/auc": "val_auc",
        "learning_rate": "learning_rate",
    }.items():
        scalars = events.Scalars(tag)
        assert [scalar.step for scalar in scalars] == [1, 2]
        expected = [getattr(epoch, column) for epoch in history]
        assert [scalar.value for scalar in scalars] == pytest.approx(expected, rel=1e-6)
    start = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    shown = HParamsPluginData.FromString(start).session_start_info.hparams
    assert set(shown) == set(recipe_parameters(longer))
    assert shown["epochs"].number_value == 2
    assert shown["early_stopping.patience"].number_value == 3
    for label, pixels in example_images(store, longer).items():
        (event,) = events.Images(f"examples/{label}")
        image = Image.open(io.BytesIO(event.encoded_image_string)).convert("L")
        assert np.array_equal(np.asarray(image), np.hstack(pixels))  # side by side
