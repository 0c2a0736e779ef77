"""Networks of the hub, from small random checkpoints in its format."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    ConvNextV2Config,
    ConvNextV2ForImageClassification,
    Dinov2Config,
    Dinov2Model,
    SwinConfig,
    SwinModel,
    ViTConfig,
    ViTForImageClassification,
    ViTMAEConfig,
    ViTMAEModel,
    ViTModel,
)

from pneumoscope.dataset import Entry, Label
from pneumoscope.models import MODELS, Network, PretrainedWeights, build_network, describe_network
from pneumoscope.models.hub import load_pretrained, read_structure
from pneumoscope.models.hub_network import hub_network
from pneumoscope.support.errors import WeightsError
from pneumoscope.training import make_recipe
from pneumoscope.training.examples import Examples
from pneumoscope.training.trainer import Trainer

COLOURS = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]}
CONVNEXT = ConvNextV2Config(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], num_labels=5)
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
SWIN = SwinConfig(embed_dim=8, depths=[1, 1, 1], num_heads=[1, 2, 2], image_size=96, window_size=3)


def filled(pretrained: PretrainedWeights) -> Network:
    """Build a network with all of the pretrained weights."""
    network = build_network(MODELS["hub"], 96, seed=0, structure=pretrained.structure)
    pretrained.fill(network)
    return network


@pytest.mark.parametrize(
    ("model", "side", "extra_tokens"),
    [
        (Dinov2Model(Dinov2Config(**SMALL, patch_size=14, image_size=70)), 6, 1),
        (ViTModel(ViTConfig(**SMALL, intermediate_size=64, patch_size=16, image_size=96)), 6, 1),
        (SwinModel(SWIN), 6, 0),
    ],
)
def test_patch_tokens_are_arranged_as_a_map(
    model: torch.nn.Module, side: int, extra_tokens: int, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path)
    pretrained = load_pretrained(str(tmp_path))
    network = filled(pretrained)
    image = torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(0))
    mean = torch.tensor([0.485, 0.456, 0.406]).view(
        1, 3, 1, 1
    )  # the folder states none: ImageNet's
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.inference_mode():
        tokens = model.eval()((image - mean) / std).last_hidden_state[0]
        maps = network.eval().head.features(image)[0]
    assert maps.shape == (tokens.shape[1], side, side)
    for row, column in ((0, 0), (0, 5), (3, 2), (5, 5)):
        expected = tokens[extra_tokens + row * side + column]
        torch.testing.assert_close(maps[:, row, column], expected, atol=1e-5, rtol=1e-5)


def test_features_are_the_checkpoint_s_with_its_colours(checkpoint: Path) -> None:
    pretrained = load_pretrained(str(checkpoint))
    head = filled(pretrained).head.eval()
    images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    mean, std = (
        torch.tensor(COLOURS[f"image_{name}"]).view(1, 3, 1, 1) for name in ("mean", "std")
    )
    with torch.inference_mode():
        expected = AutoModel.from_pretrained(checkpoint).eval()((images - mean) / std)
        features = head.features(images)
    torch.testing.assert_close(features, expected.last_hidden_state, atol=1e-5, rtol=1e-5)
    assert pretrained.origin.endswith("a folder")
    assert load_pretrained(str(checkpoint)).digest == pretrained.digest


def damaged(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not weights")


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def without_configuration(folder: Path) -> None:
    (folder / "config.json").unlink()


@pytest.mark.parametrize("spoil", [damaged, without_weights, without_configuration])
def test_a_damaged_checkpoint_is_refused(
    checkpoint: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    for file in checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    spoil(tmp_path)
    with pytest.raises(WeightsError, match=r"no network can be loaded.*such as --weights facebook"):
        load_pretrained(str(tmp_path))


def test_weights_without_a_pooler_are_deterministic(tmp_path: Path) -> None:
    """As google/vit-base-patch16-224: transformers draws the missing pooler at random."""
    settings = ViTConfig(**SMALL, intermediate_size=64, patch_size=16, image_size=64, num_labels=5)
    ViTForImageClassification(settings).save_pretrained(tmp_path)
    first, second = (load_pretrained(str(tmp_path)) for _ in range(2))
    assert first.digest == second.digest
    assert filled(first)(torch.rand(2, 1, 64, 64)).shape == (2,)


def test_half_precision_is_read_as_float32(tmp_path: Path) -> None:
    ConvNextV2ForImageClassification(CONVNEXT).half().save_pretrained(tmp_path)
    pretrained = load_pretrained(str(tmp_path))
    assert {value.dtype for value in pretrained.state.values()} == {torch.float32}
    assert filled(pretrained)(torch.rand(1, 1, 64, 64)).dtype is torch.float32


def test_masked_autoencoders_are_refused(tmp_path: Path) -> None:
    """They return a random quarter of the patches in random order."""
    masked = ViTMAEConfig(**SMALL, intermediate_size=64, patch_size=16, image_size=224)
    ViTMAEModel(masked).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="'vit_mae' cannot be built for grey images"):
        hub_network(load_pretrained(str(tmp_path)).structure)


@pytest.mark.parametrize(
    ("processor", "mean"),
    [({"do_normalize": False, **COLOURS}, [0, 0, 0]), ({}, [0.485, 0.456, 0.406])],
)
def test_colours_are_those_of_the_preprocessor(
    checkpoint: Path, tmp_path: Path, processor: dict, mean: list[float]
) -> None:
    (tmp_path / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    assert read_structure(str(tmp_path))["mean"] == mean


def test_a_damaged_preprocessor_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(WeightsError, match="no network can be loaded"):
        read_structure(str(tmp_path))


def test_averaged_weights_leave_indices_alone(tmp_path: Path) -> None:
    """Swin has a buffer of integer indices."""
    made = make_recipe("hub", assignments=["weight_average=0.9", "precision=float32"])
    SwinModel(SWIN).save_pretrained(tmp_path)
    network = build_network(MODELS["hub"], 96, 0, load_pretrained(str(tmp_path)).structure)
    entries = tuple(Entry(str(i), Label(i % 2)) for i in range(8))
    pixels = np.random.default_rng(0).integers(0, 256, (8, 96, 96), np.uint8)
    examples = Examples(entries, pixels, np.arange(8))
    trainer = Trainer(network, made.model_copy(update={"batch_size": 2}), examples, examples)
    trainer.run_epoch(lambda *_: None)
    indices = [
        (index, averaged)
        for (name, index), (_, averaged) in zip(
            network.named_buffers(), trainer.result.named_buffers(), strict=True
        )
        if name.endswith("relative_position_index")
    ]
    assert indices
    assert all(torch.equal(index, averaged) for index, averaged in indices)


def test_a_network_is_described_after_a_checkpoint_was_loaded(checkpoint: Path) -> None:
    loaded = load_pretrained(str(checkpoint))
    network = describe_network(MODELS["hub"], 64, loaded.structure)
    assert all(parameter.is_meta for parameter in network.parameters())
