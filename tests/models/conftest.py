"""Fixtures of the tests of the hub's networks."""

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    ConvNextV2Config,
    ConvNextV2ForImageClassification,
)

COLOURS = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]}
CONVNEXT = ConvNextV2Config(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], num_labels=5)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a classifier of five classes in the hub's format, with its preprocessor."""
    folder = tmp_path_factory.mktemp("convnext")
    torch.manual_seed(0)
    ConvNextV2ForImageClassification(CONVNEXT).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(COLOURS))
    return folder
